// Appender: carries what the pumps have fetched to the target, in order, with as few requests as
// the arrival allows: while requests are under way, what arrives meanwhile goes into the next one.
//
// Each leader at the target has a queue and requests of its own: one that is slow or dead holds up
// its partitions only. Bounded by bytes, each queue and all together: the pumps fetch on only while
// there is room. An answer that names an error, or does not come, is for the pumps it concerns:
// whether the append happened is then unknown, and they ask anew where the target's log ends. Only
// where no leader is known (a target of an earlier release, which has one broker) such an answer
// ends the session.
//
// Lives on the link's loop; owned by its Session.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "client/cluster.h"
#include "io/gate.h"
#include "kafka/gen/mirror_append.h"
#include "mirror/pump.h"

namespace isthmus::mirror {

struct AppendJob {
  TopicPartition partition;
  Uuid topic_id;
  LeaderEpoch source_epoch = -1;
  Offset source_end = -1;
  std::map<LeaderEpoch, ClusterNumber> owners;
  PumpAction action;
  uint64_t life = 0;   // comes back with the outcome
  NodeId leader = -1;  // at the target; -1 = not known
};

struct AppendOutcome {
  TopicPartition partition;
  kafka::ErrorCode error = kafka::ErrorCode::none;
  std::string message;
  MirrorTrouble trouble = MirrorTrouble::none;
  Offset end_offset = -1;
  uint64_t bytes = 0;
  uint64_t life = 0;  // of the job
};

class Appender {
 public:
  using OnOutcome = std::function<void(const AppendOutcome&)>;
  using OnBroken = std::function<void(const Error&)>;
  Appender(client::Cluster& target, std::string link, int64_t link_epoch, OnOutcome on_outcome,
           OnBroken on_broken);

  void add(AppendJob job);
  // What waits for the partition is not sent.
  void drop(const TopicPartition& partition);
  // For anybody; for what goes to that leader.
  bool has_room() const;
  bool has_room(NodeId leader) const;
  uint64_t requests() const { return requests_; }
  io::Task<void> close();

 private:
  static constexpr uint64_t max_bytes = 24u << 20;         // waiting and under way, of a leader
  static constexpr uint64_t max_bytes_of_all = 48u << 20;  // so one that is dead leaves half
  static constexpr uint64_t max_request_bytes = 4u << 20;  // plus one batch
  static constexpr int max_requests = 4;                   // under way, to a leader

  struct Line {
    std::deque<AppendJob> waiting;
    uint64_t bytes = 0;
    int under_way = 0;
  };
  using Answer = Result<kafka::MirrorAppendResponse>;

  void pump(NodeId leader);
  std::vector<AppendJob> take(Line& line);
  io::Task<void> send(NodeId leader, std::vector<AppendJob> jobs);
  io::Task<Answer> ask(NodeId leader, kafka::MirrorAppendRequest request);
  void leave(NodeId leader, const std::vector<AppendJob>& jobs);
  void give_back(Line& line, uint64_t bytes);
  void unanswered(const std::vector<AppendJob>& jobs, const Error& why);
  void settle(const std::vector<AppendJob>& jobs, const kafka::MirrorAppendResponse& response);

  client::Cluster& target_;
  const std::string link_;
  const int64_t link_epoch_;
  OnOutcome on_outcome_;
  OnBroken on_broken_;
  std::map<NodeId, Line> lines_;  // those with something to do
  std::set<NodeId> leaders_;      // to whom anything was sent
  uint64_t bytes_ = 0;
  uint64_t requests_ = 0;
  io::Gate gate_;
};

}  // namespace isthmus::mirror
