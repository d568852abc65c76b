// Coordinator: what is forgotten, by age or on request.
#include "broker/group/coordinator.h"

namespace isthmus::broker {

using kafka::ErrorCode;

namespace {

// Between two of them others go on.
constexpr size_t removed_per_slice = 100;

}  // namespace

io::Task<void> Coordinator::sweep() {
  while (!stop_.closed()) {
    co_await stop_.wait_until(loop_.now() + io::milliseconds(config_.retention_check_ms));
    std::vector<HostedGroupPtr> all;
    for (const auto& [index, partition] : partitions_) {
      if (!seams_.journal.writable(index)) continue;
      for (const auto& [id, hosted] : partition.groups) all.push_back(hosted);
    }
    for (size_t i = 0; i < all.size() && !stop_.closed(); ++i) {
      co_await expire(all[i]);
      if (i % removed_per_slice == 0) co_await io::yield(loop_);
    }
  }
}

io::Task<void> Coordinator::expire(HostedGroupPtr hosted) {
  // A link's groups do not expire: their members commit elsewhere, and the link says what is gone.
  // A fenced group's end is for the switchover to decide.
  if (hosted->dropped || hosted->link || hosted->removing) co_return;
  if (fenced(hosted->group.id())) co_return;
  auto expired = expired_offsets(hosted->group, hosted->offsets, loop_.wall_ms(),
                                 config_.offsets_retention_ms);
  if (!expired.empty()) {
    log_.info("group={} offsets of {} partitions expired", hosted->group.id(), expired.size());
    const ErrorCode error = co_await remove_offsets(hosted, std::move(expired));
    if (error != ErrorCode::none) co_return;
  }
  const bool unused = hosted->group.idle() && hosted->group.state() == GroupState::empty &&
                      hosted->offsets.empty() && hosted->appends.running() == 0;
  if (!unused || hosted->dropped || hosted->link || hosted->removing) co_return;
  co_await remove_group(hosted);
}

// The tombstones first: what has been forgotten here must not come back with the next coordinator.
io::Task<ErrorCode> Coordinator::remove_offsets(HostedGroupPtr hosted,
                                                std::vector<TopicPartition> partitions) {
  std::vector<GroupRecord> records;
  for (const TopicPartition& at : partitions) {
    const Offsets::Entry* entry = hosted->offsets.find(at);
    if (!entry) continue;
    records.push_back(encode_tombstone(OffsetKey{hosted->group.id(), at, false}));
    if (entry->from_link) {
      records.push_back(encode_tombstone(OffsetKey{hosted->group.id(), at, true}));
    }
  }
  if (records.empty()) co_return ErrorCode::none;
  InFlight::Hold appending(hosted->appends);
  const uint64_t number = hosted->offsets.begin();
  Result<void> result = co_await append(hosted->partition, std::move(records));
  if (!result) co_return coordinator_error(result.error());
  for (const TopicPartition& at : partitions) hosted->offsets.erase(at, number);
  co_return ErrorCode::none;
}

io::Task<ErrorCode> Coordinator::remove_group(HostedGroupPtr hosted) {
  hosted->removing = true;
  std::vector<TopicPartition> partitions;
  for (const auto& [at, entry] : hosted->offsets.entries()) partitions.push_back(at);
  ErrorCode error = co_await remove_offsets(hosted, std::move(partitions));
  const bool stored = hosted->group.generation() > 0;
  if (error == ErrorCode::none && stored) {
    std::vector<GroupRecord> records{encode_tombstone(GroupKey{hosted->group.id()})};
    Result<void> result = co_await append(hosted->partition, std::move(records));
    if (!result) error = coordinator_error(result.error());
  }
  hosted->removing = false;
  if (error == ErrorCode::none) drop(hosted);
  co_return error;
}

}  // namespace isthmus::broker
