#include "broker/backup/sealed_lines.h"

#include <gtest/gtest.h>

namespace isthmus::broker {
namespace {

std::string sealed() {
  SealedLines content;
  content.header["cluster"] = "seoul";
  for (const char* key : {"a", "b"}) content.lines.emplace_back()["key"] = key;
  return encode_sealed(content, "some-format", 1);
}
std::string refusal(std::string_view text, const std::string& format = "some-format") {
  auto content = decode_sealed(text, format, 1, "file");
  return content ? "" : content.error().text;
}

TEST(SealedLines, ComeBackAsTheyWere) {
  auto content = decode_sealed(sealed(), "some-format", 1, "file");
  ASSERT_TRUE(content);
  EXPECT_EQ(content->header.at("cluster"), "seoul");
  ASSERT_EQ(content->lines.size(), 2u);
  EXPECT_EQ(content->lines[1].at("key"), "b");
}

TEST(SealedLines, AreRefusedWhereAnyByteIsMissingOrAnother) {
  const std::string good = sealed();
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_NE(refusal(std::string_view(good).substr(0, size)), "") << size;
  }
  const size_t seal_at = good.rfind('\n', good.size() - 2) + 1;
  for (size_t i = 0; i < seal_at; ++i) {
    std::string bad = good;
    bad[i] = bad[i] == 'x' ? 'y' : 'x';
    EXPECT_NE(refusal(bad), "") << i;
  }
}

TEST(SealedLines, OfAnotherKindAreNamed) {
  EXPECT_NE(refusal(sealed(), "other").find("no file of the format other"), std::string::npos);
  const std::string later = encode_sealed(SealedLines{}, "some-format", 2);
  EXPECT_NE(refusal(later).find("of version 2"), std::string::npos);
}

}  // namespace
}  // namespace isthmus::broker
