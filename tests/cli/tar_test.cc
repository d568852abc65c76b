// The archive of a bundle, byte by byte where readers look.
#include "cli/tar.h"

#include <gtest/gtest.h>

namespace isthmus::cli {
namespace {

TEST(Tar, HasWhatReadersLookFor) {
  Tar tar;
  tar.add("bundle/a.txt", "hello", 8);
  tar.add("bundle/b.txt", std::string(512, 'b'), -1);
  tar.add("bundle/c.txt", "", 0);
  const std::string archive = tar.take();
  // Three headers, a block for each text that is not empty, and two of zeros.
  ASSERT_EQ(archive.size(), (3 + 2 + 2) * 512u);
  EXPECT_EQ(archive.substr(0, 13), std::string("bundle/a.txt\0", 13));
  EXPECT_EQ(archive.substr(100, 8), std::string("0000600\0", 8));
  EXPECT_EQ(archive.substr(124, 12), std::string("00000000005\0", 12));
  EXPECT_EQ(archive.substr(136, 12), std::string("00000000010\0", 12));
  EXPECT_EQ(archive.substr(257, 8), std::string("ustar\00000", 8));
  EXPECT_EQ(archive.substr(512, 6), std::string("hello\0", 6));
  EXPECT_EQ(archive.substr(1024, 12), "bundle/b.txt");
  EXPECT_EQ(archive.substr(1024 + 124, 11), "00000001000");
  EXPECT_EQ(archive.substr(2048, 12), "bundle/c.txt");
  EXPECT_EQ(archive.substr(archive.size() - 1024), std::string(1024, '\0'));
}

TEST(Tar, TheSumIsOfTheHeaderWithBlanksInItsPlace) {
  Tar tar;
  tar.add("x", "", 0);
  std::string header = tar.take().substr(0, 512);
  const std::string said = header.substr(148, 6);
  EXPECT_EQ(header[154], '\0');
  EXPECT_EQ(header[155], ' ');
  header.replace(148, 8, 8, ' ');
  uint64_t sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  EXPECT_EQ(std::stoull(said, nullptr, 8), sum);
}

}  // namespace
}  // namespace isthmus::cli
