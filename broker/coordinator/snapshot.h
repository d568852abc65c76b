// What a partition of a coordinators' topic amounts to up to some offset, in a file: a coordinator
// reads it and then only the rest of the log, which nobody compacts yet.
//
//   file  := magic "ISGS"  block(head)  block(records)*  block(end)
//   block := length uint32, crc32c uint32 (of what follows), length bytes
//   head  := version int16 = 0, topic id 16 bytes, partition int32, offset int64 (of the first
//            record that is not in it), leader epoch int32 (of the record before that)
//   records := 'r', (key length int32, key, value length int32, value)*
//   end   := 'e', number of records int64
//
// Keys and values are those of the log, tombstones and what they removed are left out.
// Its truth is the log, which must have the offset, in that epoch: a snapshot of another topic, or
// of a log that was cut since, counts for nothing, and neither does a damaged one.
//
// No I/O but the file's own. Each object belongs to one coroutine.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"

namespace isthmus::broker {

struct SnapshotHead {
  Uuid topic_id;
  PartitionIndex partition = -1;
  Offset offset = 0;
  LeaderEpoch epoch = -1;
  bool operator==(const SnapshotHead&) const = default;
};

// The last value of each key.
class Fold {
 public:
  // nullopt is a tombstone.
  void add(Bytes key, std::optional<Bytes> value);
  size_t size() const { return values_.size(); }

 private:
  friend class SnapshotWriter;
  std::unordered_map<std::string, std::string> values_;
};

// A snapshot as a sequence of parts to be appended to a file, none much larger than a block.
class SnapshotWriter {
 public:
  SnapshotWriter(const SnapshotHead& head, const Fold& fold);
  // The next part; empty at the end.
  std::vector<uint8_t> next();

 private:
  const SnapshotHead head_;
  const Fold& fold_;
  std::unordered_map<std::string, std::string>::const_iterator at_;
  bool begun_ = false;
  bool ended_ = false;
};

class SnapshotReader {
 public:
  explicit SnapshotReader(std::shared_ptr<const ReadableFile> file) : file_(std::move(file)) {}

  Result<SnapshotHead> head();
  // The records of the next block. False at the end; Error::corrupt if it does not come to one.
  using Visit = std::function<Result<void>(Bytes key, Bytes value)>;
  Result<bool> next(const Visit& visit);

  uint64_t position() const { return position_; }

 private:
  Result<std::vector<uint8_t>> block();

  const std::shared_ptr<const ReadableFile> file_;
  uint64_t position_ = 0;
  int64_t records_ = 0;
};

}  // namespace isthmus::broker
