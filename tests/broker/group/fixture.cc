#include "tests/broker/group/fixture.h"

#include <algorithm>

namespace isthmus::broker {

namespace {

constexpr io::milliseconds poll{1};

io::Task<bool> and_true(io::Task<void> task) {
  co_await task;
  co_return true;
}

}  // namespace

io::Task<Result<void>> MemoryOwnership::put(std::vector<std::string> groups,
                                            std::optional<std::string> link) {
  ++puts;
  while (held) co_await io::sleep(*loop, poll);
  if (fails) co_return fail(Error::timeout("the register is away"));
  for (const std::string& group : groups) {
    if (link) {
      owners[group] = *link;
    } else {
      owners.erase(group);
    }
  }
  co_return Result<void>{};
}

std::optional<std::string> MemoryOwnership::owner_of(const std::string& group) const {
  const auto it = owners.find(group);
  return it == owners.end() ? std::nullopt : std::optional(it->second);
}

std::optional<Topics::Topic> MemoryTopics::find(const std::string& name) const {
  if (gone.contains(name)) return std::nullopt;
  Topic topic;
  topic.partitions = 3;
  for (size_t i = 0; i < name.size(); ++i) topic.id.bytes[i % 15] ^= static_cast<uint8_t>(name[i]);
  const auto again = times_recreated.find(name);
  topic.id.bytes[15] = again == times_recreated.end() ? 0 : again->second;
  return topic;
}

io::Task<std::vector<std::optional<LogEnds::Clamped>>> MemoryEnds::clamp(
    std::vector<Position> positions) {
  while (held) co_await io::sleep(*loop, poll);
  std::vector<std::optional<Clamped>> clamped;
  for (const auto& [partition, offset] : positions) {
    const auto it = ends.find(partition);
    if (!reachable) {
      clamped.emplace_back();
    } else if (it == ends.end()) {
      clamped.push_back(Clamped{});
    } else {
      clamped.push_back(Clamped{std::min(offset, it->second), epoch});
    }
  }
  co_return clamped;
}

CoordinatorTest::CoordinatorTest() : host_(world_.add_host("a")) {
  config.partitions = 4;
  config.initial_rebalance_delay_ms = 0;
  restart();
}

void CoordinatorTest::start_process() {
  if (process_) process_->kill();
  process_ = &host_.start_process();
  journal.loop = ownership.loop = ends.loop = &process_->env().main_loop();
  coordinator_ = &make_another();
}

Coordinator& CoordinatorTest::make_another() {
  io::Env& env = process_->env();
  return process_->make<Coordinator>(env.main_loop(), env.random, config,
                                     Coordinator::Seams{journal, ownership, topics, ends});
}

void CoordinatorTest::lead_all() {
  ++epoch;
  for (PartitionIndex i = 0; i < config.partitions; ++i) coordinator().lead(i, epoch);
}

std::optional<Slice> CoordinatorTest::last(const GroupRecordKey& key) const {
  std::optional<Slice> value;
  for (const auto& [partition, log] : journal.logs) {
    for (const JournalRecord& record : log) {
      if (decode_key(record.key) == key) value = record.value;
    }
  }
  return value;
}

void CoordinatorTest::restart() {
  start_process();
  lead_all();
  pass(std::chrono::milliseconds(10));
}

Started<bool> CoordinatorTest::begin(io::Task<void> task) {
  return begin(and_true(std::move(task)));
}

void CoordinatorTest::ask(io::Task<void> task) { ask(and_true(std::move(task))); }

kafka::JoinGroupRequest CoordinatorTest::join(const std::string& group, const std::string& member) {
  kafka::JoinGroupRequest request;
  request.group_id = group;
  request.member_id = member;
  request.session_timeout_ms = 10'000;
  request.rebalance_timeout_ms = 30'000;
  request.protocol_type = "consumer";
  kafka::Writer subscription;
  subscription.int16(0);
  subscription.array_size(1, false);
  subscription.string("orders", false);
  request.protocols.push_back({"range", Slice::copy_of(subscription.unsealed())});
  return request;
}

kafka::OffsetCommitRequest CoordinatorTest::commit(const std::string& group, Offset offset,
                                                   const std::string& topic) {
  kafka::OffsetCommitRequest request;
  request.group_id = group;
  auto& partition = request.topics.emplace_back().partitions.emplace_back();
  request.topics[0].name = topic;
  partition.committed_offset = offset;
  return request;
}

std::string CoordinatorTest::become_member(const std::string& group) {
  const std::string id = ask(coordinator().join_group(caller, join(group))).member_id;
  const auto joined = ask(coordinator().join_group(caller, join(group, id)));
  EXPECT_EQ(joined.error_code, ErrorCode::none);
  kafka::SyncGroupRequest sync;
  sync.group_id = group;
  sync.member_id = id;
  sync.generation_id = joined.generation_id;
  sync.assignments.push_back({id, Slice::copy_of("everything")});
  EXPECT_EQ(ask(coordinator().sync_group(caller, sync)).error_code, ErrorCode::none);
  return id;
}

CoordinatorTest::Fetched CoordinatorTest::fetch(const std::string& group,
                                                const std::string& topic) {
  kafka::OffsetFetchRequest request;
  auto& asked = request.groups.emplace_back();
  asked.group_id = group;
  asked.topics.emplace().push_back({topic, {0}});
  const auto response = ask(coordinator().offset_fetch(
      {.client_id = "fetcher", .client_host = "", .version = 8}, request));
  const auto& answer = response.groups.at(0);
  if (answer.error_code != ErrorCode::none) return {.error = answer.error_code, .metadata = {}};
  const auto& partition = answer.topics.at(0).partitions.at(0);
  return {partition.error_code, partition.committed_offset, partition.committed_leader_epoch,
          partition.metadata.value_or("(null)")};
}

ErrorCode CoordinatorTest::commit_now(kafka::OffsetCommitRequest request) {
  const auto response = ask(coordinator().offset_commit(caller, std::move(request)));
  return response.topics.at(0).partitions.at(0).error_code;
}

}  // namespace isthmus::broker
