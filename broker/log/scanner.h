// FileScanner: walks the record batches of a segment's file in order, by their headers alone or
// whole and with their checksums. Reads through a window, so that small batches do not cost a
// system call each. Short-lived, on the stack of whoever reads.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "io/disk.h"
#include "kafka/batch.h"

namespace isthmus::broker {

struct FoundBatch {
  kafka::BatchHeader header;
  uint64_t position = 0;
  Bytes bytes;  // the whole batch, until the next call; empty from next_header()

  uint64_t end_position() const { return position + header.total_size(); }
};

class FileScanner {
 public:
  // A page: a lookup from an index entry walks about 4 KiB of batches.
  static constexpr size_t lookup_window = 4096;
  static constexpr size_t sweep_window = 1 << 20;

  // From `position`, where a batch begins, to `end`.
  FileScanner(std::shared_ptr<const ReadableFile> file, uint64_t position, uint64_t end,
              size_t window)
      : file_(std::move(file)), position_(position), end_(end), window_size_(window) {}

  // Nothing at the end. After an error, position() is where the bad batch begins.
  Result<std::optional<FoundBatch>> next_header();
  Result<std::optional<FoundBatch>> next_batch();
  uint64_t position() const { return position_; }

  // The first whole batch with a good checksum that begins at any byte in [from, end) and whose
  // base offset is at least `lowest`. Answers whether something bad is a torn tail.
  static Result<std::optional<FoundBatch>> search(std::shared_ptr<const ReadableFile> file,
                                                  uint64_t from, uint64_t end, Offset lowest);

 private:
  // At least `size` bytes at position_, fewer only at the end.
  Result<Bytes> look(size_t size);

  std::shared_ptr<const ReadableFile> file_;
  uint64_t position_;
  uint64_t end_;
  size_t window_size_;
  std::vector<uint8_t> window_;
  uint64_t window_at_ = 0;
};

}  // namespace isthmus::broker
