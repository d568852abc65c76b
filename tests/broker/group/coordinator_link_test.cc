// Groups that a link owns: exact offsets, never above what has been copied.
#include "tests/broker/group/fixture.h"

namespace isthmus::broker {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

class LinkedGroups : public CoordinatorTest {
 protected:
  LinkedGroups() { ends.ends[orders] = 90; }

  LinkCommitResult commit_by_link(Offset offset, const std::string& group = "g",
                                  int64_t epoch = 1) {
    return ask(
        coordinator().commit_from_link({"tokyo", epoch, group, {{orders, offset, "from tokyo"}}}));
  }
  std::vector<ErrorCode> promote_all(std::vector<std::string> groups) {
    return ask(coordinator().promote("tokyo", std::move(groups), switchover));
  }
  ErrorCode promote(const std::string& group = "g") { return promote_all({group}).at(0); }

  // All that the group has at the source in `topics`.
  LinkCommitResult commit_all(std::vector<LinkOffset> offsets, std::set<std::string> topics) {
    auto complete_in = std::make_shared<const std::set<std::string>>(std::move(topics));
    return ask(coordinator().commit_from_link({"tokyo", 1, "g", std::move(offsets), complete_in}));
  }

  // The group "g" of this coordinator, as a fence stops it.
  Membership stopped() {
    ask(coordinator().fence_all("move"));
    auto members = coordinator().members_of("g", "move");
    EXPECT_TRUE(members);
    return members.value_or(Membership{});
  }
  // This coordinator comes to know nothing, and is given the members by a link.
  void begin_elsewhere() {
    journal.logs.clear();
    ownership.owners.clear();
    restart();
  }
  LinkCommitResult bring(const Membership& members, std::vector<LinkOffset> offsets = {}) {
    LinkCommit commit{"tokyo", 1, "g", std::move(offsets)};
    commit.moved = MovedGroup{switchover, members};
    return ask(coordinator().commit_from_link(std::move(commit)));
  }
  ErrorCode beat(const std::string& member, int32_t generation) {
    kafka::HeartbeatRequest request;
    request.group_id = "g";
    request.member_id = member;
    request.generation_id = generation;
    return ask(coordinator().heartbeat(caller, request)).error_code;
  }

  const Uuid switchover{{1}};
  const TopicPartition orders{"orders", 0};
  const OffsetKey kafkas_key{"g", {"orders", 0}, false};
  const OffsetKey links_key{"g", {"orders", 0}, true};
};

TEST_F(LinkedGroups, ServedOffsetFollowsTheLogAndIsNeverAboveIt) {
  EXPECT_EQ(commit_by_link(100).error, ErrorCode::none);
  EXPECT_EQ(fetch("g"), (Fetched{ErrorCode::none, 90, 5, "from tokyo"}));
  ends.ends[orders] = 95;
  EXPECT_EQ(fetch("g").offset, 95);
  ends.ends[orders] = 200;
  EXPECT_EQ(fetch("g").offset, 100) << "the whole height, once the data is there";
}

TEST_F(LinkedGroups, TheFullHeightAndTheOwnerSurviveARestart) {
  commit_by_link(100);
  restart();
  EXPECT_EQ(fetch("g").offset, 90);
  ends.ends[orders] = 200;
  EXPECT_EQ(fetch("g").offset, 100);
  EXPECT_EQ(commit_now(commit("g", 1)), ErrorCode::not_coordinator);
}

TEST_F(LinkedGroups, KafkasToolsNeverReadAnOffsetAboveTheLog) {
  commit_by_link(100);
  EXPECT_FALSE(last(kafkas_key));
  promote();
  const auto value = last(kafkas_key);
  ASSERT_TRUE(value);
  EXPECT_EQ(decode_offset(*value)->offset, 90);
  EXPECT_EQ(decode_offset(*value)->leader_epoch, 5);
  EXPECT_FALSE(last(links_key));
}

TEST_F(LinkedGroups, ClientsAreRefusedUntilThePromotion) {
  commit_by_link(100);
  EXPECT_EQ(ask(coordinator().join_group(caller, join("g"))).error_code,
            ErrorCode::not_coordinator);
  EXPECT_EQ(commit_now(commit("g", 1)), ErrorCode::not_coordinator);
  kafka::LeaveGroupRequest leave;
  leave.group_id = "g";
  leave.members.emplace_back().member_id = "m";
  EXPECT_EQ(ask(coordinator().leave_group(caller, leave)).error_code, ErrorCode::not_coordinator);
  kafka::DeleteGroupsRequest remove;
  remove.groups_names = {"g"};
  EXPECT_EQ(ask(coordinator().delete_groups(caller, remove)).results.at(0).error_code,
            ErrorCode::not_coordinator);

  EXPECT_EQ(promote(), ErrorCode::none);
  EXPECT_EQ(promote(), ErrorCode::none) << "to promote twice is no harm";
  become_member("g");
  EXPECT_EQ(fetch("g").offset, 90);
}

TEST_F(LinkedGroups, AfterThePromotionNewDataDoesNotRaiseTheOffset) {
  commit_by_link(100);
  promote();
  ends.ends[orders] = 200;  // written here
  EXPECT_EQ(fetch("g").offset, 90);
  restart();
  EXPECT_EQ(fetch("g").offset, 90);
  EXPECT_TRUE(commit_by_link(150).held);
}

TEST_F(LinkedGroups, AGroupWithMembersOrCommitsOfItsOwnIsHeld) {
  commit_now(commit("committed", 5));
  EXPECT_TRUE(commit_by_link(100, "committed").held);
  EXPECT_EQ(fetch("committed").offset, 5);

  become_member("joined");
  EXPECT_TRUE(commit_by_link(100, "joined").held);
  EXPECT_FALSE(ownership.owner_of("joined"));

  ask(coordinator().join_group(caller, join("expected")));  // has an id, and will come back
  EXPECT_TRUE(commit_by_link(100, "expected").held);

  commit_by_link(100, "osaka's");
  const auto other =
      ask(coordinator().commit_from_link({"osaka", 1, "osaka's", {{orders, 5, ""}}}));
  EXPECT_TRUE(other.held) << "it belongs to another link";
}

TEST_F(LinkedGroups, ACommitOnItsWayHoldsTheGroup) {
  journal.held = true;
  begin(coordinator().offset_commit(caller, commit("g", 5)));
  pass(milliseconds(1));
  EXPECT_TRUE(commit_by_link(100).held);
}

TEST_F(LinkedGroups, NobodyComesInWhileTheRegisterIsWritten) {
  ownership.held = true;
  const auto taking = begin(coordinator().commit_from_link({"tokyo", 1, "g", {{orders, 100, ""}}}));
  pass(seconds(1));
  EXPECT_FALSE(taking->has_value());
  EXPECT_EQ(commit_now(commit("g", 5)), ErrorCode::not_coordinator);
  ownership.held = false;
  pass(milliseconds(10));
  EXPECT_TRUE(taking->has_value());
  EXPECT_EQ(fetch("g").offset, 90);
}

TEST_F(LinkedGroups, AGroupThatCouldNotBeRegisteredIsNobodys) {
  ownership.fails = true;
  EXPECT_EQ(commit_by_link(100).error, ErrorCode::coordinator_not_available);
  EXPECT_EQ(fetch("g").offset, -1);
  EXPECT_EQ(commit_now(commit("g", 5)), ErrorCode::none);
}

TEST_F(LinkedGroups, AnOlderEpochOfTheLinkIsFenced) {
  commit_by_link(100, "g", 2);
  EXPECT_EQ(commit_by_link(50, "g", 1).error, ErrorCode::fenced_leader_epoch);
  EXPECT_EQ(fetch("g").offset, 90);
}

TEST_F(LinkedGroups, RepetitionsAreNotWritten) {
  commit_by_link(100);
  const size_t appends = journal.appends;
  commit_by_link(100);
  EXPECT_EQ(journal.appends, appends);
  commit_by_link(60);  // a reset at the source is followed
  EXPECT_EQ(fetch("g").offset, 60);
}

TEST_F(LinkedGroups, WhereTheLogCannotBeAskedClientsTryAgain) {
  commit_by_link(100);
  ends.reachable = false;
  EXPECT_EQ(fetch("g").error, ErrorCode::coordinator_load_in_progress);
}

// What is written there after a failover begins far above; the other partitions must not wait.
TEST_F(LinkedGroups, AnOfflinePartitionHoldsUpNoPromotionAndKeepsItsOffset) {
  commit_by_link(100);
  ends.reachable = false;
  EXPECT_EQ(promote(), ErrorCode::none);
  EXPECT_EQ(fetch("g").offset, 100);
}

TEST_F(LinkedGroups, AnOffsetOfATopicThatIsNotHereIsNotServedNorPromoted) {
  commit_by_link(100);
  ends.ends.clear();
  EXPECT_EQ(fetch("g"), (Fetched{ErrorCode::none, -1, -1, ""}));
  promote();
  ends.ends[orders] = 200;
  EXPECT_EQ(fetch("g").offset, -1);
}

TEST_F(LinkedGroups, APromotionThatBrokeOffIsRepeatedAndLosesNothing) {
  commit_by_link(100);
  ownership.fails = true;
  EXPECT_EQ(promote(), ErrorCode::coordinator_not_available);
  EXPECT_EQ(commit_now(commit("g", 5)), ErrorCode::not_coordinator);
  restart();
  EXPECT_EQ(commit_now(commit("g", 5)), ErrorCode::not_coordinator) << "still the link's";
  ownership.fails = false;
  EXPECT_EQ(promote(), ErrorCode::none);
  EXPECT_EQ(fetch("g").offset, 90);
}

TEST_F(LinkedGroups, APromotionThatBrokeOffMayGoBackToMirroring) {
  commit_by_link(100);
  ownership.fails = true;
  promote();
  restart();
  EXPECT_EQ(commit_by_link(120).error, ErrorCode::none);
  ends.ends[orders] = 110;
  EXPECT_EQ(fetch("g").offset, 110);
}

// Each write of the register makes every partition look whether it is concerned.
TEST_F(LinkedGroups, ManyGroupsArePromotedWithFewWrites) {
  std::vector<std::string> groups;
  for (int i = 0; i < 1200; ++i) groups.push_back("g" + std::to_string(i));
  for (const auto& group : groups) commit_by_link(100, group);
  commit_now(commit("own", 5));
  ask(coordinator().commit_from_link({"osaka", 1, "osaka's", {{orders, 5, ""}}}));
  groups.push_back("own");
  groups.push_back("osaka's");
  const size_t puts = ownership.puts;
  const auto answers = promote_all(groups);
  ASSERT_EQ(answers.size(), groups.size());
  for (size_t i = 0; i + 1 < answers.size(); ++i) EXPECT_EQ(answers[i], ErrorCode::none) << i;
  EXPECT_EQ(answers.back(), ErrorCode::invalid_request);
  EXPECT_EQ(ownership.puts - puts, 3u);
  EXPECT_EQ(fetch("g1199").offset, 90);
}

TEST_F(LinkedGroups, OnlyTheOwnersNamePromotes) {
  commit_by_link(100);
  EXPECT_EQ(ask(coordinator().promote("osaka", {"g"}, switchover)).at(0),
            ErrorCode::invalid_request);
  EXPECT_EQ(ask(coordinator().detach("g")), ErrorCode::none);
  EXPECT_EQ(commit_now(commit("g", 5)), ErrorCode::none);
}

// Deleted at the source and begun anew with one partition: the other must not go on at 5000.
TEST_F(LinkedGroups, WhatIsGoneAtTheSourceIsForgottenAlsoAfterARestart) {
  ends.ends[{"pay", 0}] = 9000;
  commit_all({{orders, 80, ""}, {{"pay", 0}, 5000, ""}}, {"orders", "pay"});
  EXPECT_EQ(fetch("g", "pay").offset, 5000);
  EXPECT_FALSE(commit_all({{orders, 10, ""}}, {"orders", "pay"}).empty);
  EXPECT_EQ(fetch("g").offset, 10);
  EXPECT_EQ(fetch("g", "pay").offset, -1);
  restart();
  EXPECT_EQ(fetch("g", "pay").offset, -1);
  EXPECT_TRUE(commit_all({}, {"orders", "pay"}).empty);
  EXPECT_EQ(fetch("g").offset, -1);
  EXPECT_EQ(commit_now(commit("g", 5)), ErrorCode::not_coordinator) << "it is still the link's";
  promote();
  EXPECT_EQ(fetch("g").offset, -1);
}

TEST_F(LinkedGroups, AnOlderOffsetOfTheGroupsOwnDoesNotComeBackForOneThatIsGone) {
  commit_now(commit("g", 80));
  ownership.owners["g"] = "tokyo";
  coordinator().follow_register();
  commit_all({{orders, 85, ""}}, {"orders"});
  commit_all({}, {"orders"});
  restart();
  EXPECT_EQ(fetch("g").offset, -1);
}

TEST_F(LinkedGroups, OnlyWhatTheLinkWroteInTheTopicsItSpeaksOfIsForgotten) {
  ends.ends[{"own", 0}] = ends.ends[{"pay", 0}] = 9000;
  commit_now(commit("g", 80, "own"));
  ownership.owners["g"] = "tokyo";
  coordinator().follow_register();
  commit_all({{orders, 80, ""}, {{"pay", 0}, 5000, ""}}, {"orders", "pay", "own"});
  EXPECT_EQ(fetch("g", "own").offset, 80) << "no link has brought it";
  commit_by_link(81);
  EXPECT_EQ(fetch("g", "pay").offset, 5000) << "what has changed is not all there is";
  commit_all({{orders, 82, ""}}, {"orders"});
  EXPECT_EQ(fetch("g", "pay").offset, 5000) << "the link does not mirror that topic now";
  commit_all({}, {"orders"});
  EXPECT_EQ(fetch("g").offset, -1);
  EXPECT_EQ(fetch("g", "pay").offset, 5000);
}

TEST_F(LinkedGroups, NoOffsetsMakeNoGroupTheLinks) {
  EXPECT_FALSE(commit_all({}, {"orders"}).held);
  EXPECT_TRUE(coordinator().names().empty());
  EXPECT_FALSE(ownership.owner_of("g"));
}

TEST_F(LinkedGroups, WhoWantsAHeldGroupIsKnownUntilItIsTakenOrNoLongerWanted) {
  commit_now(commit("g", 5));
  EXPECT_EQ(coordinator().wanted_by("g"), std::nullopt);
  commit_by_link(100);
  EXPECT_EQ(coordinator().wanted_by("g"), "tokyo");
  EXPECT_FALSE(commit_all({}, {"orders"}).held) << "nothing is wanted any more";
  EXPECT_EQ(coordinator().wanted_by("g"), std::nullopt);

  commit_by_link(100);
  kafka::DeleteGroupsRequest remove;
  remove.groups_names = {"g"};
  ask(coordinator().delete_groups(caller, remove));
  EXPECT_FALSE(commit_by_link(100).held);
  EXPECT_EQ(coordinator().wanted_by("g"), std::nullopt);
  EXPECT_EQ(fetch("g").offset, 90);
}

TEST_F(LinkedGroups, DoNotExpire) {
  commit_by_link(80);
  pass(hours(24 * 30));
  EXPECT_EQ(fetch("g").offset, 80);
}

TEST_F(LinkedGroups, AGroupThatTheRegisterHandsOverSendsItsMembersAway) {
  const std::string member = become_member("g");
  auto own = commit("g", 80);
  own.member_id = member;
  own.generation_id_or_member_epoch = 1;
  commit_now(own);
  ownership.owners["g"] = "tokyo";
  coordinator().follow_register();
  EXPECT_EQ(commit_now(own), ErrorCode::not_coordinator);
  EXPECT_EQ(commit_by_link(100).error, ErrorCode::none) << "it is the link's, with all it has";
  EXPECT_EQ(fetch("g").offset, 90);
  restart();
  EXPECT_EQ(fetch("g").offset, 90) << "the link's offset counts, not the older one of the group";
}

TEST_F(LinkedGroups, MembersThatASwitchoverBringsGoOnInTheirGeneration) {
  const std::string member = become_member("g");
  const Membership members = stopped();
  EXPECT_EQ(decode_membership(encode_membership(members)).value(), members);
  begin_elsewhere();
  EXPECT_FALSE(bring(members, {{orders, 80, ""}}).empty);
  EXPECT_EQ(beat(member, 1), ErrorCode::not_coordinator) << "the link's still";
  restart();
  EXPECT_EQ(promote(), ErrorCode::none);
  EXPECT_EQ(beat(member, 1), ErrorCode::none);
  auto request = commit("g", 85);
  request.member_id = member;
  request.generation_id_or_member_epoch = 1;
  EXPECT_EQ(commit_now(request), ErrorCode::none);
  kafka::SyncGroupRequest sync;
  sync.group_id = "g";
  sync.member_id = member;
  sync.generation_id = 1;
  EXPECT_EQ(as_text(ask(coordinator().sync_group(caller, sync)).assignment.view()), "everything");
  restart();
  EXPECT_EQ(beat(member, 1), ErrorCode::none) << "it is a group like any";
}

TEST_F(LinkedGroups, MembersWithoutAnyCommitGoAlong) {
  const std::string member = become_member("g");
  const Membership members = stopped();
  begin_elsewhere();
  EXPECT_FALSE(bring(members).empty);
  EXPECT_EQ(ownership.owner_of("g"), "tokyo");
  promote();
  EXPECT_EQ(beat(member, 1), ErrorCode::none);
}

TEST_F(LinkedGroups, MembersThatNeverReportAtTheNewCoordinatorEndWithTheirSession) {
  const std::string member = become_member("g");
  const Membership members = stopped();
  begin_elsewhere();
  bring(members);
  pass(seconds(60));
  promote();
  pass(seconds(9));
  EXPECT_EQ(beat(member, 1), ErrorCode::none) << "a whole session from the promotion on";
  pass(seconds(11));
  EXPECT_EQ(beat(member, 1), ErrorCode::unknown_member_id);
}

TEST_F(LinkedGroups, MembersOfASwitchoverThatCameToNothingAreNotGoneOnWith) {
  const std::string member = become_member("g");
  const Membership members = stopped();
  begin_elsewhere();
  bring(members, {{orders, 80, ""}});
  EXPECT_EQ(ask(coordinator().promote("tokyo", {"g"}, Uuid{{2}})).at(0), ErrorCode::none);
  EXPECT_EQ(beat(member, 1), ErrorCode::unknown_member_id);
  EXPECT_FALSE(last(MovedGroupKey{"g"}));
  EXPECT_EQ(fetch("g").offset, 80);
}

TEST_F(LinkedGroups, AGroupThatEmptiedBeforeTheNextRoundBringsNobody) {
  const std::string member = become_member("g");
  const Membership members = stopped();
  begin_elsewhere();
  bring(members, {{orders, 80, ""}});
  bring(Membership{}, {{orders, 80, ""}});
  promote();
  EXPECT_EQ(beat(member, 1), ErrorCode::unknown_member_id);
}

TEST_F(LinkedGroups, WhoWasMakingAGenerationJoinsAgainAndIsKnown) {
  const std::string member = become_member("g");
  const std::string newcomer = ask(coordinator().join_group(caller, join("g"))).member_id;
  begin(coordinator().join_group(caller, join("g", newcomer)));
  const std::string awaited = ask(coordinator().join_group(caller, join("g"))).member_id;
  const Membership members = stopped();
  EXPECT_TRUE(members.rebalancing);
  begin_elsewhere();
  bring(members);
  promote();
  EXPECT_EQ(beat(member, 1), ErrorCode::rebalance_in_progress);
  std::vector<Started<kafka::JoinGroupResponse>> joins;
  for (const std::string& id : {member, newcomer, awaited}) {
    joins.push_back(begin(coordinator().join_group(caller, join("g", id))));
  }
  pass(seconds(1));
  for (const auto& joined : joins) {
    ASSERT_TRUE(joined->has_value()) << "all are there";
    EXPECT_EQ((*joined)->error_code, ErrorCode::none);
    EXPECT_EQ((*joined)->generation_id, 2);
  }
}

// A site that was away has given out generations which the other does not know of.
TEST_F(LinkedGroups, AGenerationThatWasGivenOutHereIsNotGivenOutAgain) {
  const std::string member = become_member("g");
  const Membership members = stopped();
  begin_elsewhere();
  kafka::GroupMetadataValue stored;
  stored.protocol_type = "consumer";
  stored.generation = 7;
  journal.logs[partition_of_key("g", config.partitions)].push_back(encode_group("g", stored));
  ownership.owners["g"] = "tokyo";
  restart();
  bring(members);
  promote();
  EXPECT_EQ(beat(member, 1), ErrorCode::illegal_generation);
  // What is stored now, 8, is read again after a crash, and must be nobody's.
  EXPECT_EQ(ask(coordinator().join_group(caller, join("g", member))).generation_id, 9);
}

// A failover went past this site; there the group began anew, and has come to the same number.
TEST_F(LinkedGroups, OneNumberOfTwoLineagesIsNotGivenOutTwice) {
  const std::string member = become_member("g");
  const Membership members = stopped();
  begin_elsewhere();
  kafka::GroupMetadataValue stored;
  stored.protocol_type = "consumer";
  stored.generation = 1;
  journal.logs[partition_of_key("g", config.partitions)].push_back(encode_group("g", stored));
  ownership.owners["g"] = "tokyo";
  ownership.parted.insert("g");
  restart();
  bring(members);
  promote();
  EXPECT_EQ(beat(member, 1), ErrorCode::illegal_generation);
  restart();
  EXPECT_EQ(beat(member, 1), ErrorCode::illegal_generation) << "stored under a number of its own";
  EXPECT_EQ(beat(member, 2), ErrorCode::none);
}

// The other way round, after a failover: what the lost site has given out, nobody could ask.
TEST_F(LinkedGroups, WithoutItsMembersAGroupBeginsFarFromTheGenerationsOfTheLostSite) {
  begin_elsewhere();
  bring(Membership{}, {{orders, 80, ""}});
  promote();
  restart();
  become_member("g");
  EXPECT_GT(stopped().stored.generation, 16);
  EXPECT_NE(first_generation_after(0, Uuid{{1}}),
            first_generation_after(0, *Uuid::parse("vfOAzRcJLVYW2pDB50zzJw")));
  EXPECT_EQ(first_generation_after(INT32_MAX, Uuid{{1}}), INT32_MAX);
}

TEST_F(LinkedGroups, ThereAreNoMembersToTakeAlongOnceTheFenceHasEnded) {
  become_member("g");
  stopped();
  coordinator().unfence("move");
  EXPECT_FALSE(coordinator().members_of("g", "move"));
}

TEST_F(LinkedGroups, APromotionOfMembersThatBrokeOffIsRepeated) {
  const std::string member = become_member("g");
  const Membership members = stopped();
  begin_elsewhere();
  bring(members, {{orders, 100, ""}});
  ownership.fails = true;
  promote();
  restart();
  ownership.fails = false;
  EXPECT_EQ(promote(), ErrorCode::none);
  EXPECT_EQ(beat(member, 1), ErrorCode::none);
  EXPECT_EQ(fetch("g").offset, 90);
}

}  // namespace
}  // namespace isthmus::broker
