// TxnIndex: the aborted transactions whose markers lie in one segment, in Kafka's `.txnindex`
// format (34 bytes each). A read_committed consumer is told of those that overlap what it reads,
// and drops their records.
//
// Aborts are few, so nothing is kept in memory but the count, and a segment without aborts has an
// empty file or none. As with the other indexes (index.h), what finds no room waits in memory.
// Lives with its Segment on one loop. Rebuilt by recovery.
#pragma once

#include <string>
#include <vector>

#include "base/ids.h"
#include "broker/log/file_cache.h"

namespace isthmus::broker {

struct AbortedTxn {
  ProducerId producer_id = -1;
  Offset first_offset = 0;
  Offset last_offset = 0;         // of its abort marker
  Offset last_stable_offset = 0;  // just after the abort
  friend bool operator==(const AbortedTxn&, const AbortedTxn&) = default;
};

class TxnIndex {
 public:
  TxnIndex(FileCache& files, std::string path) : files_(&files), path_(std::move(path)) {}
  void move_to(FileCache& files) { files_ = &files; }

  // An absent file has no entries; one that is not whole entries is an error.
  Result<void> load();
  Result<void> reset();
  // Returns the file, which must be durable before the segment counts as safe: an abort that is
  // lost would show aborted records as committed. nullptr while there is no room.
  Result<std::shared_ptr<io::File>> append(const AbortedTxn& txn);
  // The file with all aborts in it; nullptr while there is no room, or without aborts.
  Result<std::shared_ptr<io::File>> flushed_file();
  bool flushed() const { return tail_.empty(); }
  bool has_file() const { return in_file_ > 0; }
  Result<void> truncate(Offset end);  // forgets aborts whose marker is at or above `end`

  // Adds the transactions that overlap [from, upper). True when no later segment can have more.
  Result<bool> collect(Offset from, Offset upper, std::vector<AbortedTxn>& out) const;

  uint64_t count() const { return in_file_ + tail_.size(); }
  Result<std::vector<AbortedTxn>> all() const;

 private:
  Result<std::shared_ptr<io::File>> write_tail();

  FileCache* files_;
  std::string path_;
  uint64_t in_file_ = 0;
  std::vector<AbortedTxn> tail_;
};

}  // namespace isthmus::broker
