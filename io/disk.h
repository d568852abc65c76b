// Disk: files and folders, as far as a log needs them.
//
// Reads and appends are immediate (they go to the page cache); only sync() waits, on the pool
// beside the loops, and until it has returned nothing is durable. Names become durable with
// sync_folder() of their folder. The simulator's disk (tests/sim) forgets at a crash what was not
// synced, tears what was half written, and fails on demand.
//
// After a failed append or sync the file's state is unknown: the owner stops using it (never
// retries as though nothing had happened). What it had made durable before is still there and may
// be read.
//
// A full disk is no broken one (lacks_room()): an append that it refuses leaves nothing behind. The
// bytes that were written are cut off again; where even that fails the file keeps its end in mind,
// and cuts there before it writes anything more. So the owner may go on, and try again later. That
// holds for appends alone: when a sync says that the disk is full, the kernel has taken bytes that
// it has no place for and may have dropped their pages, as after any other write-back error, and
// the file has failed. File systems reserve what they accept and so say it at the append; those
// that do not (NFS, thin volumes) are the reason to keep a reserve of space (space()). To allocate
// ahead (fallocate) would not save us from them, and would cost each append of the others.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "io/task.h"

namespace isthmus::io {

class File : public ReadableFile {
 public:
  virtual uint64_t size() const = 0;
  // Writes all pieces at the end, as one gathered write.
  virtual Result<void> append(std::span<const Bytes> pieces) = 0;
  Result<void> append(Bytes piece) { return append(std::span<const Bytes>(&piece, 1)); }
  virtual Result<void> write_at(uint64_t position, Bytes bytes) = 0;
  virtual Result<void> truncate(uint64_t size) = 0;
  // Makes all that was appended before the call durable. May be awaited from any loop; appends may
  // go on meanwhile.
  virtual Task<Result<void>> sync() = 0;
  // The same, holding the thread: at start-up and for small files only.
  virtual Result<void> sync_now() = 0;
};

// Of the file system that a path is on, in bytes.
struct DiskSpace {
  uint64_t free = 0;  // for who is not root
  uint64_t total = 0;
};

class Disk {
 public:
  virtual ~Disk() = default;

  enum class Open : uint8_t {
    existing,
    create,  // or open, if it is there
    secret,  // the same, and a new one is for the process's own user alone (mode 0600)
  };
  virtual Result<std::shared_ptr<File>> open(const std::string& path, Open how) = 0;
  virtual bool exists(const std::string& path) const = 0;
  // Names (not paths) in a folder, sorted. An absent folder is an error.
  virtual Result<std::vector<std::string>> list(const std::string& folder) const = 0;
  virtual Result<void> make_folders(const std::string& path) = 0;
  virtual Result<void> rename(const std::string& from, const std::string& to) = 0;
  virtual Result<void> remove(const std::string& path) = 0;
  virtual Result<void> remove_folder(const std::string& path) = 0;  // and all in it
  virtual Result<void> sync_folder(const std::string& path) = 0;
  // Holds `path` for this process until the returned object is destroyed.
  virtual Result<std::shared_ptr<void>> lock(const std::string& path) = 0;
  // Milliseconds since 1970 at which the file was last written.
  virtual Result<int64_t> modified_ms(const std::string& path) const = 0;
  virtual Result<DiskSpace> space(const std::string& path) const = 0;
  // How many files and connections together the process may have open.
  virtual uint64_t max_descriptors() const = 0;

  // Runs `work` on the pool beside the loops and continues the caller on the loop that it came
  // from: for what would hold a loop (to remove the files of a large topic takes the file system
  // seconds). Syncs wait on the same pool: whoever calls this does one piece at a time. REQUIRES:
  // called on a loop; what `work` refers to outlives the call.
  using Work = std::move_only_function<Result<void>()>;
  virtual Task<Result<void>> aside(Work work) = 0;
};

// No place: on the disk, in the quota (ENOSPC, EDQUOT), or for one more open file (EMFILE, ENFILE).
// It passes when others give something back; nothing is broken.
bool lacks_room(const Error& error);

// Replaces a small file so that a crash leaves the old or the new content: writes `path`.tmp,
// syncs it, renames it over `path`, syncs the folder.
Result<void> replace_file(Disk& disk, const std::string& path, Bytes content,
                          Disk::Open how = Disk::Open::create);
// The folder that holds `path`'s own name.
std::string parent_of(const std::string& path);
// Makes a folder that a crash leaves there; its name is durable in its parent only when that was
// synced, and so on upwards.
Result<void> make_durable_folders(Disk& disk, const std::string& path);
Result<std::vector<uint8_t>> read_whole(Disk& disk, const std::string& path);

}  // namespace isthmus::io
