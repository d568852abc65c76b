#include "mirror/offset_sync.h"

namespace isthmus::mirror {

using kafka::ErrorCode;

OffsetSync::OffsetSync(client::Cluster& source, client::Cluster& target, std::string link,
                       int64_t link_epoch, Selector groups, Logger log)
    : source_(source),
      target_(target),
      link_(std::move(link)),
      link_epoch_(link_epoch),
      selector_(std::move(groups)),
      log_(std::move(log)) {}

io::Task<Result<void>> OffsetSync::round(TakesTopic takes_topic, io::Instant deadline) {
  client::Admin admin(source_);
  auto groups = co_await admin.list_groups(deadline);
  if (!groups) co_return fail(groups.error());
  kafka::MirrorOffsetsRequest request;
  request.link = link_;
  request.link_epoch = link_epoch_;
  std::map<std::string, std::map<TopicPartition, Offset>> news;
  for (const auto& group : *groups) {
    if (!selector_.takes(group.group_id)) continue;
    auto committed = co_await admin.committed_offsets(group.group_id, deadline);
    if (!committed) continue;  // deleted, or moving to another coordinator: the next round sees it
    std::map<TopicPartition, Offset> offsets;
    kafka::MirrorOffsetsRequest::MirrorGroup out;
    out.group_id = group.group_id;
    for (const auto& [tp, offset] : *committed) {
      bool wanted = offset.error == ErrorCode::none && offset.offset >= 0 && takes_topic(tp.topic);
      if (!wanted) continue;
      offsets[tp] = offset.offset;
      out.offsets.push_back({tp.topic, tp.partition, offset.offset, offset.metadata});
    }
    auto known = sent_.find(group.group_id);
    if (offsets.empty() || (known != sent_.end() && known->second == offsets)) continue;
    request.groups.push_back(std::move(out));
    news[group.group_id] = std::move(offsets);
  }
  if (request.groups.empty()) co_return Result<void>{};
  auto sent = co_await send(std::move(request), std::move(news), deadline);
  co_return sent;
}

io::Task<Result<void>> OffsetSync::send(
    kafka::MirrorOffsetsRequest request,
    std::map<std::string, std::map<TopicPartition, Offset>> offsets, io::Instant deadline) {
  auto answer = co_await target_.call_any(std::move(request), deadline);
  if (!answer) co_return fail(answer.error());
  if (answer->error_code != ErrorCode::none) {
    co_return fail(Error::kafka(static_cast<int>(answer->error_code), "group offsets refused"));
  }
  for (const auto& group : answer->groups) {
    if (group.held) {
      if (held_.insert(group.group_id).second) {
        log_.warn("group={} is held: it has members or commits of its own at the target",
                  group.group_id);
      }
      continue;
    }
    if (group.error_code != ErrorCode::none) continue;  // sent again in the next round
    held_.erase(group.group_id);
    sent_[group.group_id] = std::move(offsets[group.group_id]);
  }
  co_return Result<void>{};
}

}  // namespace isthmus::mirror
