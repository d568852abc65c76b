// How a Log shrinks: cut at its end, moved at its start, or aged out.
#include <fmt/format.h>

#include <algorithm>

#include "broker/log/cut_bytes.h"
#include "broker/log/log.h"
#include "broker/log/replay.h"

namespace isthmus::broker {

Result<void> Log::remove_newest() {
  auto file = active().file();
  if (file) syncer_.forget(*file);
  if (auto done = active().remove(); !done) return done;
  segments_.pop_back();
  syncer_.folder_touched();
  return {};
}

// How many of the first segments may go. What goes may be all that tells of a producer's last
// batches: a snapshot where the first segment that stays begins is on the disk before. Else a crash
// would leave the producers strangers, and a client that goes on, or tries again, be refused for
// good. One above would not do: after a kill the next start reads from a segment's beginning on,
// and believes no snapshot beyond it.
Result<size_t> Log::forgettable_segments() {
  const auto after = std::ranges::upper_bound(segments_, start_, {}, &Segment::base);
  auto stays = static_cast<size_t>(std::max<ptrdiff_t>(after - segments_.begin(), 1)) - 1;
  for (; stays > 0; --stays) {
    const Offset base = segments_[stays]->base();
    if (!std::ranges::binary_search(snapshots_, base)) continue;
    if (auto done = secure_snapshot(base); !done) return fail(done.error());
    break;
  }
  return stays;
}

Result<void> Log::secure_snapshot(Offset at) {
  if (at <= safe_snapshot_) return {};
  // A group commit that went further has synced it, and those before (roll_to()).
  if (syncer_.durable() <= at) {
    if (auto working = refuse_if_offline(); !working) return working;
    auto file = snapshot_file(at);
    if (!file) return fail(file.error());
    Result<void> done = (*file)->sync_now();
    if (done) done = files_.disk().sync_folder(folder_);
    // Nobody could believe it if it was tried again (Syncer).
    if (!done) return go_offline(done.error());
  }
  safe_snapshot_ = at;
  return {};
}

// As far as the disk lets go of them; the rest follows with the next retention.
void Log::remove_below_start() {
  auto forgettable = forgettable_segments();
  Result<void> done;
  if (!forgettable) done = fail(forgettable.error());
  for (size_t left = forgettable.value_or(0); done && left > 0; --left) {
    done = segments_.front()->remove();
    if (!done) break;
    segments_.erase(segments_.begin());
    syncer_.folder_touched();
  }
  // A snapshot serves the segments after it; the newest one at or below the first is kept.
  while (done && snapshots_.size() > 1 && snapshots_[1] <= segments_.front()->base()) {
    done = files_.disk().remove(Segment::path_of(folder_, snapshots_.front(), ".snapshot"));
    if (done) snapshots_.erase(snapshots_.begin());
  }
  if (!done) logger_.warn("what lies below the start stays for now: {}", done.error().text);
}

Result<void> Log::reload_producers() {
  auto producers = rebuild_producers(files_, folder_, segments_, snapshots_, end_);
  if (!producers) return fail(producers.error());
  producers_ = std::move(*producers);
  safe_snapshot_ = std::min(safe_snapshot_, snapshots_.empty() ? -1 : snapshots_.back());
  return {};
}

Result<Offset> Log::truncate_to(Offset offset) {
  if (auto working = refuse_if_offline(); !working) return fail(working.error());
  if (offset >= end_) return end_;
  if (offset < start_) {
    return fail(Error::message(fmt::format("{}: cannot cut at offset {}: the log starts at {}",
                                           tp_.to_string(), offset, start_)));
  }
  forget_places();
  // Before anything is gone: else a crash would leave a log that ends below what was synced.
  if (auto done = synced_end_.settle(0); !done) return fail(done.error());
  // Epochs first: an entry without its records would name offsets that others write again.
  const EpochCache before = epochs_;
  if (epochs_.truncate_end(offset)) {
    if (auto done = save_epochs(); !done) {
      epochs_ = before;
      epochs_.not_as_saved();
      return fail(done.error());
    }
  }
  // From here on what fails is final. What lies beyond is nobody's to read, cut or not.
  end_ = offset;
  syncer_.truncated(end_);
  // Newest first, so that a crash leaves a shorter log, never one with a hole.
  while (segments_.size() > 1 && active().base() >= offset) {
    if (auto done = remove_newest(); !done) return go_offline(done.error());
  }
  auto found = active().find(offset);
  if (!found) return go_offline(found.error());
  if (*found) {
    const Offset end = std::min((*found)->header.base_offset, offset);
    auto file = active().file();
    if (!file) return go_offline(file.error());
    syncer_.forget(*file);
    file->reset();
    if (auto done = active().truncate((*found)->position, end); !done) {
      return go_offline(done.error());
    }
  }
  if (auto done = active().activate(); !done) return go_offline(done.error());
  auto end = active().end_offset();
  if (!end) return go_offline(end.error());
  end_ = *end;
  syncer_.truncated(end_);
  if (epochs_.truncate_end(end_)) {
    if (auto done = save_epochs(); !done) return go_offline(done.error());
  }
  if (auto done = reload_producers(); !done) return go_offline(done.error());
  if (auto done = syncer_.sync_now(); !done) return go_offline(done.error());
  if (auto done = synced_end_.settle(end_); !done) return go_offline(done.error());
  logger_.info("truncated end_offset={}", end_);
  return end_;
}

Result<void> Log::restart_at(Offset offset) {
  if (auto working = refuse_if_offline(); !working) return working;
  forget_places();
  if (auto done = synced_end_.settle(0); !done) return fail(done.error());
  const EpochCache before = epochs_;
  epochs_.truncate_end(0);
  if (auto done = save_epochs(); !done) {
    epochs_ = before;
    epochs_.not_as_saved();
    return done;
  }
  while (!segments_.empty()) {
    if (auto done = remove_newest(); !done) return go_offline(done.error());
  }
  auto segment = std::make_unique<Segment>(files_, folder_, offset);
  if (auto done = segment->create(); !done) return go_offline(done.error());
  if (auto done = segment->activate(); !done) return go_offline(done.error());
  segments_.push_back(std::move(segment));
  for (Offset at : snapshots_) {
    auto done = files_.disk().remove(Segment::path_of(folder_, at, ".snapshot"));
    if (!done) return go_offline(done.error());
  }
  snapshots_.clear();
  safe_snapshot_ = -1;
  producers_ = ProducerStates();
  start_ = end_ = offset;
  syncer_.truncated(0);
  syncer_.appended(offset);
  if (auto done = syncer_.sync_now(); !done) return go_offline(done.error());
  if (auto done = synced_end_.settle(end_); !done) return go_offline(done.error());
  logger_.info("starts anew start_offset={}", offset);
  return {};
}

Result<void> Log::move_start_to(Offset offset) {
  if (auto open = refuse_if_closed(); !open) return fail(open.error());
  if (offset > end_) {
    return fail(Error::message(fmt::format("{}: cannot start at offset {}: the log ends at {}",
                                           tp_.to_string(), offset, end_)));
  }
  if (offset <= start_) return {};
  start_ = offset;
  epochs_.truncate_start(start_);
  remove_below_start();
  return {};
}

Result<bool> Log::is_old(const Segment& segment, int64_t now_ms) const {
  if (config_.retention_ms < 0) return false;
  auto newest = segment.last_written_ms(now_ms);
  if (!newest) return fail(newest.error());
  return now_ms - *newest > config_.retention_ms;
}

// Nothing but offsets that were never given out.
Result<bool> Log::is_only_a_gap(const Segment& segment) const {
  if (segment.max_timestamp() >= 0) return false;
  auto first = segment.find(segment.base());
  if (!first) return fail(first.error());
  // A marker has a timestamp.
  return *first && (*first)->header.is_control() && (*first)->end_position() == segment.size();
}

Result<size_t> Log::apply_retention(int64_t now_ms, Offset high_watermark) {
  if (auto open = refuse_if_closed(); !open) return fail(open.error());
  remove_below_start();
  if (report_.has_cuts) {
    const int64_t age_ms =
        config_.retention_ms < 0 ? LogConfig().retention_ms : config_.retention_ms;
    auto done = remove_old_cuts(files_.disk(), folder_, now_ms - age_ms);
    if (!done) return fail(done.error());
  }
  if (!offline()) {
    if (auto done = complete_sealed(); !done) return go_offline(done.error());
  }
  if (!config_.delete_old) return 0;
  uint64_t size = size_bytes();
  size_t removed = 0;
  Offset start = start_;
  for (size_t i = 0; i < segments_.size(); ++i) {
    const bool last = i + 1 == segments_.size();
    if (last && (segments_[i]->size() == 0 || offline() != nullptr)) break;
    const Offset end = last ? end_ : segments_[i + 1]->base();
    if (end > high_watermark) break;
    auto old = is_old(*segments_[i], now_ms);
    if (!old) return fail(old.error());
    const uint64_t bytes = segments_[i]->size();
    const bool too_much = !last && config_.retention_bytes >= 0 &&
                          size - bytes >= static_cast<uint64_t>(config_.retention_bytes);
    if (!*old && !too_much) break;
    size -= bytes;
    // A gap goes with records behind it. If it went before them, who follows this log could not
    // know that nothing is missing between his end and our start.
    auto only_a_gap = is_only_a_gap(*segments_[i]);
    if (!only_a_gap) return fail(only_a_gap.error());
    if (*only_a_gap) continue;
    start = end;
    removed = i + 1;
  }
  if (removed == 0) return 0;
  // A log keeps an active segment, which holds its end offset. To begin one may need the room that
  // those before it give back.
  if (start == end_) {
    if (auto done = move_start_to(active().base()); !done) return fail(done.error());
    if (auto done = roll(); !done) return fail(done.error());
  }
  if (auto done = move_start_to(start); !done) return fail(done.error());
  logger_.info("retention removed segments={} start_offset={}", removed, start_);
  return removed;
}

}  // namespace isthmus::broker
