// What the brokers of two sites allow, compared before a move.
#include "cli/limits.h"

#include <gtest/gtest.h>

namespace isthmus::cli {
namespace {

TEST(Limits, ATargetThatTakesLessIsAWarningByName) {
  const Finding narrower =
      judge_limits({"seoul", {{"message.max.bytes", 10'485'760}, {"group.max.size", 100}}},
                   {"tokyo", {{"message.max.bytes", 1'048'588}, {"group.max.size", 100}}});
  EXPECT_EQ(narrower.verdict, Verdict::warn);
  EXPECT_EQ(narrower.text, "tokyo takes less: message.max.bytes 1048588 (10485760 at seoul)");
  EXPECT_NE(narrower.next, "");
}

TEST(Limits, AShortestSessionIsNarrowerWhereItIsLonger) {
  const Limits six{{"group.min.session.timeout.ms", 6000}};
  const Limits ten{{"group.min.session.timeout.ms", 10'000}};
  EXPECT_EQ(judge_limits({"seoul", six}, {"tokyo", ten}).verdict, Verdict::warn);
  EXPECT_EQ(judge_limits({"seoul", ten}, {"tokyo", six}).verdict, Verdict::ok);
}

TEST(Limits, WhatOneOfThemDoesNotTellIsNotCompared) {
  const Limits some{{"message.max.bytes", 1000}};
  EXPECT_EQ(judge_limits({"seoul", some}, {"tokyo", {}}).verdict, Verdict::ok);
  EXPECT_EQ(judge_limits({"seoul", {}}, {"tokyo", some}).verdict, Verdict::ok);
}

TEST(Limits, AreReadFromABrokersConfigs) {
  kafka::DescribeConfigsResponse answer;
  auto& configs = answer.results.emplace_back().configs;
  configs.emplace_back().name = "message.max.bytes";
  configs.back().value = "1000";
  configs.emplace_back().name = "log.retention.ms";
  configs.back().value = "5";
  configs.emplace_back().name = "group.max.size";
  configs.back().value = "many";
  EXPECT_EQ(limits_in(answer), (Limits{{"message.max.bytes", 1000}}));
}

}  // namespace
}  // namespace isthmus::cli
