#include "broker/log/log.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "broker/log/checkpoints.h"
#include "broker/log/doomed.h"
#include "broker/log/opening.h"
#include "broker/log/replay.h"

namespace isthmus::broker {

Result<std::unique_ptr<Log>> Log::open(FileCache& files, io::Loop& loop, std::string folder,
                                       TopicPartition tp, Uuid topic_id, LogConfig config,
                                       RecoveryHints hints) {
  auto opened = open_folder(files.disk(), folder, tp, topic_id, config, hints);
  if (!opened) return fail(opened.error());
  return open(files, loop, std::move(folder), std::move(tp), topic_id, config, std::move(*opened));
}

Result<std::unique_ptr<Log>> Log::open(FileCache& files, io::Loop& loop, std::string folder,
                                       TopicPartition tp, Uuid topic_id, LogConfig config,
                                       OpenedFolder opened) {
  for (const auto& segment : opened.log.segments) {
    if (auto done = segment->move_to(files); !done) return fail(done.error());
  }
  opened.synced_end.move_to(files);
  return std::unique_ptr<Log>(new Log(files, loop, std::move(folder), std::move(tp), topic_id,
                                      config, std::move(opened.log), std::move(opened.synced_end)));
}

Log::Log(FileCache& files, io::Loop& loop, std::string folder, TopicPartition tp, Uuid topic_id,
         LogConfig config, RecoveredLog recovered, SyncedEnd synced_end)
    : files_(files),
      loop_(loop),
      folder_(std::move(folder)),
      tp_(std::move(tp)),
      topic_id_(topic_id),
      config_(config),
      logger_(LogComponent::partitions, tp_.to_string()),
      segments_(std::move(recovered.segments)),
      snapshots_(std::move(recovered.snapshots)),
      safe_snapshot_(snapshots_.empty() ? -1 : snapshots_.back()),
      start_(recovered.start),
      end_(recovered.end),
      epochs_(std::move(recovered.epochs)),
      producers_(std::move(recovered.producers)),
      synced_end_(std::move(synced_end)),
      syncer_(loop, files.disk(), folder_, recovered.end, &synced_end_),
      report_(recovered.report),
      lookups_(loop) {
  syncer_.measure_in(&files.fsyncs());
}

const Error* Log::offline() const { return syncer_.failure() ? &*syncer_.failure() : nullptr; }

std::unexpected<Error> Log::go_offline(Error reason) {
  if (!offline()) logger_.error("offline: {}", reason.text);
  syncer_.stop(reason);
  return fail(std::move(reason));
}

// What the disk said of a step that can be taken back or done again.
std::unexpected<Error> Log::failed(Error reason) {
  if (offline() || !io::lacks_room(reason)) return go_offline(std::move(reason));
  if (!std::exchange(cramped_, true)) {
    logger_.warn("appends are refused until there is room: {}", reason.text);
  }
  return fail(std::move(reason));
}

Result<void> Log::refuse_if_offline() const {
  return offline() ? fail(*offline()) : Result<void>{};
}

Result<void> Log::refuse_if_closed() const {
  if (!closed_) return {};
  return fail(Error::closed(tp_.to_string() + " is closed"));
}

uint64_t Log::size_bytes() const {
  uint64_t bytes = 0;
  for (const auto& segment : segments_) bytes += segment->size();
  return bytes;
}

bool Log::is_empty() const {
  return std::ranges::all_of(segments_, [](const auto& segment) { return segment->size() == 0; });
}

Offset Log::last_stable_offset(Offset high_watermark) {
  return std::max(start_, producers_.last_stable_offset(high_watermark));
}

io::Task<Result<Offset>> Log::sync() {
  if (!syncs()) return io::ready<Result<Offset>>(end_);
  return syncer_.sync();
}

// A segment whose indexes wait for room would be believed without them.
Offset Log::recovery_point() const {
  const auto waiting = std::ranges::find_if(
      segments_, [](const auto& segment) { return !segment->indexes_on_disk(); });
  const bool sealed = waiting != segments_.end() && *waiting != segments_.back();
  return sealed ? std::min((*waiting)->base(), syncer_.durable()) : syncer_.durable();
}

void Log::expire_producers(int64_t now_ms) {
  producers_.expire(now_ms, config_.producer_expiration_ms);
}

Result<void> Log::save_epochs() {
  if (!epochs_.dirty()) return {};
  if (auto done = isthmus::broker::save_epochs(files_.disk(), folder_, epochs_); !done) {
    return failed(done.error());
  }
  return {};
}

Result<std::shared_ptr<io::File>> Log::snapshot_file(Offset at) {
  return files_.disk().open(Segment::path_of(folder_, at, ".snapshot"), io::Disk::Open::existing);
}

// Of what the producers have written up to here: its file if it is new, else nothing. Not synced
// here: while the batches before it are kept, one that a crash tears is recognised and an older one
// used (forgettable_segments()).
Result<std::shared_ptr<io::File>> Log::save_snapshot() {
  if (!snapshots_.empty() && snapshots_.back() == end_) return nullptr;
  auto file = write_snapshot(files_, folder_, end_, producers_);
  if (file) snapshots_.push_back(end_);
  return file;
}

// What recovery needs of a segment that it will not scan again must be durable before the recovery
// point passes it: the indexes, and the epochs that began in it. Indexes without room follow later
// (complete_sealed()).
Result<void> Log::complete(Segment& segment) {
  auto cut = segment.drop_refused();
  if (!cut) return fail(cut.error());
  if (*cut) syncer_.touched(std::move(*cut));
  if (auto done = save_epochs(); !done) return done;
  const bool had_txns = segment.txns().has_file();
  auto indexes = segment.finish_indexes();
  if (!indexes) return fail(indexes.error());
  for (auto& file : *indexes) syncer_.touched(std::move(file));
  if (!had_txns && segment.txns().has_file()) syncer_.folder_touched();
  return {};
}

// Durable at once: recovery_point() believes what has been written.
Result<void> Log::complete_sealed() {
  for (size_t i = 0; i + 1 < segments_.size(); ++i) {
    if (segments_[i]->indexes_on_disk()) continue;
    auto indexes = segments_[i]->finish_indexes();
    if (!indexes) return fail(indexes.error());
    for (const auto& file : *indexes) {
      if (auto done = file->sync_now(); !done) return done;
    }
    if (auto done = files_.disk().sync_folder(folder_); !done) return done;
  }
  return {};
}

Result<void> Log::roll_to(Offset base) {
  auto snapshot = save_snapshot();
  if (!snapshot) return failed(snapshot.error());
  auto done = seal_and_begin(base);
  // With the next group commit, beside the loop: retention will want it.
  if (*snapshot) syncer_.touched(std::move(*snapshot));
  return done;
}

Result<void> Log::seal_and_begin(Offset base) {
  if (auto done = complete(active()); !done) return failed(done.error());
  // The old segment is synced with the next group commit, before anything in the new one counts as
  // durable; a power loss may take its tail until then, and recovery cuts there. But all below the
  // old one is safe before the new one's name exists, which the next start relies on (recovery.h).
  // That holds the loop only where a segment fills faster than the disk syncs the one before.
  // page_cache promises nothing of the kind.
  if (syncs() && syncer_.durable() < active().base()) {
    if (auto done = syncer_.sync_now(); !done) return failed(done.error());
  }
  auto next = std::make_unique<Segment>(files_, folder_, base);
  Result<void> made = next->create();
  if (made) made = next->activate();
  if (!made) {
    // The old one may go on beyond its base: were it left, it would hide what they share. So that
    // it is gone becomes durable with the next record.
    syncer_.folder_touched();
    if (auto gone = next->remove(); !gone) return go_offline(gone.error());
    return failed(made.error());
  }
  active().seal();
  segments_.push_back(std::move(next));
  syncer_.folder_touched();
  // A snapshot may be here from before; the name of the segment that goes on with it is not.
  safe_snapshot_ = std::min(safe_snapshot_, base - 1);
  return {};
}

Result<void> Log::roll() {
  if (auto working = refuse_if_offline(); !working) return working;
  return active().size() == 0 ? Result<void>{} : roll_to(end_);
}

io::Task<Result<void>> Log::close() {
  closed_ = true;
  if (offline()) co_return fail(*offline());
  auto snapshot = save_snapshot();
  if (!snapshot) co_return go_offline(snapshot.error());
  auto file = active().file();
  if (!file) co_return go_offline(file.error());
  syncer_.touched(*file);
  if (auto done = complete(active()); !done) co_return go_offline(done.error());
  if (auto done = complete_sealed(); !done) co_return go_offline(done.error());
  for (const auto& segment : segments_) {
    if (segment->indexes_on_disk()) continue;
    co_return go_offline(Error::io(ENOSPC, "cannot complete the indexes of " + folder_));
  }
  active().seal();
  if (*snapshot) syncer_.touched(std::move(*snapshot));
  syncer_.folder_touched();
  const Result<Offset> durable = co_await syncer_.sync();
  if (!durable) co_return go_offline(durable.error());
  co_await syncer_.keep();
  syncer_.stop(Error::closed(tp_.to_string() + " is closed"));
  co_return Result<void>{};
}

io::Task<Result<void>> Log::erase() {
  closed_ = true;
  syncer_.stop(Error::closed(tp_.to_string() + " is removed"));
  for (const auto& segment : segments_) {
    for (const char* suffix : {".log", ".index", ".timeindex", ".txnindex"}) {
      files_.forget(Segment::path_of(folder_, segment->base(), suffix));
    }
  }
  files_.forget(synced_end_.path());
  segments_.clear();
  auto erase = [&disk = files_.disk(), folder = folder_, id = topic_id_, index = tp_.partition] {
    return doom(disk, folder, id, index);
  };
  auto done = co_await files_.disk().aside(std::move(erase));
  co_return done;
}

}  // namespace isthmus::broker
