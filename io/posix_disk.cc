#include "io/posix_disk.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

namespace isthmus::io {

namespace {

namespace fs = std::filesystem;

constexpr size_t pieces_per_call = 64;
constexpr off_t large_file = 16 << 20;  // to give back less takes a few milliseconds

// Whoever closes it, if nobody else has it open.
bool gives_much_back(int fd) {
  struct stat info;
  return ::fstat(fd, &info) == 0 && info.st_nlink == 0 && info.st_size >= large_file;
}

class PosixFile final : public File, public std::enable_shared_from_this<PosixFile> {
 public:
  PosixFile(Pool& pool, LateCloser closer, std::string path, int fd, uint64_t size)
      : pool_(pool), closer_(std::move(closer)), path_(std::move(path)), fd_(fd), size_(size) {}
  ~PosixFile() override {
    if (gives_much_back(fd_.get())) closer_.close(std::move(fd_));
  }

  uint64_t size() const override { return size_.load(std::memory_order_acquire); }
  int native_handle() const override { return fd_.get(); }
  Result<size_t> read_at(uint64_t position, MutableBytes into) const override;
  Result<void> append(std::span<const Bytes> pieces) override;
  Result<void> write_at(uint64_t position, Bytes bytes) override;
  Result<void> truncate(uint64_t size) override;
  Task<Result<void>> sync() override;
  Result<void> sync_now() override;

 private:
  std::unexpected<Error> failed(const char* what) {
    int error = errno;
    failed_.store(true);
    return fail(Error::io(error, std::string("cannot ") + what + " " + path_));
  }
  // The same, unless all that it says is that there is no room.
  std::unexpected<Error> refused(const char* what) {
    auto error = Error::io(errno, std::string("cannot ") + what + " " + path_);
    if (!lacks_room(error)) failed_.store(true);
    return fail(std::move(error));
  }
  Result<void> cut_leftover();
  // The kernel reports a write-back error once and then forgets it: a second fsync would succeed
  // over lost data. So the first failure is the file's last word.
  Result<void> refuse_if_failed() const {
    if (!failed_.load()) return {};
    return fail(Error::io(EIO, path_ + " failed before and is not used any more"));
  }

  Pool& pool_;
  const LateCloser closer_;
  const std::string path_;
  Descriptor fd_;
  std::atomic<uint64_t> size_;  // read from any loop, changed by the one writer
  std::atomic<bool> failed_{false};
  std::mutex syncing_;
  bool leftover_ = false;  // beyond size() lie bytes of an append that was refused
};

Result<size_t> PosixFile::read_at(uint64_t position, MutableBytes into) const {
  size_t done = 0;
  while (done < into.size()) {
    ssize_t n = ::pread(fd_.get(), into.data() + done, into.size() - done,
                        static_cast<off_t>(position + done));
    if (n == 0) break;
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail(Error::io(errno, "cannot read " + path_));
    done += static_cast<size_t>(n);
  }
  return done;
}

Result<void> PosixFile::append(std::span<const Bytes> pieces) {
  if (auto usable = refuse_if_failed(); !usable) return usable;
  if (auto cut = cut_leftover(); !cut) return cut;
  uint64_t end = size();
  size_t piece = 0;
  size_t offset = 0;  // within pieces[piece]
  while (piece < pieces.size()) {
    iovec parts[pieces_per_call];
    int count = 0;
    for (size_t i = piece; i < pieces.size() && count < static_cast<int>(pieces_per_call); ++i) {
      Bytes rest = pieces[i].subspan(i == piece ? offset : 0);
      parts[count++] = {const_cast<uint8_t*>(rest.data()), rest.size()};
    }
    ssize_t n = ::pwritev(fd_.get(), parts, count, static_cast<off_t>(end));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      const std::unexpected<Error> error = refused("append to");
      leftover_ = end > size();
      // If not even that is possible now, the next append begins with it.
      if (auto usable = refuse_if_failed(); usable) (void)cut_leftover();
      return error;
    }
    end += static_cast<uint64_t>(n);
    for (auto left = static_cast<size_t>(n); piece < pieces.size();) {
      size_t here = pieces[piece].size() - offset;
      if (left < here) {
        offset += left;
        break;
      }
      left -= here;
      offset = 0;
      ++piece;
    }
  }
  size_.store(end, std::memory_order_release);
  return {};
}

Result<void> PosixFile::cut_leftover() {
  if (!leftover_) return {};
  if (::ftruncate(fd_.get(), static_cast<off_t>(size())) != 0) return refused("cut");
  leftover_ = false;
  return {};
}

Result<void> PosixFile::write_at(uint64_t position, Bytes bytes) {
  if (auto usable = refuse_if_failed(); !usable) return usable;
  size_t done = 0;
  while (done < bytes.size()) {
    ssize_t n = ::pwrite(fd_.get(), bytes.data() + done, bytes.size() - done,
                         static_cast<off_t>(position + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return refused("write to");
    done += static_cast<size_t>(n);
  }
  size_.store(std::max(size(), position + done), std::memory_order_release);
  return {};
}

Result<void> PosixFile::truncate(uint64_t size) {
  if (auto usable = refuse_if_failed(); !usable) return usable;
  if (::ftruncate(fd_.get(), static_cast<off_t>(size)) != 0) return refused("truncate");
  leftover_ = false;
  size_.store(size, std::memory_order_release);
  return {};
}

// One at a time, of those on the pool and on loops: while the kernel tells the first of an error,
// it would tell the second that all is well.
Result<void> PosixFile::sync_now() {
  std::lock_guard guard(syncing_);
  if (auto usable = refuse_if_failed(); !usable) return usable;
  if (::fdatasync(fd_.get()) != 0) return failed("sync");
  return {};
}

Task<Result<void>> PosixFile::sync() {
  // The file lives until the pool is done with it, whatever its owner does meanwhile.
  auto self = shared_from_this();
  auto done = co_await run_on(pool_, [self] { return self->sync_now(); });
  co_return done;
}

Result<void> check(std::error_code error, const char* what, const std::string& path) {
  if (!error) return {};
  return fail(Error::io(error.value(), std::string("cannot ") + what + " " + path));
}

bool is_table_full(int error) { return error == EMFILE || error == ENFILE; }

}  // namespace

void LateCloser::close(Descriptor fd) const {
  if (waiting_->fetch_add(1) >= most) {
    waiting_->fetch_sub(1);
    return;
  }
  closers_.submit([waiting = waiting_, fd = std::move(fd)]() mutable {
    {
      const Descriptor last = std::move(fd);
    }
    waiting->fetch_sub(1);
  });
}

SpareDescriptors::SpareDescriptors() : source_(::open("/dev/null", O_RDONLY | O_CLOEXEC)) {
  refill();
}

void SpareDescriptors::refill() {
  std::lock_guard guard(mutex_);
  while (spares_.size() < kept) {
    const int fd = ::fcntl(source_.get(), F_DUPFD_CLOEXEC, 0);
    if (fd < 0) return;
    spares_.push_back(std::make_unique<Descriptor>(fd));
  }
}

bool SpareDescriptors::give_one_up() {
  std::lock_guard guard(mutex_);
  if (spares_.empty()) return false;
  spares_.pop_back();
  return true;
}

void SpareDescriptors::give_back(Descriptor fd) {
  std::lock_guard guard(mutex_);
  if (spares_.size() >= kept || ::dup3(source_.get(), fd.get(), O_CLOEXEC) < 0) return;
  spares_.push_back(std::make_unique<Descriptor>(std::move(fd)));
}

int PosixDisk::open_descriptor(const std::string& path, int flags, unsigned mode) const {
  for (;;) {
    const int fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
    if (fd >= 0) {
      spares_.refill();
      return fd;
    }
    const int error = errno;
    const bool again = error == EINTR || (is_table_full(error) && spares_.give_one_up());
    if (again) continue;
    errno = error;
    return -1;
  }
}

Result<std::shared_ptr<File>> PosixDisk::open(const std::string& path, Open how) {
  const int creates = how == Open::existing ? 0 : O_CREAT;
  int fd = open_descriptor(path, O_RDWR | creates, how == Open::secret ? 0600 : 0644);
  if (fd < 0) return fail(Error::io(errno, "cannot open " + path));
  struct stat info;
  if (::fstat(fd, &info) != 0) {
    int error = errno;
    ::close(fd);
    return fail(Error::io(error, "cannot look at " + path));
  }
  return std::make_shared<PosixFile>(pool_, closer_, path, fd, static_cast<uint64_t>(info.st_size));
}

bool PosixDisk::exists(const std::string& path) const {
  std::error_code error;
  return fs::exists(path, error);
}

Result<std::vector<std::string>> PosixDisk::list(const std::string& folder) const {
  std::error_code error;
  std::vector<std::string> names;
  fs::directory_iterator entry(folder, error);
  while (is_table_full(error.value()) && spares_.give_one_up()) {
    entry = fs::directory_iterator(folder, error);
  }
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    names.push_back(entry->path().filename().string());
  }
  if (auto done = check(error, "list", folder); !done) return fail(done.error());
  std::sort(names.begin(), names.end());
  return names;
}

Result<void> PosixDisk::make_folders(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  return check(error, "create folder", path);
}

Result<void> PosixDisk::rename(const std::string& from, const std::string& to) {
  std::error_code error;
  fs::rename(from, to, error);
  return check(error, "rename", from + " to " + to);
}

Result<void> PosixDisk::remove(const std::string& path) {
  Descriptor last(::open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (::unlink(path.c_str()) != 0) return fail(Error::io(errno, "cannot remove " + path));
  if (last.get() >= 0 && gives_much_back(last.get())) closer_.close(std::move(last));
  return {};
}

Result<void> PosixDisk::remove_folder(const std::string& path) {
  std::error_code error;
  fs::remove_all(path, error);
  return check(error, "remove folder", path);
}

Result<void> PosixDisk::sync_folder(const std::string& path) {
  Descriptor folder(open_descriptor(path, O_RDONLY | O_DIRECTORY));
  if (folder.get() < 0) return fail(Error::io(errno, "cannot open folder " + path));
  const int error = ::fsync(folder.get()) != 0 ? errno : 0;
  spares_.give_back(std::move(folder));
  if (error != 0) return fail(Error::io(error, "cannot sync folder " + path));
  return {};
}

Result<std::shared_ptr<void>> PosixDisk::lock(const std::string& path) {
  int fd = open_descriptor(path, O_RDWR | O_CREAT);
  auto file = std::make_shared<Descriptor>(fd);
  if (fd < 0) return fail(Error::io(errno, "cannot open " + path));
  if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return file;
  if (errno != EWOULDBLOCK) return fail(Error::io(errno, "cannot lock " + path));
  return fail(path + " is held by another running process; stop it, or use another folder");
}

Result<int64_t> PosixDisk::modified_ms(const std::string& path) const {
  struct stat info;
  if (::stat(path.c_str(), &info) != 0) return fail(Error::io(errno, "cannot look at " + path));
  return int64_t{info.st_mtim.tv_sec} * 1000 + info.st_mtim.tv_nsec / 1'000'000;
}

Result<DiskSpace> PosixDisk::space(const std::string& path) const {
  struct statvfs info;
  if (::statvfs(path.c_str(), &info) != 0) {
    return fail(Error::io(errno, "cannot ask for the space at " + path));
  }
  return DiskSpace{uint64_t{info.f_bavail} * info.f_frsize,
                   uint64_t{info.f_blocks} * info.f_frsize};
}

uint64_t PosixDisk::max_descriptors() const {
  struct rlimit limit;
  return ::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? uint64_t{limit.rlim_cur} : 1024;
}

}  // namespace isthmus::io
