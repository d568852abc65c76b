#include <sys/resource.h>
#include <sys/syscall.h>

#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <thread>

#include "io/posix_disk.h"
#include "tests/io/real_world.h"

namespace isthmus::io {
namespace {

// In place of the kernel, for one file: its first sync fails, and any other says that all is well.
class FailsOnce {
 public:
  FailsOnce() { now = this; }
  ~FailsOnce() { now = nullptr; }

  int sync() {
    std::unique_lock guard(mutex_);
    const bool first = ++calls_ == 1;
    changed_.notify_all();
    if (!first) return 0;
    // The one that others must wait for takes its time.
    changed_.wait_for(guard, std::chrono::milliseconds(200), [this] { return calls_ > 1; });
    errno = EIO;
    return -1;
  }
  void wait_for_the_first() {
    std::unique_lock guard(mutex_);
    changed_.wait(guard, [this] { return calls_ > 0; });
  }

  static inline std::atomic<FailsOnce*> now = nullptr;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int calls_ = 0;
};

}  // namespace
}  // namespace isthmus::io

// Instead of the C library's.
extern "C" int fdatasync(int fd) {
  if (auto* instead = isthmus::io::FailsOnce::now.load()) return instead->sync();
  return static_cast<int>(syscall(SYS_fdatasync, fd));
}

namespace isthmus::io {
namespace {

class PosixDiskTest : public testing::Test {
 protected:
  std::shared_ptr<File> create(const std::string& name) {
    return *disk().open(folder / name, Disk::Open::create);
  }
  Disk& disk() { return world.env().disk; }
  std::string content(const std::string& name) {
    auto bytes = read_whole(disk(), folder / name);
    return bytes ? std::string(as_text(*bytes)) : "error: " + bytes.error().text;
  }

  RealWorld world;
  TemporaryFolder folder;
};

TEST_F(PosixDiskTest, AppendsGatheredPiecesAndReadsThemBack) {
  auto file = create("log");
  std::vector<Bytes> pieces;
  std::string expected;
  for (int i = 0; i < 200; ++i) {  // more than one system call takes
    pieces.push_back(as_bytes(i % 3 == 0 ? "" : "piece"));
    expected += as_text(pieces.back());
  }
  ASSERT_TRUE(file->append(pieces));
  EXPECT_EQ(file->size(), expected.size());
  EXPECT_EQ(content("log"), expected);

  uint8_t tail[10];
  EXPECT_EQ(*file->read_at(expected.size() - 4, tail), 4u);
  EXPECT_EQ(*file->read_at(expected.size() + 4, tail), 0u);
}

TEST_F(PosixDiskTest, ASecretIsForItsOwnerAlone) {
  const std::vector<uint8_t> secret{1, 2, 3};
  ASSERT_TRUE(replace_file(disk(), folder / "secret", secret, Disk::Open::secret));
  ASSERT_TRUE(replace_file(disk(), folder / "other", secret));
  using std::filesystem::perms;
  EXPECT_EQ(std::filesystem::status(folder / "secret").permissions(), perms(0600));
  EXPECT_NE(std::filesystem::status(folder / "other").permissions(), perms(0600));
  EXPECT_EQ(content("secret"), "\1\2\3");
}

TEST_F(PosixDiskTest, TruncatesAndOverwrites) {
  auto file = create("log");
  ASSERT_TRUE(file->append(as_bytes("0123456789")));
  ASSERT_TRUE(file->truncate(5));
  ASSERT_TRUE(file->append(as_bytes("ab")));
  ASSERT_TRUE(file->write_at(0, as_bytes("X")));
  EXPECT_EQ(content("log"), "X1234ab");
  EXPECT_EQ(file->size(), 7u);
}

Task<void> append_and_sync(Disk& disk, std::string path, bool& durable) {
  auto file = *disk.open(path, Disk::Open::create);
  if (!file->append(as_bytes("x"))) co_return;
  Loop* before = Loop::current();
  auto done = co_await file->sync();
  durable = done.has_value() && Loop::current() == before;
}

Task<void> work_aside(Disk& disk, bool& elsewhere, std::string& answer) {
  const std::thread::id ours = std::this_thread::get_id();
  auto work = [&elsewhere, ours]() -> Result<void> {
    elsewhere = std::this_thread::get_id() != ours;
    return fail("as the work says");
  };
  auto done = co_await disk.aside(std::move(work));
  if (!done && std::this_thread::get_id() == ours) answer = done.error().text;
}

// Keeps its jobs until somebody runs them.
class Deferred final : public Workers {
 public:
  void submit(Job job) override { jobs_.push_back(std::move(job)); }
  size_t count() const { return jobs_.size(); }
  void run() {
    for (Job& job : std::exchange(jobs_, {})) job();
  }

 private:
  std::vector<Job> jobs_;
};

// Descriptors of this process for files whose name is gone.
size_t nameless() {
  size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code error;
    const std::string to = std::filesystem::read_symlink(entry, error).string();
    if (to.ends_with("/large (deleted)") || to.ends_with("/small (deleted)")) ++count;
  }
  return count;
}

TEST(PosixDiskClosers, TheBytesOfALargeFileAreGivenBackThere) {
  TemporaryFolder folder;
  Pool pool(1);
  Deferred closers;
  PosixDisk disk(pool, closers);
  const auto make = [&](const std::string& name, uint64_t size) {
    auto file = *disk.open(folder / name, Disk::Open::create);
    EXPECT_TRUE(file->truncate(size));
    return file;
  };
  // Removed while nobody has it open, then while somebody has.
  (void)make("large", 64 << 20);
  ASSERT_TRUE(disk.remove(folder / "large"));
  EXPECT_FALSE(disk.exists(folder / "large"));
  EXPECT_EQ(closers.count(), 1u);
  auto held = make("large", 64 << 20);
  ASSERT_TRUE(disk.remove(folder / "large"));
  held.reset();
  EXPECT_EQ(closers.count(), 3u);
  EXPECT_EQ(nameless(), 3u);
  closers.run();
  EXPECT_EQ(nameless(), 0u);
  // As with the folder around it.
  held = make("large", 64 << 20);
  ASSERT_TRUE(disk.remove_folder(folder.path()));
  held.reset();
  EXPECT_EQ(closers.count(), 1u);
  closers.run();
}

TEST(PosixDiskClosers, WhatIsSmallOrStaysIsClosedAtOnce) {
  TemporaryFolder folder;
  Pool pool(1);
  Deferred closers;
  PosixDisk disk(pool, closers);
  ASSERT_TRUE((*disk.open(folder / "large", Disk::Open::create))->truncate(64 << 20));
  ASSERT_TRUE((*disk.open(folder / "small", Disk::Open::create))->truncate(1 << 20));
  ASSERT_TRUE(disk.remove(folder / "small"));
  EXPECT_FALSE(disk.remove(folder / "absent"));
  EXPECT_EQ(closers.count(), 0u);
  EXPECT_EQ(nameless(), 0u);
}

// So many, and no more; what waits at one disk takes no place at another.
TEST(PosixDiskClosers, EachDiskHasABoundOfItsOwn) {
  TemporaryFolder folder;
  Pool pool(1);
  Deferred busy, idle;
  PosixDisk one(pool, busy), other(pool, idle);
  const auto remove_large = [&](PosixDisk& disk) {
    ASSERT_TRUE((*disk.open(folder / "large", Disk::Open::create))->truncate(64 << 20));
    ASSERT_TRUE(disk.remove(folder / "large"));
  };
  for (int i = 0; i < LateCloser::most + 1; ++i) remove_large(one);
  EXPECT_EQ(busy.count(), size_t{LateCloser::most});
  EXPECT_EQ(nameless(), size_t{LateCloser::most});
  remove_large(other);
  EXPECT_EQ(idle.count(), 1u);
  busy.run();
  idle.run();
  EXPECT_EQ(nameless(), 0u);
  remove_large(one);
  EXPECT_EQ(busy.count(), 1u);
  busy.run();
}

TEST_F(PosixDiskTest, WhatRunsAsideHoldsNoLoopAndComesBackToIt) {
  bool elsewhere = false;
  std::string answer;
  world.run(work_aside(disk(), elsewhere, answer));
  EXPECT_TRUE(elsewhere);
  EXPECT_EQ(answer, "as the work says");
}

TEST_F(PosixDiskTest, SyncComesBackToTheCallersLoop) {
  bool durable = false;
  world.run(append_and_sync(disk(), folder / "log", durable));
  EXPECT_TRUE(durable);
}

TEST_F(PosixDiskTest, ErrorsNameThePathAndTheReason) {
  auto absent = disk().open(folder / "absent", Disk::Open::existing);
  ASSERT_FALSE(absent);
  EXPECT_EQ(absent.error().kind, Error::Kind::io);
  EXPECT_EQ(absent.error().code, ENOENT);
  EXPECT_EQ(absent.error().text,
            "cannot open " + (folder / "absent") + ": No such file or directory");
  EXPECT_FALSE(disk().list(folder / "absent"));
  EXPECT_FALSE(disk().remove(folder / "absent"));
}

TEST_F(PosixDiskTest, AFileThatFailedIsNotUsedAgain) {
  auto file = *disk().open("/dev/full", Disk::Open::existing);
  EXPECT_EQ(file->sync_now().error().code, EINVAL);
  EXPECT_EQ(file->append(as_bytes("x")).error().code, EIO);
}

TEST_F(PosixDiskTest, ASyncBesideOneThatFailsFailsToo) {
  auto file = create("log");
  FailsOnce kernel;
  Result<void> first;
  std::thread pool([&] { first = file->sync_now(); });
  kernel.wait_for_the_first();
  const Result<void> second = file->sync_now();
  pool.join();
  EXPECT_FALSE(first);
  EXPECT_FALSE(second) << "the kernel has told of the error already";
}

TEST_F(PosixDiskTest, AFullDiskDoesNotEndTheFile) {
  auto file = *disk().open("/dev/full", Disk::Open::existing);
  for (int i = 0; i < 2; ++i) {
    auto full = file->append(as_bytes("x"));
    ASSERT_FALSE(full);
    EXPECT_EQ(full.error().code, ENOSPC) << "not: it failed before";
    EXPECT_TRUE(lacks_room(full.error()));
    EXPECT_EQ(file->size(), 0u);
  }
}

TEST_F(PosixDiskTest, SaysHowMuchSpaceThereIs) {
  auto space = disk().space(folder.path());
  ASSERT_TRUE(space);
  EXPECT_GT(space->total, 0u);
  EXPECT_LE(space->free, space->total);
  EXPECT_FALSE(disk().space(folder / "absent"));
}

// Uses up the process's descriptors, as clients do that come all at once.
class EveryDescriptor {
 public:
  EveryDescriptor() {
    getrlimit(RLIMIT_NOFILE, &before_);
    rlimit few = before_;
    few.rlim_cur = 256;
    setrlimit(RLIMIT_NOFILE, &few);
    take();
  }
  void take() {
    for (int fd = dup(0); fd >= 0; fd = dup(0)) taken_.push_back(fd);
  }
  ~EveryDescriptor() {
    for (int fd : taken_) close(fd);
    setrlimit(RLIMIT_NOFILE, &before_);
  }

 private:
  rlimit before_{};
  std::vector<int> taken_;
};

TEST_F(PosixDiskTest, KeepsDescriptorsForFiles) {
  EveryDescriptor taken;
  ASSERT_LT(dup(0), 0);
  std::vector<std::shared_ptr<File>> files;
  for (int i = 0; i < 20; ++i) {
    auto file = disk().open(folder / std::to_string(i), Disk::Open::create);
    ASSERT_TRUE(file) << file.error().text;
    files.push_back(*file);
  }
  EXPECT_TRUE(disk().sync_folder(folder.path()));
  EXPECT_EQ(disk().list(folder.path())->size(), 20u);
  while (auto file = disk().open(folder / "0", Disk::Open::existing)) files.push_back(*file);
  auto none = disk().open(folder / "0", Disk::Open::existing);
  EXPECT_TRUE(lacks_room(none.error()));
}

// However fast clients take what is given back.
TEST_F(PosixDiskTest, AFolderIsSyncedWithoutUsingDescriptorsUp) {
  EveryDescriptor taken;
  for (int i = 0; i < 200; ++i) {
    auto synced = disk().sync_folder(folder.path());
    ASSERT_TRUE(synced) << i << ": " << synced.error().text;
    taken.take();
  }
}

TEST_F(PosixDiskTest, ReplacesAFileWhole) {
  create("state.tmp")->append(as_bytes("left by a crash, longer than what follows")).value();
  ASSERT_TRUE(replace_file(disk(), folder / "state", as_bytes("old")));
  ASSERT_TRUE(replace_file(disk(), folder / "state", as_bytes("new!")));
  EXPECT_EQ(content("state"), "new!");
  EXPECT_FALSE(disk().exists(folder / "state.tmp"));
}

TEST_F(PosixDiskTest, ListsNamesInOrderAndRemovesFolders) {
  ASSERT_TRUE(disk().make_folders(folder / "a/b"));
  for (const char* name : {"a/2", "a/1", "a/b/3"}) create(name);
  EXPECT_EQ(*disk().list(folder / "a"), (std::vector<std::string>{"1", "2", "b"}));
  ASSERT_TRUE(disk().rename(folder / "a/1", folder / "a/9"));
  EXPECT_EQ(*disk().list(folder / "a"), (std::vector<std::string>{"2", "9", "b"}));
  ASSERT_TRUE(disk().remove_folder(folder / "a"));
  EXPECT_FALSE(disk().exists(folder / "a"));
  EXPECT_TRUE(disk().sync_folder(folder.path()));
}

TEST_F(PosixDiskTest, ALockIsHeldUntilItIsDropped) {
  auto held = disk().lock(folder / "lock");
  ASSERT_TRUE(held);
  auto second = disk().lock(folder / "lock");
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().text.find("is held by another running process"), std::string::npos);
  held->reset();
  EXPECT_TRUE(disk().lock(folder / "lock"));
}

TEST_F(PosixDiskTest, KnowsWhenAFileWasWritten) {
  create("log")->append(as_bytes("x")).value();
  EXPECT_NEAR(static_cast<double>(*disk().modified_ms(folder / "log")),
              static_cast<double>(world.loop().wall_ms()), 60'000.0);
}

}  // namespace
}  // namespace isthmus::io
