#include "broker/group/coordinator.h"

#include <algorithm>

#include "base/check.h"
#include "base/crypto.h"

namespace isthmus::broker {

using kafka::ErrorCode;

namespace {

constexpr io::milliseconds load_retry{2'000};
// A batch of the journal must stay below its limit of bytes; with names and metadata at their
// longest, so many records do.
constexpr size_t max_records_per_append = 200;

}  // namespace

ErrorCode coordinator_error(const Error& error) {
  if (error.kind == Error::Kind::closed) return ErrorCode::not_coordinator;
  if (error.kind != Error::Kind::kafka) return ErrorCode::coordinator_not_available;
  switch (kafka::error_code(error)) {
    case ErrorCode::not_leader_or_follower:
    case ErrorCode::fenced_leader_epoch:
    case ErrorCode::kafka_storage_error: return ErrorCode::not_coordinator;
    case ErrorCode::message_too_large:
    case ErrorCode::record_list_too_large: return ErrorCode::invalid_commit_offset_size;
    default: return ErrorCode::coordinator_not_available;
  }
}

Coordinator::Coordinator(io::Loop& loop, io::Random& random, GroupConfig config, Seams seams)
    : loop_(loop),
      random_(random),
      config_(config),
      seams_(seams),
      requests_(loop),
      stop_(loop),
      gate_(loop) {}

Coordinator::~Coordinator() {
  if (loop_.has_ended()) return;
  CHECK(requests_.running() == 0 && partitions_.empty(), "the coordinator was not drained");
}

void Coordinator::lead(PartitionIndex index) {
  if (closing_) return;
  resign(index);
  Partition& partition = partitions_[index];
  partition.term = ++last_term_;
  gate_.spawn("load groups", load(index, partition.term));
  if (!sweeping_) sweeping_ = gate_.spawn("expire offsets", sweep());
}

void Coordinator::resign(PartitionIndex index) {
  const auto it = partitions_.find(index);
  if (it == partitions_.end()) return;
  const auto groups = std::move(it->second.groups);
  partitions_.erase(it);
  for (const auto& [id, hosted] : groups) {
    hosted->dropped = true;
    loop_.cancel(std::exchange(hosted->timer, 0));
    perform(hosted, hosted->group.refuse_waiting(ErrorCode::not_coordinator));
  }
  if (!groups.empty()) log_.info("resigned partition={} groups={}", index, groups.size());
}

bool Coordinator::serves(const std::string& group) const {
  const auto it = partitions_.find(broker::partition_of_group(group, config_.partitions));
  return it != partitions_.end() && it->second.loaded;
}

io::Task<void> Coordinator::drain() {
  closing_ = true;
  while (!partitions_.empty()) resign(partitions_.begin()->first);
  stop_.close();
  co_await requests_.ended();
  co_await gate_.close();
}

// What a partition's records say, the last one of each key.
class Coordinator::Loader {
 public:
  Result<void> visit(const GroupRecord& record) {
    auto key = decode_key(record.key);
    if (!key) return fail(key.error());
    if (const auto* offset = std::get_if<OffsetKey>(&*key)) {
      auto& offsets = groups_[offset->group].offsets;
      const auto at = std::pair(offset->partition, offset->from_link);
      if (!record.value) {
        offsets.erase(at);
        return {};
      }
      auto committed = decode_offset(*record.value);
      if (!committed) return fail(committed.error());
      offsets[at] = std::move(*committed);
    } else if (const auto* group = std::get_if<GroupKey>(&*key)) {
      auto& stored = groups_[group->group].stored;
      stored.reset();
      if (!record.value) return {};
      auto value = decode_group(*record.value);
      if (!value) return fail(value.error());
      stored = std::move(*value);
    }
    return {};
  }

  std::unordered_map<std::string, HostedGroupPtr> make(PartitionIndex partition, io::Loop& loop,
                                                       const GroupConfig& config,
                                                       const Ownership& ownership, Now now) {
    std::unordered_map<std::string, HostedGroupPtr> hosted_groups;
    for (auto& [id, from] : groups_) {
      if (!from.stored && from.offsets.empty()) continue;
      Group group = from.stored ? Group(id, config, *from.stored, now) : Group(id, config);
      auto hosted = std::make_shared<HostedGroup>(std::move(group), partition, loop);
      // In the order of the keys a link's offset comes after a client's, and counts instead of it.
      for (auto& [at, committed] : from.offsets) {
        hosted->offsets.apply(at.first, std::move(committed), at.second, hosted->offsets.begin());
      }
      hosted->link = ownership.owner_of(id);
      hosted_groups.emplace(id, std::move(hosted));
    }
    return hosted_groups;
  }

 private:
  struct Loaded {
    std::optional<kafka::GroupMetadataValue> stored;
    std::map<std::pair<TopicPartition, bool>, CommittedOffset> offsets;
  };
  std::unordered_map<std::string, Loaded> groups_;
};

io::Task<void> Coordinator::load(PartitionIndex index, uint64_t term) {
  while (true) {
    auto loader = std::make_shared<Loader>();
    auto visit = [loader](const GroupRecord& record) { return loader->visit(record); };
    Result<void> result = co_await seams_.journal.replay(index, std::move(visit));
    const auto it = partitions_.find(index);
    if (it == partitions_.end() || it->second.term != term) co_return;
    if (result) {
      Partition& partition = it->second;
      partition.groups = loader->make(index, loop_, config_, seams_.ownership, now());
      partition.loaded = true;
      log_.debug("loaded partition={} groups={}", index, partition.groups.size());
      for (const auto& [id, hosted] : partition.groups) arm(hosted);
      co_return;
    }
    // Without a record that we cannot read we might answer with an old offset: rather none at all.
    log_.error("cannot load partition={} of __consumer_offsets, trying again: {}", index,
               result.error().text);
    co_await stop_.wait_until(loop_.now() + load_retry);
    if (stop_.closed()) co_return;
  }
}

std::string Coordinator::fresh_id() {
  uint8_t bytes[16];
  random_.fill(bytes);
  return hex(bytes);
}

Coordinator::Partition* Coordinator::partition_of(const std::string& group) {
  const auto it = partitions_.find(broker::partition_of_group(group, config_.partitions));
  return it == partitions_.end() ? nullptr : &it->second;
}

ErrorCode Coordinator::check(const std::string& group, GroupName name) {
  if (closing_) return ErrorCode::not_coordinator;
  if (name == GroupName::required && group.empty()) return ErrorCode::invalid_group_id;
  const Partition* partition = partition_of(group);
  if (!partition) return ErrorCode::not_coordinator;
  return partition->loaded ? ErrorCode::none : ErrorCode::coordinator_load_in_progress;
}

ErrorCode Coordinator::check_client(const std::string& group, GroupName name) {
  if (const ErrorCode error = check(group, name); error != ErrorCode::none) return error;
  if (fenced(group)) return ErrorCode::not_coordinator;
  const HostedGroupPtr hosted = find(group);
  const bool owned =
      hosted ? hosted->link.has_value() : seams_.ownership.owner_of(group).has_value();
  if (owned) return ErrorCode::not_coordinator;
  if (hosted && hosted->removing) return ErrorCode::coordinator_not_available;
  return ErrorCode::none;
}

HostedGroupPtr Coordinator::find(const std::string& group) {
  Partition* partition = partition_of(group);
  if (!partition) return nullptr;
  const auto it = partition->groups.find(group);
  return it == partition->groups.end() ? nullptr : it->second;
}

HostedGroupPtr Coordinator::host(const std::string& id) {
  if (HostedGroupPtr hosted = find(id)) return hosted;
  auto hosted = std::make_shared<HostedGroup>(
      Group(id, config_), broker::partition_of_group(id, config_.partitions), loop_);
  hosted->link = seams_.ownership.owner_of(id);
  partition_of(id)->groups.emplace(id, hosted);
  return hosted;
}

void Coordinator::drop(const HostedGroupPtr& hosted) {
  if (hosted->dropped) return;
  hosted->dropped = true;
  loop_.cancel(std::exchange(hosted->timer, 0));
  partitions_.at(hosted->partition).groups.erase(hosted->group.id());
  perform(hosted, hosted->group.refuse_waiting(ErrorCode::coordinator_not_available));
}

void Coordinator::perform(const HostedGroupPtr& hosted, GroupActions actions) {
  for (auto& join : actions.joins) {
    Waiting<kafka::JoinGroupResponse>::answer(joins_, join.request, std::move(join.response));
  }
  for (auto& sync : actions.syncs) {
    Waiting<kafka::SyncGroupResponse>::answer(syncs_, sync.request, std::move(sync.response));
  }
  if (actions.store && !hosted->dropped) {
    gate_.spawn("store group", store(hosted, std::move(*actions.store)));
  }
  arm(hosted);
}

io::Task<void> Coordinator::store(HostedGroupPtr hosted, GroupActions::Store store) {
  std::vector<GroupRecord> records{encode_group(hosted->group.id(), store.value)};
  Result<void> result = co_await seams_.journal.append(hosted->partition, std::move(records));
  if (hosted->dropped) co_return;
  const ErrorCode error = result ? ErrorCode::none : coordinator_error(result.error());
  if (!result) {
    log_.warn("cannot store group={} generation={}: {}", hosted->group.id(), store.value.generation,
              result.error().text);
  }
  perform(hosted, hosted->group.stored(store.ticket, error, now()));
}

io::Task<Result<void>> Coordinator::append(PartitionIndex partition,
                                           std::vector<GroupRecord> records) {
  for (size_t at = 0; at < records.size(); at += max_records_per_append) {
    const size_t end = std::min(records.size(), at + max_records_per_append);
    std::vector<GroupRecord> part(std::make_move_iterator(records.begin() + at),
                                  std::make_move_iterator(records.begin() + end));
    Result<void> result = co_await seams_.journal.append(partition, std::move(part));
    if (!result) co_return result;
  }
  co_return Result<void>{};
}

// One timer per group, at its earliest deadline. Deadlines mostly move away (each heartbeat moves
// one): then the timer stays, fires early, finds nothing to do and is set again.
void Coordinator::arm(const HostedGroupPtr& hosted) {
  if (hosted->dropped || fenced(hosted->group.id())) return;
  const auto next = hosted->group.next_deadline();
  if (!next) return;
  if (hosted->timer != 0) {
    if (hosted->timer_at <= *next) return;
    loop_.cancel(hosted->timer);
  }
  hosted->timer_at = *next;
  hosted->timer = loop_.run_at(*next, [this, hosted] { on_timer(hosted); });
}

void Coordinator::on_timer(const HostedGroupPtr& hosted) {
  hosted->timer = 0;
  if (hosted->dropped || fenced(hosted->group.id())) return;
  const size_t before = hosted->group.size();
  GroupActions actions = hosted->group.tick(now());
  if (hosted->group.size() < before) {
    log_.info("group={} lost {} members that did not report; {} left", hosted->group.id(),
              before - hosted->group.size(), hosted->group.size());
  }
  perform(hosted, std::move(actions));
}

}  // namespace isthmus::broker
