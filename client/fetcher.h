// Fetcher: reads many partitions of a cluster, each from its leader, wherever that is.
//
// A partition is fetched while it is wanted: want() says from where, and what is delivered ends the
// wish until want() is called again. That is the back-pressure: who is behind asks later, and holds
// no other partition back. Batches are delivered as they lie in the log, not decoded. What all of
// them may bring together is bounded by the sink, which says whether it has room.
//
//   want ─► wanted ─► in flight at the leader ─► FetchSink::on_fetched ─► want ...
//             ▲            │ nothing new, or the leader has moved
//             └────────────┘
//
// A leader that moves is followed here, by metadata and by what answers say in passing (KIP-951). A
// partition whose leader is not known is set aside until the metadata have been asked for; the
// others go on meanwhile, also those of the same request.
// Requests name the leader epoch that we know (KIP-320) and the epoch of the last batch we hold, so
// that a leader which has truncated since says where the histories part (KIP-595).
//
// Who says which topic it means (by id) never gets records of another that has its name since
// (KIP-516): from version 13 on a fetch asks by id. Before that it asks by name, and what it brings
// is delivered once the same leader has said, after it, that the name still belongs to that topic.
//
// Several requests may be under way at each leader, on connections of their own: partitions that
// are asked for while a long poll waits go with the next one. Fetch sessions (KIP-227) are not
// used.
//
// Where one partition has more than a fetch brings, and the line is long, it is read ahead
// (client/read_ahead.h), by requests for it alone over further connections; what comes is delivered
// in order, each piece when it is wanted. Anything unusual ends that, and is found again by an
// ordinary fetch.
//
// Owned by its user, on the loop of its Cluster, which outlives it. close() before destruction.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "client/cluster.h"
#include "client/read_ahead.h"
#include "kafka/gen/fetch.h"

namespace isthmus::client {

struct FetchOptions {
  int32_t max_bytes = 50 << 20;
  int32_t max_partition_bytes = 8 << 20;
  int32_t min_bytes = 1;
  std::chrono::milliseconds max_wait{500};
  std::chrono::milliseconds request_timeout{30'000};  // on top of max_wait
  bool read_committed = false;
  // An answer without news is delivered all the same, if the latest delivery is so long ago: for a
  // user to whom it is news that nothing has changed meanwhile.
  std::optional<std::chrono::milliseconds> tell_again_after;
  int requests_per_leader = 2;
  Cluster::Lane first_lane = 1;  // the first of `requests_per_leader` lanes of the cluster
  // What may be under way ahead of what is wanted, of all partitions; the lanes for it follow those
  // above. 0 = nothing is read ahead.
  int32_t read_ahead_bytes = 0;
  int read_ahead_lanes = 4;
};

struct FetchPosition {
  Offset offset = 0;
  LeaderEpoch last_fetched_epoch = -1;  // of the batch before `offset`
};

struct Fetched {
  TopicPartition partition;
  Offset asked_offset = 0;
  io::Instant asked_at{};  // the answer is of this time or later, however long it was on its way
  // Never one that only says that the leader is elsewhere. LEADER_NOT_AVAILABLE: the metadata know
  // of none; the partition is then still wanted. UNKNOWN_TOPIC_ID: the name belongs to another
  // topic than the one that was meant.
  kafka::ErrorCode error = kafka::ErrorCode::none;
  // Whole batches, except that the last may be cut short. May begin before the asked offset.
  // Empty if only the offsets below are told; the partition is then still wanted.
  Slice records;
  Offset high_watermark = -1;
  Offset last_stable_offset = -1;
  Offset log_start_offset = -1;
  LeaderEpoch leader_epoch = -1;  // of the leader that answered, as we know it
  // The leader's history ends `epoch` at `end_offset`: what we hold beyond it is not there.
  struct Divergence {
    LeaderEpoch epoch = -1;
    Offset end_offset = -1;
  };
  std::optional<Divergence> diverging;
};

class FetchSink {
 public:
  virtual ~FetchSink() = default;
  // May call want() and forget().
  virtual void on_fetched(Fetched fetched) = 0;
  // While there is none, nothing is asked for, however many partitions are wanted: each of them
  // would bring what one fetch takes. Who has made room again says go_on().
  virtual bool has_room() const { return true; }
};

class Fetcher {
 public:
  Fetcher(Cluster& cluster, FetchSink& sink, FetchOptions options);
  ~Fetcher();

  // Asks for what follows `position`, of the topic with that id; zero: of whatever has the name. An
  // answer to an earlier wish is dropped.
  void want(const TopicPartition& partition, FetchPosition position, const Uuid& topic_id = {});
  // Nothing of this partition is delivered from now on.
  void forget(const TopicPartition& partition);
  // The sink has room again.
  void go_on();

  // Delivers nothing more; returns when no request is under way. The cluster's requests end at
  // their own time, so close the cluster first to be quick.
  io::Task<void> close();

 private:
  // Of a partition that is read ahead, under one epoch of one leader.
  struct Ahead {
    ReadAhead pieces;
    Depth depth;
    NodeId leader;
    LeaderEpoch epoch;
    Uuid topic_id;
    uint64_t run;  // tells answers to an earlier one
  };
  struct Entry {
    FetchPosition position;
    Uuid topic_id;      // as it was meant; zero: any
    uint64_t wish = 0;  // tells an answer to an earlier wish
    bool wanted = false;
    bool in_flight = false;
    bool astray = false;  // its leader was another one than we believe
    bool denied = false;  // the leader does not know the topic that is meant
    std::unique_ptr<Ahead> ahead;
    Offset told_high_watermark = -1;
    Offset told_log_start = -1;
    io::Instant told_at{};
  };
  struct Asked {
    TopicPartition partition;
    FetchPosition position;
    uint64_t wish = 0;
    LeaderEpoch epoch = -1;
    Uuid topic_id;
    io::Instant at{};
    bool meant = false;  // that topic and no other
  };
  struct Source {
    explicit Source(io::Loop& loop) : changed(loop) {}
    io::Event changed;  // there may be something to ask for
    size_t turn = 0;
    io::Duration fastest = io::Duration::max();  // fetch: the delay is no more than that
  };
  // A fetch that brought as much as it may, and did not come to the end.
  struct Full {
    Asked asked;
    Extent extent;
    uint64_t bytes = 0;
    Offset log_end = -1;
  };
  using PartitionData = kafka::FetchResponse::PartitionData;

  void wake(const TopicPartition& partition);
  void wake_all();
  Source& source_of(NodeId leader);
  io::Task<void> run_lane(NodeId leader, Source& source, Cluster::Lane lane);
  // One request and its answer. False if the leader does not answer.
  io::Task<bool> fetch_once(NodeId leader, Source& source, const std::vector<Asked>& asked,
                            Cluster::Lane lane);
  // The ids that the leader has for these topics, asked for behind a fetch by name.
  using Ids = std::map<std::string, Uuid>;
  static io::Task<Result<Ids>> ask_ids(std::shared_ptr<Connection> connection,
                                       const std::vector<Asked>& asked, io::Instant deadline);
  // The leader has not that topic: the metadata will say what has become of it.
  void deny(const Asked& asked);
  void tell_denied();
  void note_full(const Asked& asked, const PartitionData& answer, std::vector<Full>& full) const;
  void begin_ahead(NodeId leader, const std::vector<Full>& full, io::Duration took,
                   io::Duration round_trip);
  size_t pieces_ahead();
  void end_ahead(const TopicPartition& partition, Entry& entry);
  // Delivers what is here and wanted, and asks for more.
  void advance(const TopicPartition& partition);
  io::Task<void> run_ahead();
  io::Task<void> fetch_ahead(Asked asked, uint64_t run, NodeId leader, uint64_t max_bytes);
  io::Task<Result<PartitionData>> ask_ahead(const Asked& asked, NodeId leader, uint64_t max_bytes);
  io::Task<void> find_leaders();
  io::Task<void> look_for_news();
  bool is_homeless(const TopicPartition& partition) const;
  void tell_homeless();
  std::vector<Asked> take_wanted(NodeId leader, Source& source);
  kafka::FetchRequest request_for(const std::vector<Asked>& asked) const;
  static int16_t at_most_for(const std::vector<Asked>& asked);
  void put_back(const std::vector<Asked>& asked);
  void deliver(const Asked& asked, PartitionData& answer);
  bool is_news(const Entry& entry, const PartitionData& answer) const;
  void tell(Entry& entry, const Asked& asked, PartitionData& answer);

  Cluster& cluster_;
  FetchSink& sink_;
  const FetchOptions options_;
  io::Loop& loop_;
  io::Gate gate_;
  io::Event homeless_;  // a wanted partition has no leader, or another than we believe
  std::map<TopicPartition, Entry> entries_;
  std::map<NodeId, std::unique_ptr<Source>> sources_;
  io::Event ahead_wanted_;
  bool is_ahead_wanted_ = false;
  bool is_held_up_ = false;  // a lane waits for the sink's room
  uint64_t next_wish_ = 1;
  uint64_t next_run_ = 1;
  int next_ahead_lane_ = 0;
  bool closing_ = false;
};

}  // namespace isthmus::client
