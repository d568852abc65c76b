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

#include <atomic>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "io/disk.h"
#include "io/pool.h"

namespace isthmus::io {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

// Closes on workers of its own what takes long to close. Each such descriptor holds room on the
// disk until its turn comes, so that only so many wait, of one PosixDisk; beyond them whoever calls
// closes it. Any thread.
class LateCloser {
 public:
  static constexpr int most = 64;

  explicit LateCloser(Workers& closers) : closers_(closers) {}
  void close(Descriptor fd) const;

 private:
  Workers& closers_;
  // Outlives the disk: its last files may be closed after it.
  std::shared_ptr<std::atomic<int>> waiting_ = std::make_shared<std::atomic<int>>(0);
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
  // What was open there is closed, and nobody else gets its place before one is missing no more.
  void give_back(Descriptor fd);

 private:
  const Descriptor source_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Descriptor>> spares_;
};

class PosixDisk final : public Disk {
 public:
  // `closers` outlive all files of this disk.
  PosixDisk(Pool& pool, Workers& closers) : pool_(pool), closer_(closers) {}

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
  int open_descriptor(const std::string& path, int flags, unsigned mode = 0644) const;

  Pool& pool_;
  const LateCloser closer_;
  mutable SpareDescriptors spares_;
};

}  // namespace isthmus::io
