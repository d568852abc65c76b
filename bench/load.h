// The load client: one partition (`partition`, 0), one connection, batches made beforehand; what it
// measures it verifies, and a run that lost, repeated or reordered anything has no figures. Of a
// new topic with `partitions`, all of which one broker leads, it produces to each in turn.
//
// Two ways to drive each: by `bytes` as fast as `in_flight` requests allow (throughput and CPU), or
// by `rate` (latency from the moment at which a batch was due, so that a stall counts in full). A
// producer that gets SIGTERM sends no more, and says what it has measured.
//
// On the main loop of its process.
#pragma once

#include <memory>
#include <vector>

#include "bench/arguments.h"
#include "bench/batches.h"
#include "client/cluster.h"

namespace isthmus::bench {

// How to reach the partition: through its leader as the metadata name it, or with `direct=1` at the
// address itself, which may be a relay or a floor without metadata.
struct Target {
  Target(io::Env& env, const Arguments& arguments);

  io::Env& env;
  io::Loop& loop;
  TopicPartition partition;
  io::Address address;
  bool direct = false;
  bool enough = false;                // told to stop
  client::ConnectionOptions options;  // with `ca`, TLS
  io::Gate gate;
  client::Cluster cluster;
};

io::Task<std::shared_ptr<client::Connection>> connect(Target& target);
io::Task<void> close(Target& target);

// Each ends the process by give_up() if it cannot go on, and prints one line of JSON.
io::Task<void> produce(Target& target, const Arguments& arguments);
io::Task<void> consume(Target& target, const Arguments& arguments);
// Creates the topic, with one partition if `partitions` does not say another number. These two say
// when they asked and when they were answered.
io::Task<void> create_topic(Target& target, const Arguments& arguments);
io::Task<void> delete_topic(Target& target, const Arguments& arguments);
// Prints "time offset" whenever the partition's end has moved (of `partitions`, the sum of their
// ends), until it reaches `until`. The time
// is in seconds of the monotonic clock, which other processes share.
io::Task<void> watch(Target& target, const Arguments& arguments);

Batches make_batches(const Arguments& arguments);

// The message of an answer that must be there.
template <typename T>
T must(Result<T> result, const char* what) {
  if (!result) give_up(std::string(what) + ": " + result.error().text);
  return std::move(*result);
}

struct Measured {
  io::Instant began, ended;
  int64_t bytes = 0;
  int64_t records = 0;
  Offset end = -1;  // of the partition, after what was measured; of several, what all have taken
  std::vector<io::Duration> latencies;
  std::vector<io::Instant> due;  // of each latency, with samples=1 and a rate
};
void print(const Measured& measured);

inline constexpr auto patience = std::chrono::seconds(30);

}  // namespace isthmus::bench
