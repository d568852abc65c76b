#include "base/bytes.h"

namespace isthmus {

Slice Slice::copy_of(Bytes bytes) { return take(std::vector<uint8_t>(bytes.begin(), bytes.end())); }

Slice Slice::take(std::vector<uint8_t> bytes) {
  auto owner = std::make_shared<const std::vector<uint8_t>>(std::move(bytes));
  Bytes view(*owner);
  return {std::move(owner), view};
}

void Rope::append(Slice slice) {
  if (slice.empty()) return;
  size_ += slice.size();
  pieces_.emplace_back(std::move(slice));
}

void Rope::append(FileRange range) {
  if (range.length == 0) return;
  size_ += range.length;
  pieces_.emplace_back(std::move(range));
}

void Rope::append(const Rope& rope) {
  pieces_.insert(pieces_.end(), rope.pieces_.begin(), rope.pieces_.end());
  size_ += rope.size_;
}

void Rope::append(Rope&& rope) {
  if (pieces_.empty()) {
    *this = std::move(rope);
    return;
  }
  for (auto& piece : rope.pieces_) pieces_.push_back(std::move(piece));
  size_ += rope.size_;
}

Result<Slice> Rope::flatten() const {
  if (pieces_.size() == 1) {
    if (const auto* slice = std::get_if<Slice>(&pieces_[0])) return *slice;
  }
  std::vector<uint8_t> all(size_);
  size_t at = 0;
  for (const auto& piece : pieces_) {
    if (const auto* slice = std::get_if<Slice>(&piece)) {
      std::memcpy(all.data() + at, slice->data(), slice->size());
      at += slice->size();
      continue;
    }
    const auto& range = std::get<FileRange>(piece);
    auto n = range.file->read_at(range.position, MutableBytes(all).subspan(at, range.length));
    if (!n) return fail(n.error());
    if (*n != range.length) return fail(Error::corrupt("file ends inside a range to be sent"));
    at += range.length;
  }
  return Slice::take(std::move(all));
}

}  // namespace isthmus
