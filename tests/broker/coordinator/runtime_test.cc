// What every kind of coordinator can rely on when its partitions come, go and come back.
#include "broker/coordinator/runtime.h"

#include <gtest/gtest.h>

#include "broker/coordinator/key_partition.h"
#include "tests/broker/coordinator/leases.h"
#include "tests/broker/coordinator/memory_journal.h"
#include "tests/broker/task_world.h"

namespace isthmus::broker {
namespace {

using kafka::ErrorCode;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

io::Task<bool> done(io::Task<void> task) {
  co_await task;
  co_return true;
}

class RuntimeTest : public testing::Test {
 protected:
  RuntimeTest() {
    journal.loop = &world.loop();
    leases = &make();
  }

  // On another broker of the cluster, as far as the journal can tell.
  Leases& make() { return world.process->make<Leases>(world.loop(), journal); }
  PartitionIndex home(const std::string& key) const {
    return partition_of_key(key, Leases::partitions);
  }
  void lead(Leases& who, LeaderEpoch epoch) {
    for (PartitionIndex i = 0; i < Leases::partitions; ++i) {
      journal.in_force[i] = epoch;
      world.on_loop([&] { who.runtime.lead(i, epoch); });
    }
  }
  void resign(Leases& who) {
    for (PartitionIndex i = 0; i < Leases::partitions; ++i) {
      world.on_loop([&] { who.runtime.resign(i); });
    }
  }
  void fence_all() {
    world.run(done(leases->runtime.fence_all("move", CoordinatorFences::Clients::wait)));
  }
  void pass(io::Duration time) { world.run_for(time); }
  ErrorCode take(const std::string& key) { return world.run(leases->take(key)); }
  Started<ErrorCode> begin_to_take(const std::string& key) {
    auto answer = world.start(leases->take(key));
    pass(milliseconds(1));
    return answer;
  }
  void log(const std::string& key, bool taken = true) {
    JournalRecord record{Slice::copy_of(key), std::nullopt};
    if (taken) record.value = Slice::copy_of("taken");
    journal.logs[home(key)].push_back(std::move(record));
  }
  size_t records_of(const std::string& key) { return journal.logs[home(key)].size(); }

  TaskWorld world;
  MemoryJournal journal;
  Leases* leases = nullptr;
};

TEST_F(RuntimeTest, ServesWhatTheLogSaysOnceAllOfItIsThere) {
  log("a");
  log("b");
  log("b", false);
  EXPECT_EQ(take("a"), ErrorCode::not_coordinator);
  journal.held = true;
  lead(*leases, 1);
  pass(seconds(1));
  EXPECT_TRUE(leases->runtime.is_loading());
  EXPECT_EQ(take("a"), ErrorCode::coordinator_load_in_progress);
  EXPECT_EQ(take("b"), ErrorCode::coordinator_load_in_progress);
  journal.held = false;
  EXPECT_TRUE(world.run(leases->runtime.loaded(io::Instant::max())));
  EXPECT_EQ(leases->runtime.keys(), std::vector<std::string>{"a"});
  EXPECT_EQ(leases->were_served, std::vector<std::string>{"a"});
  EXPECT_EQ(take("b"), ErrorCode::none);
}

TEST_F(RuntimeTest, OnePartitionIsLoadedAfterTheOther) {
  journal.pace = seconds(1);
  for (const char* key : {"a", "b", "c", "d", "e"}) log(key);
  ASSERT_NE(home("a"), home("b"));
  lead(*leases, 1);
  pass(milliseconds(100));
  EXPECT_EQ(journal.replays, 1u);
  pass(seconds(6));
  EXPECT_EQ(journal.replays, 2u);
  EXPECT_EQ(leases->runtime.keys().size(), 5u);
}

TEST_F(RuntimeTest, ALoadThatFailsBeginsAnew) {
  const std::string beside = home("a") == home("damaged") ? "a" : "b";
  ASSERT_EQ(home(beside), home("damaged"));
  log(beside);
  log("damaged");
  lead(*leases, 1);
  pass(seconds(3));
  EXPECT_EQ(take(beside), ErrorCode::coordinator_load_in_progress);
  EXPECT_GT(leases->loads, 2u) << "it is tried again";
  journal.logs.clear();
  pass(seconds(3));
  EXPECT_EQ(leases->runtime.check(beside), ErrorCode::none);
  EXPECT_TRUE(leases->runtime.keys().empty()) << "what a failed attempt has read is void";
}

TEST_F(RuntimeTest, ANewerEpochBeginsAnotherTermAndNothingElseDoes) {
  lead(*leases, 2);
  EXPECT_EQ(take("a"), ErrorCode::none);
  const LeasePtr before = leases->find("a");
  lead(*leases, 2);
  world.on_loop([&] { leases->runtime.lead(home("a"), 1); });
  pass(milliseconds(10));
  EXPECT_EQ(leases->find("a"), before);
  EXPECT_EQ(leases->loads, 2u) << "one per partition";
  lead(*leases, 3);
  pass(milliseconds(10));
  EXPECT_TRUE(before->is_gone() && before->term()->is_lost());
  ASSERT_TRUE(leases->find("a"));
  EXPECT_NE(leases->find("a"), before);
  EXPECT_EQ(leases->find("a")->term()->leader_epoch(), 3);
}

TEST_F(RuntimeTest, ResignedInTheMiddleOfALoad) {
  for (int i = 0; i < 10; ++i) log("a", i % 2 == 1);
  journal.pace = seconds(1);
  lead(*leases, 1);
  pass(milliseconds(3500));
  resign(*leases);
  const size_t visited = leases->visited;
  EXPECT_FALSE(leases->runtime.is_loading());
  pass(seconds(20));
  EXPECT_EQ(leases->visited, visited) << "the rest of the log was read for nothing";
  EXPECT_EQ(take("a"), ErrorCode::not_coordinator);
  EXPECT_TRUE(leases->were_served.empty());

  log("a", false);
  journal.pace = milliseconds(0);
  lead(*leases, 3);
  pass(milliseconds(10));
  EXPECT_EQ(leases->runtime.check("a"), ErrorCode::none);
  EXPECT_TRUE(leases->were_served.empty()) << "of another's word it knows by the log";
}

TEST_F(RuntimeTest, LedAgainWhileTheEarlierLoadStillRuns) {
  log("a");
  journal.pace = seconds(1);
  journal.held = true;
  lead(*leases, 1);
  pass(seconds(1));
  resign(*leases);
  log("a", false);
  log("a");
  lead(*leases, 3);
  journal.held = false;
  pass(seconds(10));
  EXPECT_EQ(leases->were_served, std::vector<std::string>{"a"}) << "by the later load alone";
  EXPECT_EQ(leases->find("a")->term()->leader_epoch(), 3);
}

TEST_F(RuntimeTest, ResignedInTheMiddleOfAWriteItWritesNoMoreAndIsNotAnswered) {
  lead(*leases, 1);
  EXPECT_EQ(take("a"), ErrorCode::none);
  const LeasePtr lease = leases->find("a");
  journal.slow = true;
  const auto answer = world.start(leases->write(lease, true, 500));
  pass(seconds(1));
  const size_t written = records_of("a");
  ASSERT_LT(written, 500u) << "in more batches than one";
  resign(*leases);
  journal.slow = false;
  pass(seconds(1));
  EXPECT_EQ(*answer, ErrorCode::not_coordinator);
  EXPECT_EQ(records_of("a"), written);
  const size_t appends = journal.appends;
  EXPECT_EQ(world.run(leases->write(lease, false)), ErrorCode::not_coordinator);
  EXPECT_EQ(journal.appends, appends) << "what comes late is not even tried";
}

TEST_F(RuntimeTest, WhatTheJournalStillHoldsIsNotWrittenBehindTheNextLeader) {
  Leases& other = make();
  lead(*leases, 1);
  EXPECT_EQ(take("b"), ErrorCode::none);
  journal.held = true;
  const auto answer = begin_to_take("a");
  resign(*leases);
  lead(other, 2);
  resign(other);
  lead(*leases, 3);
  journal.held = false;
  pass(milliseconds(10));
  EXPECT_EQ(*answer, ErrorCode::not_coordinator);
  ASSERT_NE(home("a"), home("b"));
  EXPECT_EQ(records_of("a"), 0u);
  EXPECT_EQ(leases->runtime.keys(), std::vector<std::string>{"b"});
}

TEST_F(RuntimeTest, NoTimerOfAnEarlierTermFires) {
  lead(*leases, 1);
  EXPECT_EQ(take("a"), ErrorCode::none);
  pass(seconds(9));
  resign(*leases);
  pass(seconds(30));
  EXPECT_EQ(journal.appends, 1u);
  lead(*leases, 3);
  pass(seconds(9));
  EXPECT_EQ(journal.appends, 1u) << "it begins anew with the term";
  pass(seconds(2));
  EXPECT_EQ(journal.appends, 2u);
  EXPECT_FALSE(leases->find("a")->until);
}

TEST_F(RuntimeTest, WhoWaitsIsSentAwayAtOnceAndMayComeBack) {
  lead(*leases, 1);
  EXPECT_EQ(take("a"), ErrorCode::none);
  const auto waiting = begin_to_take("a");
  EXPECT_FALSE(waiting->has_value());
  resign(*leases);
  pass(milliseconds(1));
  EXPECT_EQ(*waiting, ErrorCode::not_coordinator);
  lead(*leases, 3);
  pass(milliseconds(10));
  const auto again = begin_to_take("a");
  EXPECT_FALSE(again->has_value()) << "the log knows that somebody has it";
  pass(seconds(11));
  EXPECT_EQ(*again, ErrorCode::none);
}

TEST_F(RuntimeTest, OtherPartitionsStay) {
  lead(*leases, 1);
  EXPECT_EQ(take("a"), ErrorCode::none);
  EXPECT_EQ(take("b"), ErrorCode::none);
  const LeasePtr stays = leases->find("b");
  world.on_loop([&] { leases->runtime.resign(home("a")); });
  EXPECT_EQ(take("a"), ErrorCode::not_coordinator);
  EXPECT_EQ(leases->find("b"), stays);
  EXPECT_FALSE(stays->is_gone());
}

TEST_F(RuntimeTest, ADrainFinishesWhatHadBegunAndBeginsNothing) {
  lead(*leases, 1);
  EXPECT_EQ(take("b"), ErrorCode::none);
  journal.held = true;
  const auto begun = begin_to_take("a");
  const auto waiting = begin_to_take("b");
  const auto drained = world.start(done(leases->runtime.drain()));
  pass(seconds(1));
  EXPECT_EQ(*waiting, ErrorCode::not_coordinator);
  EXPECT_FALSE(begun->has_value() || drained->has_value());
  EXPECT_EQ(take("c"), ErrorCode::not_coordinator);
  journal.held = false;
  pass(milliseconds(10));
  EXPECT_EQ(*begun, ErrorCode::none) << "nobody else leads yet: it is there, and is answered";
  EXPECT_TRUE(drained->has_value());
  lead(*leases, 2);
  EXPECT_EQ(take("a"), ErrorCode::not_coordinator);
}

TEST_F(RuntimeTest, AFenceOutlivesTerms) {
  lead(*leases, 1);
  EXPECT_EQ(take("a"), ErrorCode::none);
  fence_all();
  const auto meets_it = begin_to_take("b");
  resign(*leases);
  lead(*leases, 3);
  pass(seconds(5));
  EXPECT_FALSE(meets_it->has_value());
  EXPECT_EQ(journal.appends, 1u) << "no timer where nobody can give anything back";
  world.on_loop([&] { leases->runtime.unfence("move", false); });
  pass(milliseconds(10));
  EXPECT_EQ(*meets_it, ErrorCode::none) << "by the term that is here now";
  pass(seconds(9));
  EXPECT_TRUE(leases->find("a")->until) << "a whole time from the end of the fence on";
}

TEST_F(RuntimeTest, WhoHasWaitedAtAFenceForAPartitionThatLeftIsSentAway) {
  lead(*leases, 1);
  pass(milliseconds(10));
  fence_all();
  const auto meets_it = begin_to_take("a");
  resign(*leases);
  pass(seconds(1));
  world.on_loop([&] { leases->runtime.unfence("move", false); });
  pass(milliseconds(10));
  EXPECT_EQ(*meets_it, ErrorCode::not_coordinator);
}

TEST_F(RuntimeTest, AFenceWaitsForWhatWasAcceptedBefore) {
  lead(*leases, 1);
  journal.held = true;
  const auto begun = begin_to_take("a");
  const auto fenced = world.start(done(leases->runtime.fence({"a"}, "move")));
  pass(seconds(1));
  EXPECT_FALSE(fenced->has_value());
  journal.held = false;
  pass(milliseconds(10));
  EXPECT_TRUE(fenced->has_value() && begun->has_value());
}

TEST_F(RuntimeTest, WhatIsRemovedIsForgottenAndItsKeyBeginsAnew) {
  lead(*leases, 1);
  EXPECT_EQ(take("a"), ErrorCode::none);
  const LeasePtr before = leases->find("a");
  pass(hours(2));
  EXPECT_TRUE(before->is_gone());
  EXPECT_FALSE(before->term()->is_over());
  EXPECT_TRUE(leases->runtime.all().empty());
  EXPECT_EQ(take("a"), ErrorCode::none);
  EXPECT_NE(leases->find("a"), before);
}

}  // namespace
}  // namespace isthmus::broker
