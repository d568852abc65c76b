#include "tests/broker/coordinator/memory_journal.h"

namespace isthmus::broker {

namespace {

constexpr io::milliseconds look_again{1};

}  // namespace

io::Task<Result<void>> MemoryJournal::append(PartitionIndex partition, LeaderEpoch leader_epoch,
                                             std::vector<JournalRecord> records) {
  ++appends;
  if (fails) co_return fail(*fails);
  while (held) co_await io::sleep(*loop, look_again);
  const auto epoch = in_force.find(partition);
  if (epoch != in_force.end() && epoch->second != leader_epoch) {
    co_return fail(kafka::error_of(kafka::ErrorCode::fenced_leader_epoch));
  }
  auto& log = logs[partition];
  log.insert(log.end(), records.begin(), records.end());
  while (slow) co_await io::sleep(*loop, look_again);
  co_return Result<void>{};
}

io::Task<Result<void>> MemoryJournal::replay(PartitionIndex partition, Visit visit) {
  ++replays;
  while (held) co_await io::sleep(*loop, look_again);
  for (size_t i = 0; i < logs[partition].size(); ++i) {
    if (pace.count() > 0) co_await io::sleep(*loop, pace);
    Result<void> result = visit(logs[partition][i]);
    if (!result) co_return result;
  }
  co_return Result<void>{};
}

}  // namespace isthmus::broker
