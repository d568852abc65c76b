#include "broker/coordinator/topic_journal.h"

#include <algorithm>

#include "base/check.h"
#include "kafka/batch.h"

namespace isthmus::broker {

using kafka::ErrorCode;

namespace {

// Read and shown in one go: about a millisecond. A larger batch is shown whole.
constexpr uint64_t slice_bytes = uint64_t{64} << 10;
constexpr auto patience = std::chrono::seconds(5);  // offsets.commit.timeout.ms
constexpr auto pause_after_failure = std::chrono::minutes(1);

Error closing() { return Error::closed("the broker stops"); }

// Shows the records of whole batches that begin before `end`; returns the offset after them.
template <typename Show>
Result<Offset> show_batches(Bytes batches, Offset end, const Show& show) {
  kafka::BatchIterator walk(batches, false);
  Offset next = -1;
  while (auto batch = walk.next()) {
    if (batch->header.base_offset >= end) break;
    next = batch->header.next_offset();
    if (batch->header.is_control()) continue;
    auto reader = kafka::RecordReader::open(batch->bytes);
    if (!reader) return fail(reader.error());
    kafka::Record record;
    while (reader->next(record)) {
      if (!record.key) continue;
      if (auto ok = show(*record.key, record.value); !ok) return fail(ok.error());
    }
  }
  return next;
}

}  // namespace

TopicJournal::TopicJournal(io::Env& env, PartitionTable& partitions, Options options)
    : env_(env),
      loop_(env.main_loop()),
      partitions_(partitions),
      options_(std::move(options)),
      log_(LogComponent::groups, options_.kind),
      changed_(loop_),
      gate_(loop_) {}

io::Task<void> TopicJournal::close() {
  changed_.close();
  co_await gate_.close();
}

Error TopicJournal::not_here() const {
  return kafka::error_of(ErrorCode::not_leader_or_follower,
                         "the partition of " + options_.topic + " is not open here");
}

PartitionRef TopicJournal::find(PartitionIndex partition) const {
  return partitions_.find(options_.topic, partition);
}

bool TopicJournal::writable(PartitionIndex partition) const {
  return static_cast<bool>(find(partition));
}

std::string TopicJournal::snapshot_path(PartitionIndex partition) const {
  return options_.folder + "/" + options_.kind + "-" + std::to_string(partition) + ".snapshot";
}

io::Task<Result<void>> TopicJournal::append(PartitionIndex partition, LeaderEpoch leader_epoch,
                                            std::vector<JournalRecord> records) {
  const PartitionRef ref = find(partition);
  if (!ref) co_return fail(not_here());
  kafka::BatchBuilder builder({});
  const int64_t now_ms = loop_.wall_ms();
  for (const auto& record : records) {
    std::optional<Bytes> value;
    if (record.value) value = record.value->view();
    builder.add(now_ms, record.key.view(), value);
  }
  Slice batch = std::move(builder).finish();
  const size_t size = batch.size();
  auto info = co_await ref.append(CoordinatorWriter{leader_epoch}, std::move(batch));
  if (!info) co_return fail(info.error());
  note_behind(partition, size);
  const io::Instant deadline = loop_.now() + patience;
  auto safe = co_await ref.committed(info->last_offset + 1, deadline, info->tenure);
  co_return safe;
}

io::Task<Result<void>> TopicJournal::replay(PartitionIndex partition, Visit visit) {
  const PartitionRef ref = find(partition);
  if (!ref) co_return fail(not_here());
  const ShowBytes show = [visit](Bytes key, std::optional<Bytes> value) {
    JournalRecord record{Slice::copy_of(key), std::nullopt};
    if (value) record.value = Slice::copy_of(*value);
    return visit(record);
  };
  auto from = co_await show_snapshot(partition, ref, show);
  if (!from) co_return fail(from.error());
  const PartitionView view = co_await ref.describe();
  auto shown = co_await show_log(ref, std::max(*from, view.start_offset), INT64_MAX, show);
  if (!shown) co_return fail(shown.error());
  tails_[partition].log_bytes = 0;
  note_behind(partition, shown->bytes);
  co_return Result<void>{};
}

io::Task<Result<TopicJournal::Shown>> TopicJournal::show_log(PartitionRef ref, Offset from,
                                                             Offset end, ShowBytes show) {
  Shown shown{from, 0};
  while (shown.next < end) {
    auto slice = co_await ref.read_own(shown.next, slice_bytes);
    if (!slice) co_return fail(slice.error());
    if (slice->empty()) break;
    auto next = show_batches(*slice, end, show);
    if (!next) co_return fail(next.error());
    if (*next <= shown.next) break;
    shown.next = *next;
    shown.bytes += slice->size();
    co_await io::yield(loop_);
    if (changed_.closed()) co_return fail(closing());
  }
  co_return shown;
}

io::Task<Result<SnapshotHead>> TopicJournal::open_snapshot(SnapshotReader& reader,
                                                           PartitionIndex partition,
                                                           PartitionRef ref) {
  auto head = reader.head();
  if (!head) co_return head;
  const ClampedOffset here = co_await ref.clamp(head->offset);
  const bool same_log = head->topic_id == ref.topic_id() && head->partition == partition &&
                        here.offset == head->offset && here.leader_epoch == head->epoch;
  if (!same_log) co_return fail("the snapshot is not of this log");
  co_return head;
}

io::Task<Result<Offset>> TopicJournal::show_snapshot(PartitionIndex partition, PartitionRef ref,
                                                     ShowBytes show) {
  const std::string path = snapshot_path(partition);
  if (!env_.disk.exists(path)) co_return Offset{0};
  auto file = env_.disk.open(path, io::Disk::Open::existing);
  if (!file) {
    log_.warn("not used: {}", file.error().text);
    co_return Offset{0};
  }
  SnapshotReader reader(*file);
  auto head = co_await open_snapshot(reader, partition, ref);
  Result<bool> more = true;
  if (!head) more = fail(head.error());
  while (more && *more) {
    more = reader.next([&show](Bytes key, Bytes value) { return show(key, value); });
    co_await io::yield(loop_);
    if (changed_.closed()) co_return fail(closing());
  }
  if (!more) {
    log_.warn("{} is not used, the log is read instead: {}", path, more.error().text);
    co_return Offset{0};
  }
  tails_[partition].snapshot_bytes = reader.position();
  co_return head->offset;
}

uint64_t TopicJournal::bytes_behind() const {
  uint64_t bytes = 0;
  for (const auto& [partition, tail] : tails_) bytes += tail.log_bytes;
  return bytes;
}

void TopicJournal::note_behind(PartitionIndex partition, uint64_t bytes) {
  tails_[partition].log_bytes += bytes;
  if (bytes_behind() <= options_.limits.bytes_behind) return;
  if (!keeping_up_) keeping_up_ = gate_.spawn(options_.kind + " snapshots", keep_up());
  changed_.notify_all();
}

// A snapshot costs as much as it is large, so there should be as much news, or at least a part.
std::optional<PartitionIndex> TopicJournal::most_behind() const {
  if (bytes_behind() <= options_.limits.bytes_behind) return std::nullopt;
  std::optional<PartitionIndex> most;
  for (const auto& [partition, tail] : tails_) {
    if (tail.log_bytes < std::max(options_.limits.least, tail.snapshot_bytes / 4)) continue;
    if (!most || tail.log_bytes > tails_.at(*most).log_bytes) most = partition;
  }
  return most;
}

io::Task<void> TopicJournal::keep_up() {
  while (!changed_.closed()) {
    const auto partition = most_behind();
    if (!partition) {
      co_await changed_.wait();
      continue;
    }
    auto taken = co_await take_snapshot(*partition);
    if (taken || changed_.closed()) continue;
    log_.warn("no snapshot of partition={} of {}, the next start takes longer: {}", *partition,
              options_.topic, taken.error().text);
    const io::Instant again = loop_.now() + pause_after_failure;
    while (!changed_.closed() && loop_.now() < again) co_await changed_.wait_until(again);
  }
}

io::Task<Result<void>> TopicJournal::take_snapshot(PartitionIndex partition) {
  const PartitionRef ref = find(partition);
  if (!ref) {
    tails_.erase(partition);  // it has gone; whoever reads it here again counts anew
    co_return Result<void>{};
  }
  Fold fold;
  const ShowBytes show = [&fold](Bytes key, std::optional<Bytes> value) -> Result<void> {
    fold.add(key, value);
    return {};
  };
  auto from = co_await show_snapshot(partition, ref, show);
  if (!from) co_return fail(from.error());
  const PartitionView view = co_await ref.describe();
  // What a loss of power may take away is not in it.
  auto shown =
      co_await show_log(ref, std::max(*from, view.start_offset), view.high_watermark, show);
  if (!shown) co_return fail(shown.error());
  const ClampedOffset end = co_await ref.clamp(shown->next);
  const SnapshotHead head{ref.topic_id(), partition, shown->next, end.leader_epoch};
  auto written = co_await write_snapshot(snapshot_path(partition), head, fold);
  if (!written) co_return written;
  Tail& tail = tails_[partition];
  tail.log_bytes -= std::min(tail.log_bytes, shown->bytes);
  log_.debug("snapshot of partition={} up to offset={} keys={}", partition, head.offset,
             fold.size());
  co_return Result<void>{};
}

io::Task<Result<void>> TopicJournal::write_snapshot(std::string path, SnapshotHead head,
                                                    const Fold& fold) {
  const std::string temporary = path + ".tmp";
  auto file = env_.disk.open(temporary, io::Disk::Open::create);
  if (!file) co_return fail(file.error());
  // A crash may have left an unfinished one.
  if (auto done = (*file)->truncate(0); !done) co_return done;
  SnapshotWriter writer(head, fold);
  uint64_t size = 0;
  for (auto part = writer.next(); !part.empty(); part = writer.next()) {
    if (auto done = (*file)->append(part); !done) co_return done;
    size += part.size();
    co_await io::yield(loop_);
    if (changed_.closed()) co_return fail(closing());
  }
  auto synced = co_await (*file)->sync();
  if (!synced) co_return synced;
  tails_[head.partition].snapshot_bytes = size;
  // Should a loss of power undo this, the one before is there.
  co_return env_.disk.rename(temporary, path);
}

}  // namespace isthmus::broker
