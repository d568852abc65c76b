// Offsets end with their topic: durably, and for a topic that is made anew while nobody looks.
#include "tests/broker/group/fixture.h"

namespace isthmus::broker {
namespace {

using std::chrono::milliseconds;

class DeletedTopics : public CoordinatorTest {
 protected:
  bool stored(const std::string& group, const std::string& topic = "orders") const {
    return last(OffsetKey{group, {topic, 0}, false}).has_value();
  }
  void forget(const std::string& topic) {
    coordinator().forget_topics({topic});
    pass(milliseconds(10));
  }
};

TEST_F(DeletedTopics, OffsetsOfEveryGroupEndWithTheTopic) {
  for (const char* group : {"g", "h", "i"}) {
    commit_now(commit(group, 100));
    commit_now(commit(group, 5, "kept"));
  }
  topics.remove("orders");
  forget("orders");
  for (const char* group : {"g", "h", "i"}) {
    EXPECT_EQ(fetch(group).offset, -1);
    EXPECT_FALSE(stored(group)) << "the journal would bring it back";
    EXPECT_EQ(fetch(group, "kept").offset, 5);
  }
  topics.recreate("orders");
  EXPECT_EQ(fetch("g").offset, -1);
  restart();
  EXPECT_EQ(fetch("g").offset, -1);
}

// As many as it was made with, whatever the options of this broker say by now.
TEST_F(DeletedTopics, AGroupIsWhereTheTopicHasIt) {
  for (PartitionIndex p = 0; p < 50; ++p) coordinator().resign(p);
  coordinator().has_partitions(1);
  coordinator().lead(0, 100);
  pass(milliseconds(10));
  for (const char* group : {"g", "h", "i"}) EXPECT_TRUE(coordinator().serves(group)) << group;
}

// Deleted and made anew, and the coordinator hears of both at once, or of neither.
TEST_F(DeletedTopics, ATopicOfTheSameNameDoesNotGetTheOffsetsOfTheOldOne) {
  commit_now(commit("g", 100));
  topics.recreate("orders");
  EXPECT_EQ(fetch("g").offset, -1) << "at once, before anything is written";
  kafka::OffsetFetchRequest all;
  all.groups.push_back({.group_id = "g", .member_id = {}, .topics = std::nullopt});
  const auto fetched = ask(coordinator().offset_fetch(caller, all));
  EXPECT_TRUE(fetched.groups.at(0).topics.empty());
  forget("orders");
  EXPECT_FALSE(stored("g"));
}

TEST_F(DeletedTopics, NorWhenItWasMadeAnewWhileTheCoordinatorWasDown) {
  commit_now(commit("g", 100));
  commit_now(commit("h", 100, "gone"));
  topics.recreate("orders");
  topics.remove("gone");
  restart();
  EXPECT_EQ(fetch("g").offset, -1);
  EXPECT_FALSE(stored("g"));
  EXPECT_FALSE(stored("h", "gone"));
}

TEST_F(DeletedTopics, ACommitForTheNewTopicIsNotTakenAwayWithTheOldOffset) {
  commit_now(commit("g", 100));
  topics.recreate("orders");
  journal.held = true;
  begin(coordinator().offset_commit(caller, commit("g", 3)));
  pass(milliseconds(1));
  coordinator().forget_topics({"orders"});
  pass(milliseconds(10));
  journal.held = false;
  pass(milliseconds(10));
  EXPECT_EQ(fetch("g").offset, 3);
  restart();
  EXPECT_EQ(fetch("g").offset, 3);
}

// Older records, and those of clients that say when an offset expires, have no id.
TEST_F(DeletedTopics, OffsetsWithoutAnIdGoWithTheNameAndStayWithoutADeletion) {
  auto old = commit("g", 100);
  old.retention_time_ms = 1'000'000;
  commit_now(old);
  restart();
  topics.recreate("orders");
  EXPECT_EQ(fetch("g").offset, 100) << "nothing says that it is of another topic";
  forget("orders");
  EXPECT_EQ(fetch("g").offset, -1);
  EXPECT_FALSE(stored("g"));
}

TEST_F(DeletedTopics, ALinksGroupsAreLeftToTheLink) {
  ends.ends[{"orders", 0}] = 1000;
  LinkCommit of_link{"tokyo", 1, "g", {{{"orders", 0}, 90, ""}}};
  ask(coordinator().commit_from_link(of_link));
  topics.remove("orders");
  forget("orders");
  topics.recreate("orders");
  EXPECT_EQ(fetch("g").offset, 90) << "the link has said so, and takes it back when it is gone";
}

TEST_F(DeletedTopics, WhatCannotBeWrittenYetIsNotServedEither) {
  commit_now(commit("g", 100));
  topics.recreate("orders");
  journal.fails = Error::timeout("the disk is slow");
  forget("orders");
  EXPECT_EQ(fetch("g").offset, -1);
  EXPECT_TRUE(stored("g"));
  journal.fails.reset();
  restart();
  EXPECT_FALSE(stored("g")) << "the next start writes it";
}

TEST_F(DeletedTopics, ACommitForWhatIsNotThereIsRefusedByItself) {
  topics.remove("gone");
  auto request = commit("g", 7);
  auto& beyond = request.topics[0].partitions.emplace_back();
  beyond.partition_index = 3;
  request.topics.push_back(commit("g", 7, "gone").topics[0]);
  const auto answer = ask(coordinator().offset_commit(caller, request));
  EXPECT_EQ(answer.topics[0].partitions[0].error_code, ErrorCode::none);
  EXPECT_EQ(answer.topics[0].partitions[1].error_code, ErrorCode::unknown_topic_or_partition);
  EXPECT_EQ(answer.topics[1].partitions[0].error_code, ErrorCode::unknown_topic_or_partition);
  EXPECT_EQ(fetch("g").offset, 7);

  EXPECT_EQ(commit_now(commit("nobody", 7, "gone")), ErrorCode::unknown_topic_or_partition);
  const auto described = ask(coordinator().describe_groups(caller, {.groups = {"nobody"}}));
  EXPECT_EQ(described.groups.at(0).group_state, "Dead") << "no group comes of it";
}

}  // namespace
}  // namespace isthmus::broker
