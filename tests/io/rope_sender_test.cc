#include "io/rope_sender.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/io/real_world.h"

namespace isthmus::io {
namespace {

constexpr size_t mib = size_t{1} << 20;

// Four MiB on the disk, and a socket to send them into.
class RopeSenderTest : public testing::Test {
 protected:
  RopeSenderTest() {
    file = *world.env().disk.open(folder / "file", Disk::Open::create);
    for (size_t i = 0; i < content.size(); ++i) content[i] = static_cast<uint8_t>(i * 7 + i / 999);
    file->append(content).value();
    file->sync_now().value();
    // Else a question that must not wait still makes the kernel read ahead, and the answers change.
    ::posix_fadvise(file->native_handle(), 0, 0, POSIX_FADV_RANDOM);
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sockets), 0);
  }
  ~RopeSenderTest() override {
    for (int socket : sockets) ::close(socket);
  }

  void evict(uint64_t from, uint64_t length) {
    ::posix_fadvise(file->native_handle(), static_cast<off_t>(from), static_cast<off_t>(length),
                    POSIX_FADV_DONTNEED);
  }
  // False where the file system keeps all in memory, or does not tell.
  bool is_cold(uint64_t position) {
    uint8_t byte;
    iovec part{&byte, 1};
    return ::preadv2(file->native_handle(), &part, 1, static_cast<off_t>(position), RWF_NOWAIT) <
               0 &&
           errno == EAGAIN;
  }
  void drain() {
    uint8_t part[65536];
    for (ssize_t n; (n = ::recv(sockets[1], part, sizeof part, 0)) > 0;) {
      received.insert(received.end(), part, part + n);
    }
  }
  // Sends all; the parts that had to be read before.
  std::vector<FileRange> send(Rope rope) {
    std::vector<FileRange> cold;
    RopeSender sender(std::move(rope));
    for (;;) {
      auto outcome = sender.send_to(sockets[0]);
      EXPECT_TRUE(outcome);
      if (!outcome || *outcome == RopeSender::Outcome::sent) break;
      if (*outcome == RopeSender::Outcome::file_cold) {
        cold.push_back(sender.cold().range);
        EXPECT_TRUE(sender.cold()());
        sender.warmed();
      }
      drain();
    }
    drain();
    return cold;
  }
  Rope whole() const {
    Rope rope(Slice::copy_of("head"));
    rope.append(FileRange{file, 0, content.size()});
    rope.append(Slice::copy_of("tail"));
    return rope;
  }
  void expect_whole() {
    std::vector<uint8_t> expected{'h', 'e', 'a', 'd'};
    expected.insert(expected.end(), content.begin(), content.end());
    expected.insert(expected.end(), {'t', 'a', 'i', 'l'});
    EXPECT_TRUE(received == expected);
  }

  TemporaryFolder folder;
  RealWorld world;
  std::shared_ptr<File> file;
  std::vector<uint8_t> content = std::vector<uint8_t>(4 * mib);
  int sockets[2];
  std::vector<uint8_t> received;
};

TEST_F(RopeSenderTest, WhatIsInMemoryIsSentAtOnce) {
  EXPECT_TRUE(RopeSender::Cold({{file, 0, content.size()}, 0})());
  EXPECT_EQ(send(whole()).size(), 0u);
  expect_whole();
}

TEST_F(RopeSenderTest, WhatIsNotInMemoryIsLeftToTheCallerBeforeItIsSent) {
  evict(0, 0);
  const bool cold = is_cold(3 * mib);
  const auto read = send(whole());
  expect_whole();
  if (!cold) return;
  ASSERT_GE(read.size(), 1u);
  EXPECT_EQ(read[0].position, 0u);
  for (const FileRange& range : read) EXPECT_LE(range.length, mib) << "others want the disk too";
}

TEST_F(RopeSenderTest, WhatIsInMemoryBeforeAColdPartGoesOutFirst) {
  evict(0, 0);
  EXPECT_TRUE(RopeSender::Cold({{file, 0, mib}, 0})());
  const bool cold = is_cold(3 * mib) && !is_cold(mib / 2);
  const auto read = send(whole());
  expect_whole();
  if (!cold) return;
  ASSERT_GE(read.size(), 1u);
  EXPECT_GE(read[0].position, mib);
}

TEST_F(RopeSenderTest, AFileThatEndsTooSoonIsAnError) {
  Rope rope;
  rope.append(FileRange{file, content.size() - 10, 20});
  RopeSender sender(std::move(rope));
  Result<RopeSender::Outcome> outcome = RopeSender::Outcome::socket_full;
  for (int i = 0; i < 10 && outcome; ++i) outcome = sender.send_to(sockets[0]);
  EXPECT_FALSE(outcome);
}

}  // namespace
}  // namespace isthmus::io
