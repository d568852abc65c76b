// OffsetSync: brings the committed offsets of the source's groups to the target, as they are: the
// target serves at most what it has. Only what changed since the last round is sent.
//
// Lives on the link's loop; owned by its Session.
#pragma once

#include <map>
#include <set>
#include <string>

#include "base/log.h"
#include "client/admin.h"
#include "kafka/gen/mirror_offsets.h"
#include "mirror/selector.h"

namespace isthmus::mirror {

class OffsetSync {
 public:
  OffsetSync(client::Cluster& source, client::Cluster& target, std::string link, int64_t link_epoch,
             Selector groups, Logger log);

  // One round. `takes_topic` says whether the link mirrors a topic; offsets of others stay away.
  using TakesTopic = std::function<bool(const std::string&)>;
  io::Task<Result<void>> round(TakesTopic takes_topic, io::Instant deadline);
  // The next round sends everything again.
  void forget() { sent_.clear(); }

  size_t groups() const { return sent_.size(); }
  const std::set<std::string>& held() const { return held_; }

 private:
  using Offsets = client::ByPartition<client::CommittedOffset>;
  io::Task<Result<void>> send(kafka::MirrorOffsetsRequest request,
                              std::map<std::string, std::map<TopicPartition, Offset>> offsets,
                              io::Instant deadline);

  client::Cluster& source_;
  client::Cluster& target_;
  const std::string link_;
  const int64_t link_epoch_;
  Selector selector_;
  Logger log_;
  std::map<std::string, std::map<TopicPartition, Offset>> sent_;
  std::set<std::string> held_;  // by the target, which has members or commits of its own
};

}  // namespace isthmus::mirror
