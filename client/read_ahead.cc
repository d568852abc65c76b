#include "client/read_ahead.h"

#include <algorithm>

#include "kafka/batch.h"

namespace isthmus::client {

namespace {
// Beside what a hole probably holds.
constexpr uint64_t spare_bytes = 64 << 10;
}  // namespace

std::optional<Extent> extent_of(const Slice& records) {
  kafka::BatchIterator walk(records, false);
  std::optional<Extent> extent;
  while (auto batch = walk.next()) {
    if (!extent) extent = Extent{batch->header.base_offset, -1};
    extent->end = batch->header.next_offset();
  }
  if (walk.end() == kafka::BatchIterator::End::corrupt) return std::nullopt;
  if (extent && extent->end <= extent->begin) return std::nullopt;
  return extent;
}

ReadAhead::ReadAhead(Offset wanted, Offset span, uint64_t bytes, uint64_t full, Offset end)
    : full_(full), wanted_(wanted), cursor_(wanted), end_(end) {
  learn(span, bytes);
}

void ReadAhead::learn(Offset span, uint64_t bytes) {
  if (span <= 0) return;
  if (spans_.size() == spans_kept) spans_.pop_front();
  spans_.push_back(span);
  bytes_per_offset_ = static_cast<double>(bytes) / static_cast<double>(span);
}

Offset ReadAhead::span() const { return spans_.empty() ? 1 : *std::ranges::min_element(spans_); }

bool ReadAhead::is_covered(Offset offset) const {
  // What was asked for before it and is not here yet reaches to it, as far as can be told.
  if (!under_way_.empty() && *under_way_.begin() <= offset) return true;
  return std::ranges::any_of(held_, [&](const auto& piece) {
    const Extent& extent = piece.second.extent;
    return extent.begin <= offset && offset < extent.end;
  });
}

uint64_t ReadAhead::bytes_to_next_piece() const {
  Offset next = end_;
  if (const auto asked = under_way_.upper_bound(wanted_); asked != under_way_.end()) {
    next = std::min(next, *asked);
  }
  for (const auto& [asked, piece] : held_) {
    if (piece.extent.begin > wanted_) next = std::min(next, piece.extent.begin);
  }
  const double hole = static_cast<double>(next - wanted_) * bytes_per_offset_;
  if (hole >= static_cast<double>(full_)) return full_;
  return std::min(full_, static_cast<uint64_t>(hole) * 5 / 4 + spare_bytes);
}

std::optional<ReadAhead::Ask> ReadAhead::next(size_t depth) {
  if (wanted_ >= end_) return std::nullopt;
  if (!is_covered(wanted_)) {
    const Ask ask{wanted_, bytes_to_next_piece()};
    under_way_.insert(wanted_);
    cursor_ = std::max(cursor_, wanted_ + span());
    return ask;
  }
  const bool enough = under_way_.size() >= depth || under_way_.size() + held_.size() > depth;
  if (enough || cursor_ >= end_) return std::nullopt;
  const Ask ask{cursor_, full_};
  under_way_.insert(cursor_);
  cursor_ += span();
  return ask;
}

bool ReadAhead::on_answer(Offset asked, Answer answer) {
  under_way_.erase(asked);
  if (answer.error_code != kafka::ErrorCode::none || answer.diverging_epoch.epoch >= 0) {
    return false;
  }
  if (!is_last_) end_ = std::max(end_, answer.high_watermark);
  auto records = answer.records.flatten();
  if (!records) return false;
  auto extent = extent_of(*records);
  if (!extent) return false;
  extent->begin = std::min(extent->begin, asked);  // where compaction has left nothing
  const bool is_full = 2 * records->size() >= full_;
  if (is_full && extent->end > asked) learn(extent->end - asked, records->size());
  if (extent->end > wanted_) held_[asked] = {*extent, std::move(answer)};
  return true;
}

std::optional<ReadAhead::Answer> ReadAhead::take() {
  std::erase_if(held_, [&](const auto& piece) { return piece.second.extent.end <= wanted_; });
  for (auto piece = held_.begin(); piece != held_.end(); ++piece) {
    const Extent extent = piece->second.extent;
    if (extent.begin > wanted_) continue;
    Answer answer = std::move(piece->second.answer);
    held_.erase(piece);
    wanted_ = extent.end;
    cursor_ = std::max(cursor_, wanted_);
    return answer;
  }
  return std::nullopt;
}

Depth::Depth(size_t begin, size_t most, double rate, io::Instant now)
    : depth_(std::min(begin, most)), most_(most), best_(rate), round_began_(now) {}

void Depth::shrink_to(size_t pieces) { depth_ = most_ = std::clamp(pieces, size_t{1}, depth_); }

void Depth::on_piece(uint64_t bytes, io::Instant now) {
  bytes_ += bytes;
  if (++pieces_ < 2 * depth_) return;
  const double seconds = std::chrono::duration<double>(now - round_began_).count();
  const double rate = static_cast<double>(bytes_) / std::max(seconds, 1e-6);
  round_began_ = now;
  bytes_ = pieces_ = 0;
  if (settled_) return;
  const bool faster = rate > worth_it * best_;
  best_ = std::max(best_, rate);
  if (faster && depth_ < most_) {
    ++depth_;
  } else {
    settled_ = true;
  }
}

}  // namespace isthmus::client
