// The coordinator: what is durable before it is answered, what survives it, what it refuses.
#include <algorithm>

#include "tests/broker/group/fixture.h"

namespace isthmus::broker {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

TEST_F(CoordinatorTest, CommitIsAcknowledgedOnlyAfterTheJournalHasIt) {
  journal.held = true;
  const auto answer = begin(coordinator().offset_commit(caller, commit("g", 7)));
  pass(seconds(5));
  EXPECT_FALSE(answer->has_value());
  EXPECT_EQ(fetch("g").offset, -1) << "served before it was durable";
  journal.held = false;
  pass(milliseconds(10));
  ASSERT_TRUE(answer->has_value());
  EXPECT_EQ(fetch("g").offset, 7);
}

TEST_F(CoordinatorTest, FailedCommitSaysTryAgainAndIsNotServed) {
  journal.fails = kafka::error_of(ErrorCode::not_enough_replicas);
  EXPECT_EQ(commit_now(commit("g", 7)), ErrorCode::coordinator_not_available);
  journal.fails = kafka::error_of(ErrorCode::not_leader_or_follower);
  EXPECT_EQ(commit_now(commit("g", 7)), ErrorCode::not_coordinator);
  EXPECT_EQ(fetch("g").offset, -1);
}

TEST_F(CoordinatorTest, OffsetCommitMetadataRoundTrips) {
  auto request = commit("g", 7);
  auto& partition = request.topics[0].partitions[0];
  partition.committed_leader_epoch = 3;
  partition.committed_metadata = "día 7";
  EXPECT_EQ(commit_now(request), ErrorCode::none);
  EXPECT_EQ(fetch("g"), (Fetched{ErrorCode::none, 7, 3, "día 7"}));
  restart();
  EXPECT_EQ(fetch("g"), (Fetched{ErrorCode::none, 7, 3, "día 7"}));

  partition.committed_metadata = std::string(4097, 'x');
  EXPECT_EQ(commit_now(request), ErrorCode::offset_metadata_too_large);
  partition.committed_metadata = std::nullopt;
  EXPECT_EQ(commit_now(request), ErrorCode::none);
  EXPECT_EQ(fetch("g").metadata, "");
}

TEST_F(CoordinatorTest, LaterCommitWins) {
  journal.held = true;
  begin(coordinator().offset_commit(caller, commit("g", 7)));
  begin(coordinator().offset_commit(caller, commit("g", 8)));
  journal.held = false;
  pass(milliseconds(10));
  EXPECT_EQ(fetch("g").offset, 8);
}

TEST_F(CoordinatorTest, FetchesAllThatIsCommittedAndSaysMinusOneForTheRest) {
  commit_now(commit("g", 7, "a"));
  commit_now(commit("g", 8, "b"));
  kafka::OffsetFetchRequest request;
  auto& group = request.groups.emplace_back();
  group.group_id = "g";
  group.topics = std::nullopt;
  const auto all = ask(coordinator().offset_fetch(caller, request));
  ASSERT_EQ(all.groups.at(0).topics.size(), 2u);
  EXPECT_EQ(all.groups[0].topics[1].partitions.at(0).committed_offset, 8);

  request.group_id = "g";
  request.topics = std::nullopt;
  caller.version = 7;
  const auto all_of_one = ask(coordinator().offset_fetch(caller, request));
  ASSERT_EQ(all_of_one.topics.size(), 2u);
  EXPECT_EQ(all_of_one.topics[0].partitions.at(0).committed_offset, 7);

  EXPECT_EQ(fetch("g", "other"), (Fetched{ErrorCode::none, -1, -1, ""}));
  EXPECT_EQ(fetch("nobody"), (Fetched{ErrorCode::none, -1, -1, ""}));
}

TEST_F(CoordinatorTest, OldFetchHasItsErrorWhereItsVersionHasOne) {
  start_process();
  kafka::OffsetFetchRequest request;
  request.group_id = "g";
  request.topics.emplace().push_back({"orders", {0}});
  caller.version = 7;
  const auto with_group_error = ask(coordinator().offset_fetch(caller, request));
  EXPECT_EQ(with_group_error.error_code, ErrorCode::not_coordinator);
  EXPECT_TRUE(with_group_error.topics.empty());
  caller.version = 1;
  const auto with_partition_error = ask(coordinator().offset_fetch(caller, request));
  EXPECT_EQ(with_partition_error.topics.at(0).partitions.at(0).error_code,
            ErrorCode::not_coordinator);
}

TEST_F(CoordinatorTest, LoadsEverythingBeforeItServes) {
  commit_now(commit("g", 7));
  start_process();
  EXPECT_EQ(fetch("g").error, ErrorCode::not_coordinator);
  journal.held = true;
  lead_all();
  pass(seconds(1));
  EXPECT_EQ(fetch("g").error, ErrorCode::coordinator_load_in_progress);
  EXPECT_EQ(commit_now(commit("g", 8)), ErrorCode::coordinator_load_in_progress);
  EXPECT_EQ(ask(coordinator().join_group(caller, join("g"))).error_code,
            ErrorCode::coordinator_load_in_progress);
  EXPECT_EQ(ask(coordinator().list_groups(caller, {})).error_code,
            ErrorCode::coordinator_load_in_progress);
  // Clients take these two for fatal if they hear of loading.
  kafka::HeartbeatRequest heartbeat;
  heartbeat.group_id = "g";
  EXPECT_EQ(ask(coordinator().heartbeat(caller, heartbeat)).error_code, ErrorCode::none);
  kafka::SyncGroupRequest sync;
  sync.group_id = "g";
  EXPECT_EQ(ask(coordinator().sync_group(caller, sync)).error_code,
            ErrorCode::rebalance_in_progress);
  journal.held = false;
  pass(milliseconds(10));
  EXPECT_EQ(fetch("g").offset, 7);
}

TEST_F(CoordinatorTest, ADamagedRecordIsNotPassedOver) {
  commit_now(commit("g", 7));
  const PartitionIndex partition = partition_of_key("g", config.partitions);
  JournalRecord damaged = journal.logs[partition].back();
  damaged.value = damaged.value->sub(0, 5);
  journal.logs[partition].push_back(damaged);
  restart();
  pass(seconds(5));
  EXPECT_EQ(fetch("g").error, ErrorCode::coordinator_load_in_progress);
  journal.logs[partition].pop_back();
  pass(seconds(5));
  EXPECT_EQ(fetch("g").offset, 7) << "loading is tried again";
}

TEST_F(CoordinatorTest, MembersGoOnAfterTheCoordinatorHasMoved) {
  const std::string member = become_member("g");
  restart();
  kafka::HeartbeatRequest heartbeat;
  heartbeat.group_id = "g";
  heartbeat.member_id = member;
  heartbeat.generation_id = 1;
  EXPECT_EQ(ask(coordinator().heartbeat(caller, heartbeat)).error_code, ErrorCode::none);
  auto request = commit("g", 7);
  request.member_id = member;
  request.generation_id_or_member_epoch = 1;
  EXPECT_EQ(commit_now(request), ErrorCode::none);
  const auto described = ask(coordinator().describe_groups(caller, {.groups = {"g", "nobody"}}));
  EXPECT_EQ(described.groups.at(0).group_state, "Stable");
  EXPECT_EQ(described.groups[0].protocol_data, "range");
  EXPECT_EQ(as_text(described.groups[0].members.at(0).member_assignment), "everything");
  EXPECT_EQ(described.groups.at(1).group_state, "Dead");
  EXPECT_EQ(described.groups[1].error_code, ErrorCode::none);
}

TEST_F(CoordinatorTest, AfterTheLastGenerationComesTheFirst) {
  kafka::GroupMetadataValue value;
  value.protocol_type = "consumer";
  value.generation = INT32_MAX;
  journal.logs[partition_of_key("g", config.partitions)].push_back(encode_group("g", value));
  restart();
  caller.version = 3;
  EXPECT_EQ(ask(coordinator().join_group(caller, join("g"))).generation_id, 1);
}

TEST_F(CoordinatorTest, AssignmentIsHandedOutOnlyAfterTheJournalHasIt) {
  caller.version = 3;
  const auto joined = ask(coordinator().join_group(caller, join("g")));
  journal.held = true;
  kafka::SyncGroupRequest sync;
  sync.group_id = "g";
  sync.member_id = joined.member_id;
  sync.generation_id = 1;
  sync.assignments.push_back({joined.member_id, Slice::copy_of("everything")});
  const auto answer = begin(coordinator().sync_group(caller, sync));
  pass(seconds(5));
  EXPECT_FALSE(answer->has_value());
  journal.held = false;
  pass(milliseconds(10));
  ASSERT_TRUE(answer->has_value());
  EXPECT_EQ(as_text((*answer)->assignment), "everything");
}

TEST_F(CoordinatorTest, ThreeMembersShareOneGeneration) {
  const std::string first = become_member("g");
  const std::string second = ask(coordinator().join_group(caller, join("g"))).member_id;
  const std::string third = ask(coordinator().join_group(caller, join("g"))).member_id;
  const auto second_joined = begin(coordinator().join_group(caller, join("g", second)));
  const auto third_joined = begin(coordinator().join_group(caller, join("g", third)));
  pass(seconds(1));
  EXPECT_FALSE(second_joined->has_value());
  const auto first_joined = ask(coordinator().join_group(caller, join("g", first)));
  pass(milliseconds(1));
  EXPECT_EQ(first_joined.members.size(), 3u);
  EXPECT_EQ(first_joined.leader, first);
  ASSERT_TRUE(second_joined->has_value() && third_joined->has_value());
  EXPECT_EQ((*second_joined)->generation_id, 2);
  EXPECT_EQ((*third_joined)->generation_id, 2);
}

TEST_F(CoordinatorTest, AMemberThatFallsSilentIsTakenOut) {
  become_member("g");
  pass(seconds(9));
  const auto members = [&] {
    return ask(coordinator().describe_groups(caller, {.groups = {"g"}})).groups.at(0).members;
  };
  EXPECT_EQ(members().size(), 1u);
  pass(seconds(2));
  EXPECT_EQ(members().size(), 0u);
}

// Time passes by itself only where the coordinator does not ask for the same moment again and
// again.
TEST_F(CoordinatorTest, StaticMembersThatAreAwayAreWaitedForAndNotAskedAfter) {
  const auto join_as = [this](const std::string& instance) {
    auto request = join("g");
    request.group_instance_id = instance;
    request.rebalance_timeout_ms = 0;
    return begin(coordinator().join_group(caller, request));
  };
  const auto first = join_as("first");
  const auto second = join_as("second");  // which has no time to sync, and is taken out
  pass(seconds(5));
  ASSERT_TRUE(first->has_value() && second->has_value());
  const auto members = [this] {
    return ask(coordinator().describe_groups(caller, {.groups = {"g"}})).groups.at(0).members;
  };
  EXPECT_EQ(members().size(), 1u) << "its session lasts for ten seconds";
  pass(seconds(6));
  EXPECT_EQ(members().size(), 0u);
}

TEST_F(CoordinatorTest, ResigningAnswersWhatWaitsAndServesNothingMore) {
  const std::string first = become_member("g");
  caller.version = 3;
  const auto waiting = begin(coordinator().join_group(caller, join("g")));
  pass(milliseconds(1));
  EXPECT_FALSE(waiting->has_value());
  const PartitionIndex partition = partition_of_key("g", config.partitions);
  coordinator().resign(partition);
  pass(milliseconds(1));
  ASSERT_TRUE(waiting->has_value());
  EXPECT_EQ((*waiting)->error_code, ErrorCode::not_coordinator);
  EXPECT_EQ(fetch("g").error, ErrorCode::not_coordinator);
  EXPECT_EQ(commit_now(commit("g", 9)), ErrorCode::not_coordinator);
  EXPECT_FALSE(coordinator().serves("g"));
}

TEST_F(CoordinatorTest, ALoadThatEndsAfterResigningIsVoid) {
  start_process();
  journal.held = true;
  lead_all();
  for (PartitionIndex i = 0; i < config.partitions; ++i) coordinator().resign(i);
  journal.held = false;
  pass(seconds(1));
  EXPECT_EQ(fetch("g").error, ErrorCode::not_coordinator);
}

TEST_F(CoordinatorTest, DrainEndsWhatWaits) {
  become_member("g");
  caller.version = 3;
  const auto waiting = begin(coordinator().join_group(caller, join("g")));
  ask(coordinator().drain());
  ASSERT_TRUE(waiting->has_value());
  EXPECT_EQ((*waiting)->error_code, ErrorCode::not_coordinator);
}

TEST_F(CoordinatorTest, OffsetsExpireSevenDaysAfterTheGroupBecameEmpty) {
  const std::string member = become_member("g");
  auto request = commit("g", 7);
  request.member_id = member;
  request.generation_id_or_member_epoch = 1;
  commit_now(request);
  pass(hours(1));  // the member's session ends
  pass(hours(24 * 7 - 2));
  EXPECT_EQ(fetch("g").offset, 7);
  pass(hours(2));
  EXPECT_EQ(fetch("g").offset, -1);
  EXPECT_TRUE(ask(coordinator().list_groups(caller, {})).groups.empty());
  restart();
  EXPECT_TRUE(ask(coordinator().list_groups(caller, {})).groups.empty()) << "came back";
}

TEST_F(CoordinatorTest, AClientMayAskForTheLongestRetention) {
  caller.version = 4;
  auto request = commit("g", 7);
  request.retention_time_ms = INT64_MAX;
  commit_now(request);
  pass(hours(24 * 8));
  EXPECT_EQ(fetch("g").offset, 7);
}

// KAFKA-8069: offsets of a group whose record has no time were deleted as soon as it was loaded.
TEST_F(CoordinatorTest, Kafka8069OffsetsOutliveALoadFromRecordsWithoutATime) {
  commit_now(commit("g", 7));
  kafka::GroupMetadataValue value;
  value.protocol_type = "consumer";
  value.generation = 3;
  const GroupKey key{"g"};
  journal.logs[partition_of_key("g", config.partitions)].push_back(
      {encode_tombstone(key).key, kafka::encode_versioned(value, 1)});
  restart();
  pass(hours(24 * 7 - 1));
  EXPECT_EQ(fetch("g").offset, 7);
  pass(hours(2));
  EXPECT_EQ(fetch("g").offset, -1);
}

TEST_F(CoordinatorTest, DeletesEmptyGroupsOnly) {
  commit_now(commit("simple", 7));
  become_member("busy");
  kafka::DeleteGroupsRequest request;
  request.groups_names = {"simple", "busy", "nobody"};
  const auto response = ask(coordinator().delete_groups(caller, request));
  EXPECT_EQ(response.results.at(0).error_code, ErrorCode::none);
  EXPECT_EQ(response.results.at(1).error_code, ErrorCode::non_empty_group);
  EXPECT_EQ(response.results.at(2).error_code, ErrorCode::group_id_not_found);
  EXPECT_EQ(fetch("simple").offset, -1);
  restart();
  EXPECT_EQ(fetch("simple").offset, -1);
}

TEST_F(CoordinatorTest, DeletesOffsetsThatNobodyReads) {
  const std::string member = become_member("g");
  for (const char* topic : {"orders", "old"}) {
    auto request = commit("g", 7, topic);
    request.member_id = member;
    request.generation_id_or_member_epoch = 1;
    commit_now(request);
  }
  kafka::OffsetDeleteRequest request;
  request.group_id = "g";
  topics.gone.insert("nowhere");
  request.topics = {{"orders", {{0}}}, {"old", {{0}}}, {"nowhere", {{0}}}};
  const auto response = ask(coordinator().offset_delete(caller, request));
  EXPECT_EQ(response.topics.at(0).partitions.at(0).error_code,
            ErrorCode::group_subscribed_to_topic);
  EXPECT_EQ(response.topics.at(1).partitions.at(0).error_code, ErrorCode::none);
  EXPECT_EQ(response.topics.at(2).partitions.at(0).error_code,
            ErrorCode::unknown_topic_or_partition);
  EXPECT_EQ(fetch("g", "orders").offset, 7);
  EXPECT_EQ(fetch("g", "old").offset, -1);
}

TEST_F(CoordinatorTest, ListsByStateAndType) {
  commit_now(commit("simple", 7));
  become_member("busy");
  const auto names = [&](std::vector<std::string> states, std::vector<std::string> types) {
    kafka::ListGroupsRequest request{std::move(states), std::move(types)};
    std::vector<std::string> found;
    for (const auto& group : ask(coordinator().list_groups(caller, request)).groups) {
      found.push_back(group.group_id);
    }
    std::ranges::sort(found);
    return found;
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(names({}, {}), (Names{"busy", "simple"}));
  EXPECT_EQ(names({"stable"}, {}), Names{"busy"});
  EXPECT_EQ(names({"Empty", "Dead"}, {"Classic"}), Names{"simple"});
  EXPECT_EQ(names({}, {"share"}), Names{});
}

TEST_F(CoordinatorTest, OldLeaveGroupHasOneAnswer) {
  const std::string member = become_member("g");
  kafka::LeaveGroupRequest request;
  request.group_id = "g";
  request.member_id = member;
  caller.version = 1;
  EXPECT_EQ(ask(coordinator().leave_group(caller, request)).error_code, ErrorCode::none);
  EXPECT_EQ(ask(coordinator().leave_group(caller, request)).error_code,
            ErrorCode::unknown_member_id);
}

class AtAFence : public CoordinatorTest {
 protected:
  kafka::HeartbeatRequest heartbeat() const {
    kafka::HeartbeatRequest request;
    request.group_id = "g";
    request.member_id = member;
    request.generation_id = 1;
    return request;
  }
  kafka::OffsetCommitRequest commit_of_member(Offset offset) const {
    auto request = commit("g", offset);
    request.member_id = member;
    request.generation_id_or_member_epoch = 1;
    return request;
  }
  static ErrorCode error_of(const kafka::OffsetCommitResponse& response) {
    return response.topics.at(0).partitions.at(0).error_code;
  }

  const std::string member = become_member("g");
};

TEST_F(AtAFence, AFencedGroupTakesNothingUntilItIsUnfenced) {
  const auto late = commit_of_member(7);
  journal.held = true;
  const auto accepted = begin(coordinator().offset_commit(caller, late));
  pass(milliseconds(1));
  const auto fenced = begin(coordinator().fence({"g", "later"}, "s1"));
  pass(seconds(1));
  EXPECT_FALSE(fenced->has_value()) << "a commit is still on its way";
  journal.held = false;
  pass(milliseconds(10));
  EXPECT_TRUE(fenced->has_value() && accepted->has_value());

  EXPECT_EQ(ask(coordinator().heartbeat(caller, heartbeat())).error_code,
            ErrorCode::not_coordinator)
      << "once it has waited enough";
  EXPECT_EQ(commit_now(late), ErrorCode::not_coordinator);
  EXPECT_EQ(commit_now(commit("later", 1)), ErrorCode::not_coordinator);
  EXPECT_EQ(ask(coordinator().join_group(caller, join("g"))).error_code,
            ErrorCode::not_coordinator);
  EXPECT_EQ(fetch("g").offset, 7) << "reading is allowed";
  pass(std::chrono::minutes(5));

  coordinator().unfence("s1");
  pass(seconds(9));
  EXPECT_EQ(ask(coordinator().heartbeat(caller, heartbeat())).error_code, ErrorCode::none)
      << "the member could not report, and is still one";
}

TEST_F(AtAFence, WhatIsAskedMeanwhileGoesOnInItsOrderWhenTheFenceLifts) {
  ask(coordinator().fence_all("s1"));
  const auto beat = begin(coordinator().heartbeat(caller, heartbeat()));
  const auto first = begin(coordinator().offset_commit(caller, commit_of_member(8)));
  const auto second = begin(coordinator().offset_commit(caller, commit_of_member(9)));
  const auto joined = begin(coordinator().join_group(caller, join("new")));
  pass(seconds(4));
  EXPECT_FALSE(beat->has_value() || first->has_value() || second->has_value());
  EXPECT_FALSE(joined->has_value());
  coordinator().unfence("s1");
  const auto third = begin(coordinator().offset_commit(caller, commit_of_member(10)));
  pass(milliseconds(100));
  ASSERT_TRUE(beat->has_value() && first->has_value() && second->has_value() && third->has_value());
  EXPECT_EQ((*beat)->error_code, ErrorCode::none) << "a member sees nothing of it";
  EXPECT_EQ(error_of(**first), ErrorCode::none);
  EXPECT_EQ(error_of(**second), ErrorCode::none);
  EXPECT_EQ(error_of(**third), ErrorCode::none);
  EXPECT_EQ(fetch("g").offset, 10) << "a commit has overtaken those that had waited";
  ASSERT_TRUE(joined->has_value());
  EXPECT_EQ((*joined)->error_code, ErrorCode::member_id_required);
}

// Also of a group that the register does not know: it would be founded where nobody looks for it.
TEST_F(AtAFence, AfterAMoveWhoWaitedLooksForTheGroupElsewhere) {
  ask(coordinator().fence_all("s1"));
  const auto beat = begin(coordinator().heartbeat(caller, heartbeat()));
  const auto committed = begin(coordinator().offset_commit(caller, commit_of_member(8)));
  const auto joined = begin(coordinator().join_group(caller, join("new")));
  pass(seconds(4));
  ownership.owners["g"] = "reverse";
  coordinator().follow_register();
  coordinator().unfence("s1", true);
  pass(milliseconds(100));
  ASSERT_TRUE(beat->has_value() && committed->has_value() && joined->has_value());
  EXPECT_EQ((*beat)->error_code, ErrorCode::not_coordinator);
  EXPECT_EQ(error_of(**committed), ErrorCode::not_coordinator);
  EXPECT_EQ((*joined)->error_code, ErrorCode::not_coordinator);
  EXPECT_EQ(fetch("g").offset, -1) << "committed after the hand-over";
  EXPECT_FALSE(ask(coordinator().join_group(caller, join("new"))).member_id.empty());
}

TEST_F(AtAFence, ARebalanceStandsStillAndGoesOn) {
  const std::string id = ask(coordinator().join_group(caller, join("g"))).member_id;
  const auto second = begin(coordinator().join_group(caller, join("g", id)));
  pass(milliseconds(100));
  ask(coordinator().fence_all("s1"));
  pass(seconds(5));
  EXPECT_FALSE(second->has_value()) << "a member was told of the fence";
  coordinator().unfence("s1");
  const auto first = begin(coordinator().join_group(caller, join("g", member)));
  pass(seconds(1));
  ASSERT_TRUE(first->has_value() && second->has_value());
  EXPECT_EQ((*second)->error_code, ErrorCode::none);
}

TEST_F(AtAFence, AMemberThatWaitsForARebalanceIsToldInTime) {
  const std::string id = ask(coordinator().join_group(caller, join("g"))).member_id;
  const auto waiting = begin(coordinator().join_group(caller, join("g", id)));
  pass(milliseconds(100));
  ask(coordinator().fence_all("s1"));
  pass(seconds(8));
  ASSERT_TRUE(waiting->has_value());
  EXPECT_EQ((*waiting)->error_code, ErrorCode::not_coordinator);
}

// A failover went past this site: that lasts until the way back.
TEST_F(AtAFence, WhereAFailoverWentPastNobodyWaits) {
  ask(coordinator().fence_all("s1", CoordinatorFences::Clients::are_refused));
  const auto beat = begin(coordinator().heartbeat(caller, heartbeat()));
  pass(milliseconds(100));
  ASSERT_TRUE(beat->has_value());
  EXPECT_EQ((*beat)->error_code, ErrorCode::not_coordinator);
}

TEST_F(AtAFence, AStopAnswersWhoWaits) {
  ask(coordinator().fence_all("s1"));
  const auto beat = begin(coordinator().heartbeat(caller, heartbeat()));
  pass(milliseconds(100));
  ask(coordinator().drain());
  ASSERT_TRUE(beat->has_value());
  EXPECT_EQ((*beat)->error_code, ErrorCode::not_coordinator);
  restart();
}

TEST_F(CoordinatorTest, AFenceOnAllHoldsForGroupsThatAreNotThereYet) {
  commit_now(commit("known", 7));
  start_process();
  ask(coordinator().fence_all("s1"));
  ask(coordinator().fence({"known"}, "s2"));
  lead_all();
  pass(milliseconds(10));
  EXPECT_EQ(commit_now(commit("known", 8)), ErrorCode::not_coordinator);
  EXPECT_EQ(commit_now(commit("new", 8)), ErrorCode::not_coordinator);
  coordinator().unfence("s1");
  EXPECT_EQ(commit_now(commit("known", 8)), ErrorCode::not_coordinator) << "the other fence holds";
  EXPECT_EQ(commit_now(commit("new", 8)), ErrorCode::none);
  coordinator().unfence("s2");
  EXPECT_EQ(commit_now(commit("known", 8)), ErrorCode::none);
}

}  // namespace
}  // namespace isthmus::broker
