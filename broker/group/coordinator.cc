#include "broker/group/coordinator.h"

#include <algorithm>

#include "base/check.h"
#include "base/crypto.h"
#include "io/turn_watch.h"

namespace isthmus::broker {

using kafka::ErrorCode;

namespace {

constexpr io::milliseconds load_retry{2'000};
// A batch of the journal must stay below its limit of bytes; with names and metadata at their
// longest, so many records do.
constexpr size_t max_records_per_append = 200;
// Groups that are made in one go: a millisecond or so.
constexpr size_t groups_per_slice = 100;

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
      fences_(loop),
      requests_(loop),
      loading_(loop),
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
  loading_.notify_all();
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

io::Task<bool> Coordinator::loaded(io::Instant deadline) {
  const auto is_loading = [](const auto& partition) { return !partition.second.loaded; };
  while (!closing_ && std::ranges::any_of(partitions_, is_loading)) {
    const bool in_time = co_await loading_.wait_until(deadline);
    if (!in_time) co_return false;
  }
  co_return !closing_;
}

io::Task<void> Coordinator::drain() {
  closing_ = true;
  fences_.end_waits();
  loading_.notify_all();
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
    } else if (const auto* moved = std::get_if<MovedGroupKey>(&*key)) {
      auto& brought = groups_[moved->group].moved;
      brought.reset();
      if (!record.value) return {};
      auto value = decode_moved(*record.value);
      if (!value) return fail(value.error());
      brought = std::move(*value);
    }
    return {};
  }

  // Some of the groups, each once; empty when all are made.
  std::vector<HostedGroupPtr> make(PartitionIndex partition, io::Loop& loop,
                                   const GroupConfig& config, Now now) {
    std::vector<HostedGroupPtr> made;
    while (!groups_.empty() && made.size() < groups_per_slice) {
      auto node = groups_.extract(groups_.begin());
      const std::string& id = node.key();
      Loaded& from = node.mapped();
      if (!from.stored && !from.moved && from.offsets.empty()) continue;
      Group group = from.stored ? Group(id, config, *from.stored, now) : Group(id, config);
      auto hosted = std::make_shared<HostedGroup>(std::move(group), partition, loop);
      // In the order of the keys a link's offset comes after a client's, and counts instead of it.
      for (auto& [at, committed] : from.offsets) {
        hosted->offsets.apply(at.first, std::move(committed), at.second, hosted->offsets.begin());
      }
      hosted->moved = std::move(from.moved);
      made.push_back(std::move(hosted));
    }
    return made;
  }

 private:
  struct Loaded {
    std::optional<kafka::GroupMetadataValue> stored;
    std::optional<MovedGroup> moved;
    std::map<std::pair<TopicPartition, bool>, CommittedOffset> offsets;
  };
  std::unordered_map<std::string, Loaded> groups_;
};

bool Coordinator::leads(PartitionIndex index, uint64_t term) const {
  const auto it = partitions_.find(index);
  return it != partitions_.end() && it->second.term == term;
}

void Coordinator::serve(PartitionIndex index, uint64_t term, Groups groups) {
  if (!leads(index, term)) return;
  Partition& partition = partitions_.at(index);
  partition.groups = std::move(groups);
  partition.loaded = true;
  log_.debug("loaded partition={} groups={}", index, partition.groups.size());
  std::vector<HostedGroupPtr> all;
  for (const auto& [id, hosted] : partition.groups) {
    // As the register says now: it may have changed while they were loaded.
    hosted->link = seams_.ownership.owner_of(id);
    count_bytes(*hosted);
    arm(hosted);
    all.push_back(hosted);
  }
  gate_.spawn("forget topics", forget(std::move(all), {}));
  loading_.notify_all();
}

// One partition after the other: the slices of many at once would hold up the loop together.
io::Task<void> Coordinator::load(PartitionIndex index, uint64_t term) {
  while (leads(index, term)) {
    if (is_loading_) {
      co_await loading_.wait();
      continue;
    }
    is_loading_ = true;
    io::doing("loading groups");
    Result<void> result = co_await load_now(index, term);
    is_loading_ = false;
    loading_.notify_all();
    if (result || !leads(index, term)) co_return;
    // Without a record that we cannot read we might answer with an old offset: rather none at all.
    log_.error("cannot load partition={} of __consumer_offsets, trying again: {}", index,
               result.error().text);
    co_await stop_.wait_until(loop_.now() + load_retry);
    if (stop_.closed()) co_return;
  }
}

io::Task<Result<void>> Coordinator::load_now(PartitionIndex index, uint64_t term) {
  auto loader = std::make_shared<Loader>();
  auto visit = [this, index, term, loader](const GroupRecord& record) -> Result<void> {
    // A log may be long: who stops, or leads no more, does not wait for its end.
    if (!leads(index, term)) return fail(Error::closed("resigned"));
    return loader->visit(record);
  };
  Result<void> result = co_await seams_.journal.replay(index, std::move(visit));
  if (!result) co_return result;
  Groups groups;
  for (auto made = loader->make(index, loop_, config_, now()); !made.empty();) {
    for (auto& hosted : made) groups.emplace(hosted->group.id(), std::move(hosted));
    co_await io::yield(loop_);
    if (!leads(index, term)) co_return result;
    made = loader->make(index, loop_, config_, now());
  }
  serve(index, term, std::move(groups));
  co_return result;
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
  const HostedGroupPtr hosted = find(group);
  const bool owned =
      hosted ? hosted->link.has_value() : seams_.ownership.owner_of(group).has_value();
  if (owned) return ErrorCode::not_coordinator;
  if (hosted && hosted->removing) return ErrorCode::coordinator_not_available;
  return ErrorCode::none;
}

io::Task<ErrorCode> Coordinator::admit_client(std::string group, GroupName name) {
  if (const ErrorCode error = check_client(group, name); error != ErrorCode::none) co_return error;
  const bool is_here = co_await fences_.pass(group);
  if (!is_here || fenced(group)) co_return ErrorCode::not_coordinator;
  co_return check_client(group, name);
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
  count_bytes(*hosted);
  arm(hosted);
}

void Coordinator::count_bytes(HostedGroup& hosted) {
  const size_t now = hosted.dropped ? 0 : hosted.group.bytes();
  bytes_ = bytes_ - std::exchange(hosted.bytes, now) + now;
}

bool Coordinator::has_room_for(const std::string& group, int64_t growth) {
  const int64_t limit = int64_t{config_.max_group_bytes} * config_.largest_groups;
  if (growth <= 0 || static_cast<int64_t>(bytes_) + growth <= limit) {
    told_of_no_room_ = told_of_no_room_ && growth <= 0;
    return true;
  }
  if (!std::exchange(told_of_no_room_, true)) {
    log_.warn(
        "group={} and others are told to wait: the members of all groups take {} bytes, and "
        "group.max.bytes allows {}",
        group, bytes_, limit);
  }
  return false;
}

bool Coordinator::drop_unused(const HostedGroupPtr& hosted) {
  const Group& group = hosted->group;
  const bool unused = group.idle() && group.state() == GroupState::empty &&
                      group.generation() == 0 && hosted->offsets.empty() &&
                      hosted->appends.running() == 0 && !hosted->link && !hosted->removing;
  if (unused) drop(hosted);
  return unused;
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
  drop_unused(hosted);
}

}  // namespace isthmus::broker
