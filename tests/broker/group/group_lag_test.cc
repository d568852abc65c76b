// How far groups are behind, in records and in time.
#include "broker/group/group_lag.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace isthmus::broker {
namespace {

constexpr int64_t start_ms = 1'000'000;
const TopicPartition in_orders{"orders", 0};
const TopicPartition in_payments{"payments", 3};

Uuid topic(uint8_t n) {
  Uuid id;
  id.bytes[0] = n;
  return id;
}

class GroupLags : public ::testing::Test {
 protected:
  using Lag = GroupLag::Lag;

  static GroupLag::Position at(Offset committed, Offset end, const TopicPartition& name = in_orders,
                               Offset start = 0) {
    return {name, topic(1), committed, GroupLag::Readable{start, end}};
  }
  void note(std::vector<GroupLag::Position> positions, const std::string& group = "billing") {
    lag.note(group, std::move(positions), now_ms);
  }
  Lag of(const TopicPartition& name = in_orders, const std::string& group = "billing") {
    for (const auto& each : lag.of(group, now_ms)) {
      if (each.partition == name) return each.lag;
    }
    return {-7, -7};
  }
  // What is due, as "group topic-partition@offset".
  std::vector<std::string> due(size_t at_most = 100) {
    std::vector<std::string> texts;
    for (const auto& each : lag.due(at_most)) {
      texts.push_back(each.group + " " + each.partition.to_string() + "@" +
                      std::to_string(each.from));
    }
    return texts;
  }
  // All that is due now was written at that time.
  void found_all(std::optional<int64_t> time_ms) {
    for (const auto& each : lag.due(100)) lag.found(each, time_ms, now_ms);
  }

  GroupLag lag;
  int64_t now_ms = start_ms;
};

TEST_F(GroupLags, RecordsAreThoseBelowTheHighWatermarkThatAreThere) {
  note({at(7, 10)});
  EXPECT_EQ(of().records, 3);
  note({at(10, 10)});
  EXPECT_EQ(of(), (Lag{0, 0}));
  note({at(25, 10)});
  EXPECT_EQ(of(), (Lag{0, 0})) << "a link commits ahead of what it has copied";
  note({at(2, 10, in_orders, 6)});
  EXPECT_EQ(of().records, 4) << "what retention has deleted nobody will read";
  EXPECT_EQ(due(), std::vector<std::string>{"billing orders-0@6"});
  note({at(2, 10, in_orders, 10)});
  EXPECT_EQ(of(), (Lag{0, 0}));
}

TEST_F(GroupLags, OfALogThatIsNotKnownNothingIs) {
  note({{in_orders, topic(1), 7, std::nullopt}});
  EXPECT_EQ(of(), (Lag{-1, -1}));
  EXPECT_TRUE(due().empty());
  note({at(7, 10)});
  found_all(start_ms - 500);
  note({{in_orders, topic(1), 7, std::nullopt}});
  EXPECT_EQ(of(), (Lag{-1, -1}));
  note({at(7, 11)});
  EXPECT_EQ(of(), (Lag{4, 500})) << "what was found is found still";
}

TEST_F(GroupLags, TheAgeGrowsWithTheClockAndIsLookedUpOnceForAnOffset) {
  note({at(7, 10)});
  EXPECT_EQ(of(), (Lag{3, -1})) << "not looked up yet";
  found_all(start_ms - 500);
  EXPECT_EQ(of(), (Lag{3, 500}));
  now_ms += 2'000;
  note({at(7, 90)});
  EXPECT_EQ(of(), (Lag{83, 2'500}));
  EXPECT_TRUE(due().empty());
  note({at(8, 90)});
  EXPECT_EQ(due(), std::vector<std::string>{"billing orders-0@8"});
  note({at(7, 90, in_orders, 9)});
  EXPECT_EQ(due(), std::vector<std::string>{"billing orders-0@9"}) << "retention went past it";
}

TEST_F(GroupLags, ATimeThatLiesAheadIsNoAgeAndNoTimeIsUnknown) {
  note({at(7, 10)});
  found_all(start_ms + 60'000);
  EXPECT_EQ(of(), (Lag{3, 0}));
  note({at(8, 10)});
  found_all(INT64_MAX);
  EXPECT_EQ(of(), (Lag{2, 0}));
  note({at(9, 10)});
  found_all(-1);
  EXPECT_EQ(of(), (Lag{1, -1}));
  EXPECT_TRUE(due().empty()) << "it will say no more the next time";
}

// Behind the last record that anybody is given, markers of transactions may stand for ever.
TEST_F(GroupLags, WhereNothingIsToBeReadNothingIsOldUntilMoreIsWritten) {
  note({at(9, 10)});
  found_all(std::nullopt);
  EXPECT_EQ(of(), (Lag{1, 0}));
  now_ms += 60'000;
  note({at(9, 10)});
  EXPECT_EQ(of(), (Lag{1, 0}));
  EXPECT_TRUE(due().empty());
  note({at(9, 12)});
  EXPECT_EQ(due(), std::vector<std::string>{"billing orders-0@9"});
  found_all(now_ms - 20);
  EXPECT_EQ(of(), (Lag{3, 20}));
}

TEST_F(GroupLags, UntilItsTurnComesAPartitionIsAsOldAsItWasLast) {
  note({at(7, 10)});
  found_all(start_ms - 500);
  now_ms += 1'000;
  note({at(7, 10)});
  now_ms += 5'000;
  note({at(8, 20)});
  EXPECT_EQ(of(), (Lag{12, 1'500})) << "as looked at last";
  now_ms += 5'000;
  note({at(9, 20)});
  EXPECT_EQ(of(), (Lag{11, 1'500}));
  found_all(now_ms - 30);
  EXPECT_EQ(of(), (Lag{11, 30}));
}

TEST_F(GroupLags, WhoHasCaughtUpIsNotOldBeforeItIsLookedUp) {
  note({at(7, 10)});
  found_all(start_ms - 9'000);
  note({at(10, 10)});
  now_ms += 1'000;
  note({at(10, 11)});
  EXPECT_EQ(of(), (Lag{1, 0}));
}

TEST_F(GroupLags, SoManyAtATimeAndThoseFirstThatHaveWaitedLongest) {
  note({at(1, 10), at(1, 10, in_payments)});
  note({at(1, 10)}, "audit");
  const auto names = std::vector<std::string>{"audit orders-0@1", "billing orders-0@1"};
  EXPECT_EQ(due(2), names);
  for (const auto& each : lag.due(2)) lag.found(each, start_ms, now_ms);
  EXPECT_EQ(due(2), std::vector<std::string>{"billing payments-3@1"});
  note({at(2, 10), at(1, 10, in_payments)});
  note({at(2, 10)}, "audit");
  EXPECT_EQ(due(1), std::vector<std::string>{"billing payments-3@1"});
  lag.failed(lag.due(1).front());
  EXPECT_EQ(of(in_payments).ms, -1);
  EXPECT_EQ(due(1), std::vector<std::string>{"audit orders-0@2"});
  found_all(start_ms);
  EXPECT_TRUE(due().empty());
}

TEST_F(GroupLags, AnAnswerThatComesLateIsNotTakenForAnother) {
  note({at(7, 10)});
  const auto asked = lag.due(1);
  note({at(8, 10)});
  lag.found(asked.at(0), start_ms - 500, now_ms);
  EXPECT_EQ(of().ms, -1);
  EXPECT_EQ(due(), std::vector<std::string>{"billing orders-0@8"});
  const auto again = lag.due(1);
  lag.keep_only({});
  lag.found(again.at(0), start_ms, now_ms);
  lag.failed(again.at(0));
  EXPECT_TRUE(lag.of("billing", now_ms).empty());
}

TEST_F(GroupLags, AnotherTopicOfTheNameIsAnotherLog) {
  note({at(7, 10)});
  const auto asked = lag.due(1);
  found_all(start_ms - 500);
  note({{in_orders, topic(2), 7, GroupLag::Readable{0, 10}}});
  EXPECT_EQ(of(), (Lag{3, -1}));
  lag.found(asked.at(0), start_ms - 500, now_ms);
  EXPECT_EQ(of(), (Lag{3, -1}));
}

TEST_F(GroupLags, WhatWasCutAndWrittenAnewIsLookedUpAgain) {
  note({at(7, 10)});
  found_all(start_ms - 500);
  note({at(7, 5)});
  note({at(7, 12)});
  EXPECT_EQ(due(), std::vector<std::string>{"billing orders-0@7"});
}

TEST_F(GroupLags, AGroupIsAsFarBehindAsItsPartitionsTogetherAndAsOldAsTheOldest) {
  note({at(7, 10), at(1, 10, in_payments), at(5, 5, {"refunds", 0})});
  for (const auto& each : lag.due(100)) {
    lag.found(each, start_ms - (each.partition == in_orders ? 500 : 90), now_ms);
  }
  auto total = lag.total_of("billing", now_ms);
  EXPECT_EQ(total.lag, (Lag{12, 500}));
  EXPECT_TRUE(total.knows_records && total.knows_ms);
  note({at(7, 10), {in_payments, topic(1), 1, std::nullopt}});
  total = lag.total_of("billing", now_ms);
  EXPECT_EQ(total.lag, (Lag{3, 500})) << "as far as it is known";
  EXPECT_FALSE(total.knows_records || total.knows_ms);
  note({at(7, 10), at(2, 10, in_payments)});
  note({at(7, 10), at(3, 10, in_payments)}, "audit");
  total = lag.total_of("audit", now_ms);
  EXPECT_EQ(total.lag, (Lag{10, -1}));
  EXPECT_TRUE(total.knows_records && !total.knows_ms);
}

TEST_F(GroupLags, WhereNothingIsCommittedNothingIsKnown) {
  note({});
  for (const char* group : {"billing", "nobody"}) {
    const auto total = lag.total_of(group, now_ms);
    EXPECT_EQ(total.lag, (Lag{-1, -1}));
    EXPECT_FALSE(total.knows_records || total.knows_ms);
  }
}

TEST_F(GroupLags, WhatIsCommittedOrCoordinatedNoMoreIsForgotten) {
  note({at(7, 10), at(1, 10, in_payments)});
  note({at(1, 10)}, "audit");
  note({at(7, 10)});
  EXPECT_EQ(lag.of("billing", now_ms).size(), 1u);
  lag.keep_only({"billing"});
  EXPECT_TRUE(lag.of("audit", now_ms).empty());
  EXPECT_EQ(due(), std::vector<std::string>{"billing orders-0@7"});
}

}  // namespace
}  // namespace isthmus::broker
