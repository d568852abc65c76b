// RecordWalk: one pass over the records of a batch, uncompressed or not, without taking anything
// out of them: no allocation for a record, no copy of a key or a value, and no more than one window
// of unpacked bytes in memory (compression.h).
//
//   RecordWalk walk(batch, header, limit, Framing::common);
//   while (walk.next(record)) ...
//   if (!walk.ok()) ... walk.error(), in record number walk.index()
//
// It believes nothing: every length, count and varint is held to the bytes that are there, the
// records to their number, and nothing may follow the last one. What it walks to the end,
// RecordReader (batch.h) reads. On the stack of whoever walks, any thread.
#pragma once

#include <optional>

#include "kafka/batch_header.h"

namespace isthmus::kafka {

struct WalkedRecord {
  int64_t timestamp = -1;  // the batch's own, with LogAppendTime
  int32_t offset_delta = 0;
  bool has_key = false;
};

class RecordWalk {
 public:
  // `batch` is whole, `header` its header, `limit` of the unpacked records' size.
  RecordWalk(Bytes batch, const BatchHeader& header, size_t limit, Framing framing);

  // False after the last record, and at the first that is not one.
  bool next(WalkedRecord& record);
  bool ok() const { return !error_; }
  const Error& error() const { return *error_; }  // REQUIRES: !ok()
  // Of the record that next() has given, or failed at; -1 before the first.
  int32_t index() const { return index_; }
  // Bytes of records seen, unpacked.
  size_t walked() const { return before_ + static_cast<size_t>(at_ - window_.data()); }

 private:
  // The rest of one record: what lies within the window, and what may go on in the next ones.
  class Here;
  class Across;

  bool finish();
  bool fail_with(Error error);
  bool fail_with(const char* why);
  bool refill();
  bool read_length(int32_t& length);
  template <typename Body>
  const char* read_body(Body& body, WalkedRecord& record) const;

  const BatchHeader& header_;
  const size_t limit_;
  std::optional<Unpacker> unpacker_;
  Bytes window_;
  const uint8_t* at_;
  const uint8_t* end_;  // of the window
  size_t before_ = 0;   // bytes of earlier windows
  int32_t index_ = -1;
  std::optional<Error> error_;
};

// What the largest timestamp of a stored batch's records is. Its header says so, where that can be;
// else the records are asked, up to `limit` unpacked bytes, and with what is unreadable the
// header's first timestamp stands for them.
int64_t largest_timestamp(Bytes batch, const BatchHeader& header, size_t limit);

}  // namespace isthmus::kafka
