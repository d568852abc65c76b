// What groups may take of the memory of their coordinator, and of its time.
#include <algorithm>

#include "tests/broker/group/fixture.h"

namespace isthmus::broker {
namespace {

using std::chrono::seconds;

class CoordinatorBounds : public CoordinatorTest {
 protected:
  static kafka::JoinGroupRequest large_join(const std::string& group, size_t bytes,
                                            const std::string& member = "") {
    auto request = join(group, member);
    request.protocols[0].metadata = Slice::take(std::vector<uint8_t>(bytes));
    return request;
  }
  // In a version that is not first told an id.
  kafka::JoinGroupResponse join_now(kafka::JoinGroupRequest request) {
    return ask(coordinator().join_group({"client", "/10.0.0.1", 3}, std::move(request)));
  }
};

TEST_F(CoordinatorBounds, AllGroupsTogetherAreBounded) {
  config.max_group_bytes = 20'000;
  config.largest_groups = 2;
  restart();
  std::vector<std::string> members;
  for (const char* group : {"a", "b", "c"}) {
    const auto joined = join_now(large_join(group, 12'000));
    EXPECT_EQ(joined.error_code, ErrorCode::none);
    members.push_back(joined.member_id);
  }
  EXPECT_EQ(join_now(large_join("d", 12'000)).error_code, ErrorCode::coordinator_not_available);
  EXPECT_EQ(coordinator().names(), (std::vector<std::string>{"a", "b", "c"})) << "no trace of it";
  EXPECT_EQ(join_now(large_join("a", 12'000, members[0])).error_code, ErrorCode::none)
      << "who is a member stays one";
  EXPECT_EQ(join_now(large_join("b", 19'000, members[1])).error_code,
            ErrorCode::coordinator_not_available);
  restart();
  EXPECT_EQ(join_now(large_join("d", 12'000)).error_code, ErrorCode::none)
      << "nothing of the others was stored";
}

TEST_F(CoordinatorBounds, WhatIsLoadedCounts) {
  config.max_group_bytes = 20'000;
  config.largest_groups = 1;
  restart();
  become_member("a");
  restart();
  EXPECT_EQ(join_now(large_join("b", 19'500)).error_code, ErrorCode::coordinator_not_available);
  pass(seconds(30));  // its session is over
  EXPECT_EQ(join_now(large_join("b", 19'000)).error_code, ErrorCode::none);
}

TEST_F(CoordinatorBounds, AMemberThatWaitsHoldsNothingOfItsRequest) {
  config.initial_rebalance_delay_ms = 3000;
  restart();
  auto bytes = std::make_shared<std::vector<uint8_t>>(1000);
  const std::weak_ptr<const void> frame = bytes;
  auto request = join("g");
  request.protocols[0].metadata = Slice(bytes, *bytes);
  bytes.reset();
  const auto answer =
      begin(coordinator().join_group({"client", "/10.0.0.1", 3}, std::move(request)));
  EXPECT_FALSE(answer->has_value());
  EXPECT_TRUE(frame.expired());
  pass(seconds(4));
  EXPECT_TRUE(answer->has_value());
}

TEST_F(CoordinatorBounds, AGroupThatNobodyJoinedIsForgotten) {
  auto impossible = join("g");
  impossible.session_timeout_ms = 1;
  EXPECT_EQ(join_now(impossible).error_code, ErrorCode::invalid_session_timeout);
  EXPECT_EQ(coordinator().names(), std::vector<std::string>{});
  EXPECT_EQ(ask(coordinator().join_group(caller, join("g"))).error_code,
            ErrorCode::member_id_required);
  EXPECT_EQ(coordinator().names(), std::vector<std::string>{"g"});
  pass(seconds(11));
  EXPECT_EQ(coordinator().names(), std::vector<std::string>{}) << "it never came back";
}

TEST_F(CoordinatorBounds, GroupsAreLoadedInSlicesAndServedWhenAllAreThere) {
  std::vector<std::string> all;
  for (int i = 0; i < 1500; ++i) {
    all.push_back("g" + std::to_string(i));
    ASSERT_EQ(commit_now(commit(all.back(), i)), ErrorCode::none);
  }
  std::ranges::sort(all);
  start_process();
  lead_all();
  EXPECT_TRUE(coordinator().names().empty()) << "all in one go would hold up the loop";
  EXPECT_FALSE(coordinator().serves("g7"));
  ownership.owners["g7"] = "link";
  EXPECT_EQ(fetch("g7").error, ErrorCode::coordinator_load_in_progress);
  EXPECT_TRUE(ask(coordinator().loaded(io::Instant::max())));
  EXPECT_EQ(coordinator().names(), all);
  EXPECT_EQ(commit_now(commit("g7", 1)), ErrorCode::not_coordinator) << "its owner was asked again";
  EXPECT_EQ(fetch("g8").offset, 8);
}

TEST_F(CoordinatorBounds, AStopDoesNotWaitForTheEndOfALongLog) {
  for (int i = 0; i < 100; ++i) commit_now(commit("g", i));
  journal.pace = io::milliseconds(1000);
  start_process();
  lead_all();
  pass(seconds(2));
  const auto drained = begin(coordinator().drain());
  pass(seconds(2));
  EXPECT_TRUE(drained->has_value());
}

TEST_F(CoordinatorBounds, WhoNeedsAllGroupsWaitsForThemNotForEver) {
  start_process();
  journal.held = true;
  lead_all();
  const auto soon = io::Instant() + std::chrono::hours(1) + seconds(5);
  const auto known = begin(coordinator().loaded(soon));
  pass(seconds(10));
  ASSERT_TRUE(known->has_value());
  EXPECT_FALSE(**known);
  const auto later = begin(coordinator().loaded(io::Instant::max()));
  journal.held = false;
  pass(seconds(1));
  EXPECT_EQ(*later, true);
}

}  // namespace
}  // namespace isthmus::broker
