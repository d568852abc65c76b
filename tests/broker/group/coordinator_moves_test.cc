// Groups whose partition of __consumer_offsets goes to another broker of the cluster, and comes
// back: nothing that began before is answered as done or written after, and nothing is forgotten.
#include "tests/broker/group/fixture.h"

namespace isthmus::broker {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

class CoordinatorMoves : public CoordinatorTest {
 protected:
  CoordinatorMoves() {
    ends.ends[orders] = 90;
    move(there, here);
  }

  void leave(Coordinator& from) {
    for (PartitionIndex i = 0; i < config.partitions; ++i) from.resign(i);
  }
  void arrive(Coordinator& at) {
    turn_to(at);
    ++epoch;
    for (PartitionIndex i = 0; i < config.partitions; ++i) {
      journal.in_force[i] = epoch;
      at.lead(i, epoch);
    }
  }
  void move(Coordinator& from, Coordinator& to) {
    leave(from);
    arrive(to);
    pass(milliseconds(10));
  }

  static ErrorCode error_of(const kafka::OffsetCommitResponse& response) {
    return response.topics.at(0).partitions.at(0).error_code;
  }
  ErrorCode beat(const std::string& member, int32_t generation) {
    kafka::HeartbeatRequest request;
    request.group_id = "g";
    request.member_id = member;
    request.generation_id = generation;
    return ask(coordinator().heartbeat(caller, request)).error_code;
  }
  kafka::SyncGroupRequest assignment_for(const std::string& member) {
    kafka::SyncGroupRequest sync;
    sync.group_id = "g";
    sync.member_id = member;
    sync.generation_id = 1;
    sync.assignments.push_back({member, Slice::copy_of("everything")});
    return sync;
  }
  LinkCommit link_commit(Offset offset) {
    return {"tokyo", 1, "g", {{orders, offset, "from tokyo"}}};
  }

  const TopicPartition orders{"orders", 0};
  const OffsetKey key{"g", orders, false};
  Coordinator& here = coordinator();
  Coordinator& there = make_another();
};

TEST_F(CoordinatorMoves, AGroupGoesOnElsewhereAndIsBackWithWhatItDidThere) {
  const std::string member = become_member("g");
  auto request = commit("g", 7);
  request.member_id = member;
  request.generation_id_or_member_epoch = 1;
  EXPECT_EQ(commit_now(request), ErrorCode::none);

  move(here, there);
  EXPECT_EQ(beat(member, 1), ErrorCode::none);
  EXPECT_EQ(fetch("g").offset, 7);
  request.topics[0].partitions[0].committed_offset = 8;
  EXPECT_EQ(commit_now(request), ErrorCode::none);
  EXPECT_EQ(commit_now(commit("new", 1)), ErrorCode::none);

  move(there, here);
  EXPECT_EQ(beat(member, 1), ErrorCode::none);
  EXPECT_EQ(fetch("g").offset, 8);
  EXPECT_EQ(fetch("new").offset, 1);
  turn_to(there);
  EXPECT_EQ(fetch("g").error, ErrorCode::not_coordinator);
  EXPECT_EQ(beat(member, 1), ErrorCode::not_coordinator);
  EXPECT_TRUE(there.names().empty());
}

TEST_F(CoordinatorMoves, ALoadThatWasOvertakenServesNothing) {
  commit_now(commit("g", 7));
  move(here, there);
  leave(there);
  journal.held = true;
  arrive(here);
  pass(seconds(1));
  EXPECT_EQ(fetch("g").error, ErrorCode::coordinator_load_in_progress);
  leave(here);
  EXPECT_EQ(fetch("g").error, ErrorCode::not_coordinator);
  journal.held = false;
  arrive(there);
  pass(milliseconds(10));
  EXPECT_EQ(commit_now(commit("g", 8)), ErrorCode::none);
  turn_to(here);
  EXPECT_EQ(fetch("g").error, ErrorCode::not_coordinator);
  move(there, here);
  EXPECT_EQ(fetch("g").offset, 8);
}

TEST_F(CoordinatorMoves, ACommitThatIsNotWrittenYetNeverIs) {
  journal.held = true;
  const auto answer = begin(here.offset_commit(caller, commit("g", 7)));
  leave(here);
  arrive(there);
  journal.held = false;
  pass(milliseconds(10));
  ASSERT_TRUE(answer->has_value());
  EXPECT_EQ(error_of(**answer), ErrorCode::not_coordinator);
  EXPECT_EQ(fetch("g").offset, -1);
  EXPECT_FALSE(last(key));
}

// The journal has it, and may have told others: only whoever leads now can say so.
TEST_F(CoordinatorMoves, ACommitThatIsWrittenIsTheNextCoordinatorsToAnswerFor) {
  journal.slow = true;
  const auto answer = begin(here.offset_commit(caller, commit("g", 7)));
  pass(milliseconds(10));
  leave(here);
  arrive(there);
  journal.slow = false;
  pass(milliseconds(10));
  ASSERT_TRUE(answer->has_value());
  EXPECT_EQ(error_of(**answer), ErrorCode::not_coordinator);
  EXPECT_EQ(fetch("g").offset, 7);
  // Back here the same commit must not come out of an earlier term.
  EXPECT_EQ(commit_now(commit("g", 8)), ErrorCode::none);
  move(there, here);
  EXPECT_EQ(fetch("g").offset, 8);
}

TEST_F(CoordinatorMoves, AJoinThatWaitsIsSentAwayAndNoTimerIsLeft) {
  const std::string first = become_member("g");
  const std::string second = ask(here.join_group(caller, join("g"))).member_id;
  const auto waiting = begin(here.join_group(caller, join("g", second)));
  pass(milliseconds(1));
  EXPECT_FALSE(waiting->has_value());
  leave(here);
  pass(milliseconds(1));
  ASSERT_TRUE(waiting->has_value());
  EXPECT_EQ((*waiting)->error_code, ErrorCode::not_coordinator);
  const size_t appends = journal.appends;
  pass(minutes(10));
  EXPECT_EQ(journal.appends, appends) << "sessions are another's matter";

  arrive(here);
  pass(seconds(9));
  EXPECT_EQ(beat(first, 1), ErrorCode::none) << "a whole session from the load on";
  pass(seconds(9));
  EXPECT_EQ(beat(first, 1), ErrorCode::none);
  EXPECT_EQ(beat(second, 1), ErrorCode::unknown_member_id) << "nothing of it was stored";
}

TEST_F(CoordinatorMoves, AnAssignmentThatIsBeingStoredIsNotHandedOut) {
  caller.version = 3;
  const auto joined = ask(here.join_group(caller, join("g")));
  journal.slow = true;
  const auto answer = begin(here.sync_group(caller, assignment_for(joined.member_id)));
  pass(milliseconds(10));
  EXPECT_FALSE(answer->has_value());
  leave(here);
  pass(milliseconds(1));
  ASSERT_TRUE(answer->has_value());
  EXPECT_EQ((*answer)->error_code, ErrorCode::not_coordinator);
  EXPECT_EQ((*answer)->assignment.size(), 0u);

  arrive(there);
  journal.slow = false;
  pass(milliseconds(10));
  const auto again = ask(there.sync_group(caller, assignment_for(joined.member_id)));
  EXPECT_EQ(again.error_code, ErrorCode::none);
  EXPECT_EQ(as_text(again.assignment), "everything") << "stored by then, and found";
}

TEST_F(CoordinatorMoves, AFetchThatWaitsForALogsEndIsNotAnsweredFromBefore) {
  EXPECT_EQ(ask(here.commit_from_link(link_commit(50))).error, ErrorCode::none);
  kafka::OffsetFetchRequest request;
  request.groups.emplace_back().group_id = "g";
  request.groups[0].topics.reset();
  ends.held = true;
  const auto answer = begin(here.offset_fetch(caller, request));
  leave(here);
  arrive(there);
  ends.held = false;
  pass(milliseconds(10));
  ASSERT_TRUE(answer->has_value());
  EXPECT_EQ((*answer)->groups.at(0).error_code, ErrorCode::not_coordinator);
  EXPECT_TRUE((*answer)->groups[0].topics.empty());
  EXPECT_EQ(fetch("g").offset, 50);
}

TEST_F(CoordinatorMoves, ADeletionThatIsUnderWayIsNotAnsweredAsDone) {
  commit_now(commit("g", 7));
  journal.held = true;
  kafka::DeleteGroupsRequest request;
  request.groups_names = {"g"};
  const auto answer = begin(here.delete_groups(caller, request));
  leave(here);
  arrive(there);
  journal.held = false;
  pass(milliseconds(10));
  ASSERT_TRUE(answer->has_value());
  EXPECT_EQ((*answer)->results.at(0).error_code, ErrorCode::not_coordinator);
  EXPECT_EQ(fetch("g").offset, 7);
}

TEST_F(CoordinatorMoves, ALinksCommitIsRepeatedWhereTheGroupIsNow) {
  ownership.held = true;
  const auto answer = begin(here.commit_from_link(link_commit(50)));
  leave(here);
  arrive(there);
  ownership.held = false;
  pass(milliseconds(10));
  ASSERT_TRUE(answer->has_value());
  EXPECT_EQ((*answer)->error, ErrorCode::not_coordinator);
  EXPECT_EQ(fetch("g").offset, -1);
  EXPECT_EQ(ask(there.commit_from_link(link_commit(50))).error, ErrorCode::none);
  EXPECT_EQ(fetch("g").offset, 50);
}

TEST_F(CoordinatorMoves, APromotionIsRepeatedWhereTheGroupIsNow) {
  EXPECT_EQ(ask(here.commit_from_link(link_commit(100))).error, ErrorCode::none);
  const Uuid switchover{{1}};
  ownership.held = true;
  const auto answer = begin(here.promote("tokyo", {"g"}, switchover));
  pass(milliseconds(10));
  leave(here);
  arrive(there);
  pass(milliseconds(10));
  ownership.held = false;
  pass(milliseconds(10));
  ASSERT_TRUE(answer->has_value());
  EXPECT_EQ((*answer)->at(0), ErrorCode::not_coordinator);
  EXPECT_EQ(ask(there.promote("tokyo", {"g"}, switchover)).at(0), ErrorCode::none);
  EXPECT_EQ(fetch("g").offset, 90);
  EXPECT_EQ(commit_now(commit("g", 80)), ErrorCode::none);
}

TEST_F(CoordinatorMoves, OnePartitionGoesAndTheOthersStay) {
  std::vector<std::string> names;
  for (const char* name : {"a", "b", "c", "d"}) {
    ASSERT_EQ(commit_now(commit(name, 7)), ErrorCode::none);
    names.emplace_back(name);
  }
  const PartitionIndex gone = partition_of_key("a", config.partitions);
  std::erase_if(names, [&](const std::string& name) {
    return partition_of_key(name, config.partitions) == gone;
  });
  ASSERT_FALSE(names.empty());
  here.resign(gone);
  EXPECT_EQ(here.names(), names);
  EXPECT_EQ(fetch("a").error, ErrorCode::not_coordinator);
  for (const std::string& name : names) EXPECT_EQ(fetch(name).offset, 7);
}

TEST_F(CoordinatorMoves, ALoadedGroupCountsOnceHoweverOftenItComesBack) {
  config.max_group_bytes = 2'000;
  config.largest_groups = 1;
  journal.in_force.clear();
  restart();
  become_member("a");
  for (int i = 0; i < 50; ++i) {
    coordinator().resign(partition_of_key("a", config.partitions));
    coordinator().lead(partition_of_key("a", config.partitions), ++epoch);
    pass(milliseconds(10));
  }
  EXPECT_FALSE(become_member("b").empty());
}

}  // namespace
}  // namespace isthmus::broker
