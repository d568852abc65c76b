// SyncedEnd: up to where a log is known to be synced, kept in a file for the next start.
//
// After every sync the end is written into one of two slots of that file, in turns, and that write
// is not synced: after a killed process the newest slot is exact, after a power loss it may be an
// older one, which is a lower bound; after the first sync since a segment was begun it is made
// durable too, so that the bound is not far. A torn slot has a bad checksum, and the other stands.
// Each slot lies in a sector of its own (formats.md):
//
//   magic "ISEN" | version 2 | flags 2 | generation 8 | end 8 | crc32c 4 (of what stands before)
//
// What lies below the end that a start finds here, or in the recovery-point checkpoint, was synced
// once: if it is bad or gone, the disk has lost it (recovery.h). So before a log is cut on purpose
// the slot is lowered, durably, and marked: a checkpoint may then be from before the cut and is not
// believed, until one was written after it.
//
// Owned by a Log, whose file is `synced-end` in its folder, on its loop; or by the EmbeddedStore,
// whose ends are versions. A slot that cannot be written is no failure of the log: what stands
// there is a bound still.
#pragma once

#include <optional>
#include <string>

#include "base/ids.h"
#include "broker/log/file_cache.h"
#include "io/task.h"

namespace isthmus::broker {

class SyncedEnd {
 public:
  SyncedEnd(FileCache& files, std::string path) : files_(&files), path_(std::move(path)) {}
  void move_to(FileCache& files) { files_ = &files; }
  static std::string path_in(const std::string& folder) { return folder + "/synced-end"; }

  // Reads what the log's last owner left; without a good slot, nothing is known.
  Result<void> load();
  // The known end, given what the recovery-point checkpoint says.
  Offset known(Offset recovery_point) const;
  // Whether a segment's name says that all below the one before it was synced (recovery.h). Not
  // where a cut was begun and nothing says that it has ended: of the names that it removed, a power
  // loss may bring some back, beside a segment that is cut already. Nor where the segments may have
  // been begun out of order.
  bool trusts_names() const { return in_order_ && !(after_cut_ && end_ == Offset{0}); }
  // Whether the last start that wrote here synced what it acknowledged (durability fsync); also
  // where nothing is known of it.
  bool in_order() const { return in_order_; }
  // Whether the end was read or written here: then a batch ends exactly there.
  bool is_exact() const { return end_.has_value(); }

  // A start found the log synced up to `end`, and goes on with segments that are begun in order, as
  // durability fsync has it, or not (page_cache). That is durable before one is: who changes the
  // durability later must know of which one the segments are.
  void begin(Offset end, bool in_order);
  // The log is synced up to `end`.
  void advance(Offset end);
  // Makes what stands in the file durable. REQUIRES: this outlives the call.
  io::Task<void> keep();
  void keep_now();  // holding the thread
  // Durable: before the log is cut (with 0), and after, with its new end. In a file that is made
  // anew, if the old one has failed.
  Result<void> settle(Offset end);
  // A checkpoint was written since the `cuts`-th cut.
  uint64_t cuts() const { return cuts_; }
  bool doubts_checkpoint() const { return after_cut_; }
  void checkpointed(uint64_t cuts);

  const std::string& path() const { return path_; }

  struct Slot {
    int64_t generation = 0;
    Offset end = 0;
    bool after_cut = false;
    bool in_order = true;
  };

 private:
  Result<std::shared_ptr<io::File>> write(Offset end, bool after_cut);
  Result<void> write_anew(Offset end);
  void note(const Slot& slot);
  void give_up(const Error& why);

  FileCache* files_;
  std::string path_;
  std::optional<Offset> end_;
  bool after_cut_ = false;
  bool in_order_ = true;
  int64_t generation_ = 0;
  uint64_t cuts_ = 0;
  bool broken_ = false;  // a write or sync failed: the file is left as it is
};

}  // namespace isthmus::broker
