// PosixDisk: Disk over the system's calls; sync() waits on the pool. Private to io/, made by
// Runtime.
//
// A file's descriptor stays open as long as the File: whoever opens thousands (the log's segments)
// keeps only those it needs. Where the process has used all its descriptors, some are still there
// for files: a connection that is refused comes again, a log that cannot begin its next segment
// stops its producers.
//
// Who closes the last descriptor of a removed file, or removes the last name of one that nobody has
// open, gives its bytes back, which takes the file system 0.2 s for each GB. For large files that
// happens beside the loops, on workers of its own: syncs wait on the pool.
#pragma once

#include <unistd.h>

#include <mutex>
#include <utility>

#include "io/disk.h"
#include "io/pool.h"

namespace isthmus::io {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

// Descriptors that stand for nothing, and make room when there is no other. Any thread.
class SpareDescriptors {
 public:
  static constexpr size_t kept = 64;

  SpareDescriptors();
  // As many as there is room for.
  void refill();
  // False when there is none left.
  bool give_one_up();

 private:
  const Descriptor source_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Descriptor>> spares_;
};

class PosixDisk final : public Disk {
 public:
  // `closers` outlive all files of this disk.
  PosixDisk(Pool& pool, Workers& closers) : pool_(pool), closers_(closers) {}

  Result<std::shared_ptr<File>> open(const std::string& path, Open how) override;
  bool exists(const std::string& path) const override;
  Result<std::vector<std::string>> list(const std::string& folder) const override;
  Result<void> make_folders(const std::string& path) override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<void> remove(const std::string& path) override;
  Result<void> remove_folder(const std::string& path) override;
  Result<void> sync_folder(const std::string& path) override;
  Result<std::shared_ptr<void>> lock(const std::string& path) override;
  Result<int64_t> modified_ms(const std::string& path) const override;
  Result<DiskSpace> space(const std::string& path) const override;
  uint64_t max_descriptors() const override;
  Task<Result<void>> aside(Work work) override { return run_on(pool_, std::move(work)); }

 private:
  // -1 with errno, as open(2).
  int open_descriptor(const std::string& path, int flags) const;

  Pool& pool_;
  Workers& closers_;
  mutable SpareDescriptors spares_;
};

}  // namespace isthmus::io
