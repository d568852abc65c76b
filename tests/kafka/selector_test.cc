#include "kafka/selector.h"

#include <gtest/gtest.h>

namespace isthmus::kafka {
namespace {

Selector selector(const std::vector<std::string>& include,
                  const std::vector<std::string>& exclude = {}) {
  auto parsed = Selector::parse(include, exclude);
  EXPECT_TRUE(parsed) << parsed.error().text;
  return *parsed;
}

TEST(Selector, TakesWhatMatchesWhollyAndIsNotExcluded) {
  const Selector some = selector({"orders", "pay.*"}, {".*[\\-.]internal", "pay-secret"});
  EXPECT_TRUE(some.takes("orders"));
  EXPECT_FALSE(some.takes("orders2")) << "a pattern matches the whole name";
  EXPECT_FALSE(some.takes("my-orders"));
  EXPECT_TRUE(some.takes("payments"));
  EXPECT_TRUE(some.takes("pay"));
  EXPECT_FALSE(some.takes("pay-secret"));
  EXPECT_FALSE(some.takes("pay.internal"));
}

TEST(Selector, TakesNothingWithoutAPattern) {
  EXPECT_FALSE(selector({}).takes("orders"));
  EXPECT_TRUE(selector({".*"}).takes("orders"));
}

TEST(Selector, TakesAllNamesOfABeginningWhereOnePatternSaysSo) {
  const Selector some = selector({"pay.*", "orders", "(eu|us)-.*"}, {"pay-secret.*", "pay-x"});
  EXPECT_TRUE(some.takes_all_of("pay"));
  EXPECT_TRUE(some.takes_all_of("pay-")) << "what is left out of it counts where it is named";
  EXPECT_FALSE(some.takes_all_of("pa"));
  EXPECT_FALSE(some.takes_all_of("pay-secret-"));
  EXPECT_FALSE(some.takes_all_of("orders"));
  EXPECT_FALSE(some.takes_all_of("eu-")) << "not known";
  EXPECT_TRUE(selector({".*"}, {"__.*"}).takes_all_of(""));
  EXPECT_FALSE(selector({}).takes_all_of(""));
}

TEST(Selector, APatternMayBeAnyExpression) {
  const Selector some = selector({"(eu|us)-[a-z]+", "\\d{3}", "a.b"});
  EXPECT_TRUE(some.takes("eu-orders"));
  EXPECT_FALSE(some.takes("eu-orders1"));
  EXPECT_TRUE(some.takes("123"));
  EXPECT_TRUE(some.takes("axb"));
  EXPECT_FALSE(some.takes("a.bb"));
}

// Nor are others whose names are no text.
TEST(Selector, ANameThatHoldsALineBreakIsNotLeftOut) {
  EXPECT_TRUE(selector({".*"}).takes("two\nlines"));
  EXPECT_TRUE(selector({"team-.*-[0-9]"}).takes("team-two\nlines-1"));
  EXPECT_FALSE(selector({".*"}, {"x.*y"}).takes("x\ny"));
  EXPECT_TRUE(selector({".*"}).takes("\xff\xfe"));
  EXPECT_TRUE(selector({".*-prod"}).takes("caf\xe9-prod")) << "an expression, too";
  EXPECT_FALSE(selector({".*"}, {"caf.-prod"}).takes("caf\xe9-prod"));
  EXPECT_TRUE(selector({"caf.-prod"}).takes("caf\xc3\xa9-prod")) << "of text it is a character";
}

// These take time exponential in the name, or a stack as deep as it, where matching backtracks.
TEST(Selector, NoPatternTakesMoreThanTimeInProportionToTheName) {
  const std::string name(32 << 10, 'a');
  EXPECT_FALSE(selector({"(a+)+b"}).takes(name));
  EXPECT_FALSE(selector({"(.*)*x"}).takes(name));
  EXPECT_TRUE(selector({"(a|aa)+"}).takes(name));
  EXPECT_TRUE(selector({".*a"}).takes(name));
}

TEST(Selector, WhatIsNoPatternIsRefusedWithItsFault) {
  for (const char* wrong : {"(", "a[", "*", "(?=x)y", "(a)\\1"}) {
    auto parsed = Selector::parse({".*"}, {wrong});
    ASSERT_FALSE(parsed) << wrong;
    EXPECT_TRUE(parsed.error().text.starts_with("\"" + std::string(wrong) + "\" is no regular"))
        << parsed.error().text;
  }
}

}  // namespace
}  // namespace isthmus::kafka
