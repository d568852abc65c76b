#include "broker/group/hosted_group.h"

namespace isthmus::broker {

using kafka::ErrorCode;

HostedGroup::HostedGroup(Home& home, TermPtr term, Group g)
    : Hosted(g.id(), std::move(term), home.loop), group(std::move(g)), home_(home) {}

void HostedGroup::perform(GroupActions actions) {
  for (auto& join : actions.joins) {
    Waiting<kafka::JoinGroupResponse>::answer(joins, join.request, std::move(join.response));
  }
  for (auto& sync : actions.syncs) {
    Waiting<kafka::SyncGroupResponse>::answer(syncs, sync.request, std::move(sync.response));
  }
  if (actions.store && !is_gone()) {
    home_.runtime.spawn("store group", store(self(), std::move(*actions.store)));
  }
  count_bytes();
  home_.runtime.arm(*this);
}

io::Task<void> HostedGroup::store(Self self, GroupActions::Store store) {
  std::vector<JournalRecord> records{encode_group(self->key(), store.value)};
  Result<void> result = co_await self->term()->append(std::move(records));
  if (self->is_gone()) co_return;
  const ErrorCode error = result ? ErrorCode::none : coordinator_error(result.error());
  if (!result) {
    self->home_.log.warn("cannot store group={} generation={}: {}", self->key(),
                         store.value.generation, result.error().text);
  }
  self->perform(self->group.stored(store.ticket, error, self->now()));
}

void HostedGroup::count_bytes() {
  const size_t before = std::exchange(bytes_, is_gone() ? 0 : group.bytes());
  home_.memory.replace(before, bytes_);
}

bool HostedGroup::remove_if_unused() {
  const bool unused = group.idle() && group.state() == GroupState::empty &&
                      group.generation() == 0 && offsets.empty() && appends.running() == 0 &&
                      !link && !removing;
  if (unused) home_.runtime.remove(*this);
  return unused;
}

void HostedGroup::tick() {
  const size_t before = group.size();
  GroupActions actions = group.tick(now());
  if (group.size() < before) {
    home_.log.info("group={} lost {} members that did not report; {} left", key(),
                   before - group.size(), group.size());
  }
  perform(std::move(actions));
  remove_if_unused();
}

io::Task<void> HostedGroup::expire() {
  // A link's groups do not expire: their members commit elsewhere, and the link says what is gone.
  // A fenced group's end is for the switchover to decide.
  if (link || removing || home_.runtime.fences().hold(key())) co_return;
  auto expired =
      expired_offsets(group, offsets, home_.loop.wall_ms(), home_.config.offsets_retention_ms);
  if (!expired.empty()) {
    home_.log.info("group={} offsets of {} partitions expired", key(), expired.size());
    const ErrorCode error = co_await remove_offsets(std::move(expired));
    if (error != ErrorCode::none) co_return;
  }
  const bool unused = group.idle() && group.state() == GroupState::empty && offsets.empty() &&
                      appends.running() == 0;
  if (!unused || is_gone() || link || removing) co_return;
  co_await remove();
}

io::Task<ErrorCode> HostedGroup::remove_offsets(std::vector<TopicPartition> partitions) {
  std::vector<JournalRecord> records;
  for (const TopicPartition& at : partitions) {
    const Offsets::Entry* entry = offsets.find(at);
    if (!entry) continue;
    records.push_back(encode_tombstone(OffsetKey{key(), at, false}));
    if (entry->from_link) records.push_back(encode_tombstone(OffsetKey{key(), at, true}));
  }
  if (records.empty()) co_return ErrorCode::none;
  const io::InFlight::Hold appending(appends);
  const uint64_t number = offsets.begin();
  Result<void> result = co_await term()->append(std::move(records));
  if (!result) co_return coordinator_error(result.error());
  for (const TopicPartition& at : partitions) offsets.erase(at, number);
  co_return ErrorCode::none;
}

io::Task<ErrorCode> HostedGroup::remove() {
  removing = true;
  std::vector<TopicPartition> partitions;
  for (const auto& [at, entry] : offsets.entries()) partitions.push_back(at);
  ErrorCode error = co_await remove_offsets(std::move(partitions));
  const bool stored = group.generation() > 0;
  if (error == ErrorCode::none && stored) {
    std::vector<JournalRecord> records{encode_tombstone(GroupKey{key()})};
    Result<void> result = co_await term()->append(std::move(records));
    if (!result) error = coordinator_error(result.error());
  }
  removing = false;
  if (error == ErrorCode::none) home_.runtime.remove(*this);
  co_return error;
}

}  // namespace isthmus::broker
