// Appender: carries what the pumps have fetched to the target, in order, with as few requests as
// the arrival allows: while requests are under way, what arrives meanwhile goes into the next one.
//
// Bounded by bytes: the pumps fetch on only while there is room. An answer that names an error ends
// the pump it is for; an answer that does not come ends the session, because whether the append
// happened is then unknown, and the target's log ends are asked for anew.
//
// Lives on the link's loop; owned by its Session.
#pragma once

#include <deque>
#include <functional>
#include <map>
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
  uint64_t life = 0;  // comes back with the outcome
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
  bool has_room() const { return bytes_ < max_bytes; }
  uint64_t requests() const { return requests_; }
  io::Task<void> close();

 private:
  static constexpr uint64_t max_bytes = 24u << 20;         // waiting and under way
  static constexpr uint64_t max_request_bytes = 4u << 20;  // plus one batch
  static constexpr int max_requests = 4;                   // under way

  void pump();
  std::vector<AppendJob> take();
  io::Task<void> send(std::vector<AppendJob> jobs);
  void settle(const std::vector<AppendJob>& jobs, const kafka::MirrorAppendResponse& response);

  client::Cluster& target_;
  const std::string link_;
  const int64_t link_epoch_;
  OnOutcome on_outcome_;
  OnBroken on_broken_;
  std::deque<AppendJob> waiting_;
  uint64_t bytes_ = 0;
  uint64_t requests_ = 0;
  int under_way_ = 0;
  io::Gate gate_;
};

}  // namespace isthmus::mirror
