// Copier: copies from their leaders all partitions that this broker follows (follower.h decides,
// this does it).
//
// For each leader a few lanes, each with a connection to its listener for brokers. A lane takes all
// partitions of that leader that are due and that no other lane has, and goes one round with them:
// histories are compared, logs cut, one Fetch is sent for all, and what it brings is written and
// synced, partitions beside one another. The leader remembers what it was asked for last over that
// connection, so the Fetch names what has changed (follower_session.h). A long poll for many so
// holds up none that is due meanwhile: the next lane has it. Nor does a leader that has died hold
// up anything: who has another leader is no part of that round any more.
//
// What is being added here, which nobody waits for, keeps to a limit of bytes in a second.
//
// Owned by Broker, on the main loop; partitions are reached by their refs. close() before
// destruction, unless the loop has ended.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "base/log.h"
#include "broker/colleagues/dial.h"
#include "broker/image/image.h"
#include "broker/replica/partition_table.h"
#include "broker/replica/refusals.h"
#include "broker/replica/tally.h"
#include "broker/replication/follower.h"
#include "broker/replication/follower_session.h"
#include "client/connection.h"
#include "io/env.h"
#include "io/event.h"
#include "io/gate.h"
#include "kafka/gen/epoch_history.h"
#include "kafka/gen/fetch.h"

namespace isthmus::broker {

class Copier {
 public:
  // Kafka's names and defaults.
  struct Options {
    NodeId self = -1;
    int32_t fetch_max_bytes = 1 << 20;  // of one partition
    int32_t fetch_response_max_bytes = 10 << 20;
    std::chrono::milliseconds fetch_wait_max{500};
    io::Duration request_timeout = std::chrono::seconds(10);  // on top of it
    // Bytes in a second, of what is being added here; 0 = no limit. What is set of this broker at
    // run time (follower.replication.throttled.rate) goes before it.
    int64_t adding_bandwidth = 0;
  };
  Copier(io::Env& env, PartitionTable& partitions, Dialer& dialer, Options options);
  ~Copier();

  // Told of a leader that was reached in its life `starts`, and refuses connections since: long
  // before its session ends, its process is gone.
  using Refused = std::function<void(NodeId leader, int32_t starts)>;
  void on_refused(Refused refused) { refused_ = std::move(refused); }
  // Told of a leader that ceases to answer, and when it answers again.
  using Silence = std::function<void(NodeId leader, bool silent)>;
  void on_silence(Silence silence) { silence_ = std::move(silence); }

  // After the partitions that are open have heard of it. What is not is copied when it is.
  void follow(std::shared_ptr<const Image> image);
  // Others are open now.
  void look_again();
  io::Task<void> close();

 private:
  static constexpr size_t lanes = 2;
  // One partition. Lanes keep it while they are at work for it, also if it has gone meanwhile.
  struct Entry {
    TopicPartition name;
    Uuid topic_id;
    Follower follower;
    uint64_t round = 0;   // that it is in; 0 = none
    bool adding = false;  // it is being added here: held back (Options::adding_bandwidth)
    Refusals refusals = {};
    Refusals troubles = {};                              // of what came, to be written
    std::optional<io::Instant> found_at = std::nullopt;  // its partition, open, last
  };
  using Entries = std::vector<std::shared_ptr<Entry>>;
  // What a lane does at a time. Who has left it meanwhile is left alone.
  struct Round {
    NodeId leader = -1;
    uint64_t number = 0;
    Entries entries;
  };
  struct Lane {
    std::unique_ptr<client::Connection> connection;
    bool away = false;             // the log has said so
    FollowerSession session = {};  // of the connection
  };
  struct Source {
    explicit Source(io::Loop& loop) : changed(loop) {}
    io::Event changed;  // something may be due
    std::array<Lane, lanes> lane;
    size_t turn = 0;
    int32_t reached = 0;  // in which of its lives; 0 = never yet
    Tally refuses, serves, not_copied;
  };
  using PartitionData = kafka::FetchResponse::PartitionData;

  // True if something of it may be due.
  bool follow(const TopicImage& topic, PartitionIndex index);
  Source& source_of(NodeId leader);
  io::Task<void> run_lane(NodeId leader, Source& source, size_t number);
  Round take_due(NodeId leader);
  io::Instant next_due(NodeId leader) const;
  int64_t adding_bandwidth() const;
  int32_t limit_of(bool adding) const;
  bool is_held_back(const Entry& entry) const;
  void note_added(size_t bytes);
  // False if the leader does not answer.
  io::Task<bool> go_round(Source& source, Lane& lane, const Round& round);
  io::Task<Result<void>> take_steps(Source& source, Lane& lane, const Round& round);
  io::Task<Result<void>> connect(NodeId leader, Source& source, Lane& lane);
  void note_refusal(NodeId leader, const Source& source, const Error& error) const;
  Entries that_should(FollowerStep::Kind kind, const Round& round) const;
  io::Task<Result<void>> compare(Lane& lane, Entries entries);
  io::Task<void> compare_one(std::shared_ptr<Entry> entry, LeaderEpoch epoch, EpochHistory theirs);
  io::Task<Result<void>> fetch(Source& source, Lane& lane, Entries entries);
  FollowerSession::All asked_for(const Entries& entries) const;
  kafka::FetchRequest empty_request() const;
  // Cuts and writes, as far as it is due.
  io::Task<void> work_on_logs(Lane& lane, const Round& round);
  io::Task<void> work_on_log(Lane& lane, std::shared_ptr<Entry> entry, uint64_t round);
  io::Task<Result<FollowerEnd>> write(PartitionRef partition, FollowerStep step);
  PartitionRef find(Entry& entry) const;
  // As of half a second ago at most: each round asks for all.
  bool is_open(Entry& entry) const;
  void tell_of_others(NodeId leader, Source& source);
  void note_trouble(Entry& entry, const Error& error);
  // What the leader says to a fetch of it, or to the question where its epochs begin.
  void note_answer(Entry& entry, kafka::ErrorCode error, const char* asked);

  io::Loop& loop_;
  PartitionTable& partitions_;
  Dialer& dialer_;
  const Options options_;
  Logger log_{LogComponent::replication};
  Refused refused_;
  Silence silence_;
  std::shared_ptr<const Image> image_ = std::make_shared<const Image>();
  std::map<std::pair<Uuid, PartitionIndex>, std::shared_ptr<Entry>> entries_;
  std::map<NodeId, std::unique_ptr<Source>> sources_;
  uint64_t rounds_ = 0;
  io::Instant added_until_{};  // when what came of those that are added is even with their limit
  io::Gate gate_;
  bool closing_ = false;
};

}  // namespace isthmus::broker
