// Clients of the simulation: a producer and a consumer, over the production client::Connection.
//
// They behave as librdkafka does: what was not acknowledged is sent again, in order, on a new
// connection, for as long as it takes. Each lives on the main loop of a simulated process, is made
// with SimProcess::make and started with spawn(run()).
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "io/event.h"
#include "kafka/gen/fetch.h"
#include "kafka/gen/produce.h"
#include "tests/sim/caller.h"
#include "tests/sim/ledger.h"
#include "tests/sim/world/prng.h"

namespace isthmus::sim {

// Where clients look for their partition, in turn. The scenario may change it at any time, as a
// router would.
struct Destination {
  std::vector<io::Address> sites;
};

struct ProducerOptions {
  int id = 0;
  TopicPartition partition;
  bool idempotent = true;
  size_t in_flight = 5;                           // requests
  io::Duration pause_max = io::milliseconds(40);  // between batches
  uint64_t seed = 0;
  // One batch in so many is sent with a flipped bit first, and has to be refused. 0 = none.
  uint64_t corrupt_one_in = 0;
  bool stays = false;  // goes where Stage::stayers() says
};

class Producer {
 public:
  Producer(io::Env& env, Judge& judge, Ledger& ledger, const Destination& where,
           ProducerOptions options);

  io::Task<void> run();
  // Makes no new records; what was made is sent until it is acknowledged.
  void stop();
  void go_on();
  bool idle() const { return stopping_ && unacknowledged_.empty(); }
  int64_t acknowledged() const { return acknowledged_; }
  uint64_t refusals() const { return refusals_; }
  // The latest refusal, for the one who wonders why nothing moves.
  const std::string& trouble() const { return trouble_; }

 private:
  using Answer = kafka::ProduceResponse::PartitionProduceResponse;
  struct Batch {
    int64_t first = 0;  // number of the first record
    int32_t count = 0;
    Slice bytes;
    int attempt = 0;
    io::Instant sent;
    std::optional<Result<Answer>> answer;
  };
  using BatchPtr = std::shared_ptr<Batch>;

  io::Task<bool> introduce(Caller::ConnectionPtr connection);
  io::Task<void> converse(Caller::ConnectionPtr connection);
  io::Task<void> send_corrupt(Caller::ConnectionPtr connection, BatchPtr batch);
  void make_batch();
  void send(Caller::ConnectionPtr connection, BatchPtr batch);
  io::Task<void> await_answer(io::Task<Result<Slice>> answer, BatchPtr batch, int attempt,
                              int16_t version);
  client::RawRequest request_of(const Slice& batch, int16_t version) const;
  // False if the conversation is over.
  bool take_answers(size_t& sent);
  void note_trouble();
  bool is_refused_for_good(kafka::ErrorCode code) const;

  Caller caller_;
  Judge& judge_;
  Ledger& ledger_;
  const Destination& where_;
  const ProducerOptions options_;
  Prng random_;
  io::Event changed_;
  size_t turn_ = 0;
  io::Address site_;  // that it talks to
  ProducerId producer_id_ = -1;
  int64_t next_number_ = 0;
  std::deque<BatchPtr> unacknowledged_;
  io::Instant next_batch_{};
  int64_t acknowledged_ = 0;
  uint64_t refusals_ = 0;
  bool stopping_ = false;
  std::string trouble_;
};

struct ConsumerOptions {
  TopicPartition partition;
  std::string group;            // commits its position; empty = none
  bool watermark_stays = true;  // false where a site may be cut
  bool stays = false;           // as above
  // In a cluster of several brokers: who leads the partition need not coordinate the group, and a
  // leader learns anew what is safe, while it is read on below what it knows already.
  bool of_several = false;
};

class Consumer {
 public:
  Consumer(io::Env& env, Judge& judge, Ledger& ledger, const Destination& where,
           ConsumerOptions options);

  io::Task<void> run();
  Offset position() const { return position_; }
  const std::string& group() const { return options_.group; }
  const TopicPartition& partition() const { return options_.partition; }
  // What a coordinator may answer for the group: what was acknowledged last, or a commit whose
  // answer never came, if that can still have arrived after it.
  Offset least_committed() const;
  Offset most_committed() const { return most_committed_; }

 private:
  using Part = kafka::FetchResponse::PartitionData;
  struct Doubt {
    Offset offset;
    io::Instant since;
  };

  io::Address coordinator() const;
  io::Task<bool> fetch();
  bool take(const Part& part);
  io::Task<bool> find_coordinator();
  io::Task<bool> commit();

  Caller caller_;
  Judge& judge_;
  Ledger& ledger_;
  const Destination& where_;
  const ConsumerOptions options_;
  // That the turn talks to: an answer is of this one, whatever `where_` says by then.
  io::Address site_;
  size_t turn_ = 0;
  size_t coordinator_turn_ = 0;
  Offset position_ = 0;
  std::map<io::Address, Offset> watermarks_;
  bool knows_coordinator_ = false;
  Offset committed_ = -1;
  Offset most_committed_ = -1;
  std::vector<Doubt> doubts_;
};

// The records of a fetch answer from `position` on, in order; nothing if a value is not what its
// name makes.
std::optional<std::vector<StoredRecord>> records_in(Bytes batches, Offset position);
// Where its reader goes on; also over batches without records for him.
Offset records_end(Bytes batches, Offset position);

}  // namespace isthmus::sim
