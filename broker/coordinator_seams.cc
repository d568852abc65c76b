#include "broker/coordinator_seams.h"

#include "kafka/batch.h"

namespace isthmus::broker {

using kafka::ErrorCode;

namespace {

constexpr const char* offsets_topic = "__consumer_offsets";
constexpr uint64_t replay_step_bytes = 1u << 20;
constexpr auto patience = std::chrono::seconds(5);  // offsets.commit.timeout.ms

Error not_here() {
  return kafka::error_of(ErrorCode::not_leader_or_follower,
                         "the partition of __consumer_offsets is not open here");
}

// Shows the records of whole batches; returns the offset after them.
Result<Offset> show(Bytes batches, const Journal::Visit& visit) {
  kafka::BatchIterator walk(batches, false);
  Offset next = -1;
  while (auto batch = walk.next()) {
    next = batch->header.next_offset();
    if (batch->header.is_control()) continue;
    auto reader = kafka::RecordReader::open(batch->bytes);
    if (!reader) return fail(reader.error());
    kafka::Record record;
    while (reader->next(record)) {
      if (!record.key) continue;
      GroupRecord out{Slice::copy_of(*record.key), std::nullopt};
      if (record.value) out.value = Slice::copy_of(*record.value);
      if (auto ok = visit(out); !ok) return fail(ok.error());
    }
  }
  return next;
}

}  // namespace

io::Task<Result<void>> OffsetsJournal::append(PartitionIndex partition,
                                              std::vector<GroupRecord> records) {
  auto found = partitions_.find(offsets_topic, partition);
  if (!found) co_return fail(not_here());
  kafka::BatchBuilder builder({});
  int64_t now_ms = env_.main_loop().wall_ms();
  for (const auto& record : records) {
    std::optional<Bytes> value;
    if (record.value) value = record.value->view();
    builder.add(now_ms, record.key.view(), value);
  }
  Slice batch = std::move(builder).finish();
  auto info = co_await found.append(CoordinatorWriter{}, std::move(batch));
  if (!info) co_return fail(info.error());
  io::Instant deadline = env_.main_loop().now() + patience;
  auto safe = co_await found.committed(info->last_offset + 1, deadline);
  co_return safe;
}

io::Task<Result<void>> OffsetsJournal::replay(PartitionIndex partition, Visit visit) {
  auto found = partitions_.find(offsets_topic, partition);
  if (!found) co_return fail(not_here());
  const PartitionView view = co_await found.describe();
  Offset at = view.start_offset;
  for (;;) {
    auto step = co_await found.read_own(at, replay_step_bytes);
    if (!step) co_return fail(step.error());
    if (step->empty()) co_return Result<void>{};
    auto next = show(*step, visit);
    if (!next) co_return fail(next.error());
    if (*next <= at) co_return Result<void>{};
    at = *next;
  }
}

bool OffsetsJournal::writable(PartitionIndex partition) const {
  return static_cast<bool>(partitions_.find(offsets_topic, partition));
}

io::Task<Result<void>> GroupRegister::put(std::string group, std::optional<std::string> link) {
  auto decide = [&](const Image& image) -> Result<Plan> {
    Plan plan;
    auto known = image.groups.find(group);
    bool has = known != image.groups.end();
    if (!link) {
      if (has) plan.remove_group(group, known->second);
      return plan;
    }
    GroupImage owner = has ? known->second : GroupImage{};
    if (owner.link == *link) return plan;
    owner.link = *link;
    plan.put_group(group, owner);
    return plan;
  };
  auto done = co_await controller_.update(decide);
  co_return done;
}

std::optional<std::string> GroupRegister::owner_of(const std::string& group) const {
  auto image = controller_.snapshot();
  auto known = image->groups.find(group);
  if (known == image->groups.end()) return std::nullopt;
  return known->second.link;
}

io::Task<std::vector<std::optional<LogEnds::Clamped>>> TopicEnds::clamp(
    std::vector<Position> positions) {
  std::vector<std::optional<Clamped>> all;
  for (auto& position : positions) {
    auto found = partitions_.find(position.partition.topic, position.partition.partition);
    if (found) {
      auto clamped = co_await found.clamp(position.offset);
      all.emplace_back(Clamped{clamped.offset, clamped.leader_epoch});
    } else if (found.absence() == ErrorCode::unknown_topic_or_partition) {
      all.emplace_back(Clamped{});
    } else {
      all.emplace_back(std::nullopt);  // it is being opened, or its disk is at fault
    }
  }
  co_return all;
}

}  // namespace isthmus::broker
