// Names from outside, as people see them.
#include "base/printable.h"

#include <gtest/gtest.h>

namespace isthmus {
namespace {

TEST(Printable, WhatEverybodyCanReadStaysAsItIs) {
  for (const char* text :
       {"", "orders", "주문", "æøå €", "👩‍🚀", "DOMAIN\\user", "a \"b\" 'c'"}) {
    EXPECT_EQ(printable(text), text);
  }
}

TEST(Printable, ControlsAndBytesThatAreNotUtf8AreEscapedAsBytes) {
  EXPECT_EQ(printable("a\nb\tc\x1b[2J"), "a\\x0ab\\x09c\\x1b[2J");
  EXPECT_EQ(printable(std::string("\0\x7f", 2)), "\\x00\\x7f");
  EXPECT_EQ(printable("\xff"), "\\xff");
  EXPECT_EQ(printable("ab\xc3"), "ab\\xc3") << "cut in the middle of a character";
  EXPECT_EQ(printable("\xc0\xaf"), "\\xc0\\xaf") << "overlong";
  EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80") << "a surrogate";
  EXPECT_EQ(printable("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80") << "beyond Unicode";
  EXPECT_EQ(printable("\xe2\x82z"), "\\xe2\\x82z");
}

TEST(Printable, WhatTurnsALineAroundOrIsInvisibleIsEscapedAsACodePoint) {
  EXPECT_EQ(printable("a\u202Eb"), "a\\u{202e}b");
  EXPECT_EQ(printable("a\u2066b\u2069"), "a\\u{2066}b\\u{2069}");
  EXPECT_EQ(printable("a\u2028b"), "a\\u{2028}b");
  EXPECT_EQ(printable("a\u009Bb"), "a\\u{9b}b") << "terminals take it for an escape sequence";
  EXPECT_EQ(printable("\uFEFForders"), "\\u{feff}orders");
  EXPECT_EQ(printable("a\U000E0041"), "a\\u{e0041}");
}

TEST(Printable, TwiceIsOnce) {
  std::string every;
  for (int byte = 0; byte < 256; ++byte) every += static_cast<char>(byte);
  every += "\u202E\\";
  const std::string once = printable(every);
  EXPECT_EQ(printable(once), once);
  EXPECT_TRUE(is_utf8(once));
}

}  // namespace
}  // namespace isthmus
