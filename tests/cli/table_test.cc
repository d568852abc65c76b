#include "cli/table.h"

#include <gtest/gtest.h>

namespace isthmus::cli {
namespace {

TEST(Table, ColumnsLineUpAndLinesHaveNoBlanksAtTheirEnds) {
  Table table({{"TOPIC"}, {"LAG", true}, {"STATE"}});
  table.add({"orders", "1,204", "ok"});
  table.add({"a", "7", ""});
  EXPECT_EQ(table.to_string(),
            "TOPIC     LAG  STATE\n"
            "orders  1,204  ok\n"
            "a           7\n");
}

TEST(Table, WidthIsCountedInCharactersNotBytes) {
  EXPECT_EQ(width("seoul → tokyo"), 13u);
  Table table({{"LINK"}, {"LOST", true}});
  table.add({"a → b", "≥1"});
  table.add({"plain", "12"});
  EXPECT_EQ(table.to_string(),
            "LINK   LOST\n"
            "a → b    ≥1\n"
            "plain    12\n");
}

TEST(Numbers, AreGroupedByThousands) {
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(1000), "1,000");
  EXPECT_EQ(grouped(-1234567), "-1,234,567");
  EXPECT_EQ(grouped(INT64_MIN), "-9,223,372,036,854,775,808");
}

TEST(Numbers, WhatIsNotKnownIsSaid) {
  EXPECT_EQ(seconds(std::nullopt), "unknown");
  EXPECT_EQ(seconds(340), "0.3");
  EXPECT_EQ(number_or_unknown(std::nullopt), "unknown");
  EXPECT_EQ(count_of(1, "topic"), "1 topic");
  EXPECT_EQ(count_of(1200, "topic"), "1,200 topics");
}

}  // namespace
}  // namespace isthmus::cli
