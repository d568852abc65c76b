#include "broker/log/scanner.h"

#include <algorithm>

namespace isthmus::broker {

namespace {

constexpr size_t magic_at = 16;
constexpr uint8_t current_magic = 2;

std::unexpected<Error> cut_off() {
  return fail(Error::corrupt("record batch: the file ends inside it"));
}

}  // namespace

Result<Bytes> FileScanner::look(size_t size) {
  const bool inside = position_ >= window_at_ && position_ + size <= window_at_ + window_.size();
  if (!inside) {
    const uint64_t wanted = std::max<uint64_t>(size, window_size_);
    window_.resize(std::min<uint64_t>(wanted, end_ - position_));
    window_at_ = position_;
    auto n = file_->read_at(position_, window_);
    if (!n) return fail(n.error());
    window_.resize(*n);
  }
  const Bytes seen = Bytes(window_).subspan(position_ - window_at_);
  return seen.first(std::min(size, seen.size()));
}

Result<std::optional<FoundBatch>> FileScanner::next_header() {
  if (position_ >= end_) return std::nullopt;
  auto bytes = look(kafka::batch_header_size);
  if (!bytes) return fail(bytes.error());
  auto header = kafka::read_batch_header(*bytes);
  if (!header) return fail(header.error());
  if (header->total_size() > end_ - position_) return cut_off();
  const FoundBatch found{*header, position_, {}};
  position_ += header->total_size();
  return found;
}

Result<std::optional<FoundBatch>> FileScanner::next_batch() {
  const uint64_t start = position_;
  auto found = next_header();
  if (!found || !*found) return found;
  position_ = start;
  auto bytes = look((*found)->header.total_size());
  if (!bytes) return fail(bytes.error());
  if (bytes->size() < (*found)->header.total_size()) return cut_off();
  if (auto good = kafka::check_batch(*bytes); !good) return fail(good.error());
  (*found)->bytes = *bytes;
  position_ = (*found)->end_position();
  return found;
}

Result<std::optional<FoundBatch>> FileScanner::search(std::shared_ptr<const ReadableFile> file,
                                                      uint64_t from, uint64_t end, Offset lowest) {
  FileScanner window(file, from, end, sweep_window);
  while (window.position_ + kafka::batch_header_size <= end) {
    auto bytes = window.look(kafka::batch_header_size);
    if (!bytes) return fail(bytes.error());
    if (bytes->size() < kafka::batch_header_size) return std::nullopt;
    // Two cheap looks first: nearly every position fails one of them.
    const bool likely =
        (*bytes)[magic_at] == current_magic && load_be<Offset>(bytes->data()) >= lowest;
    if (likely) {
      FileScanner candidate(file, window.position_, end, lookup_window);
      auto found = candidate.next_batch();
      if (found && *found) {
        (*found)->bytes = {};  // they were the candidate's
        return found;
      }
    }
    ++window.position_;
  }
  return std::nullopt;
}

}  // namespace isthmus::broker
