// How brokers of a cluster ask one another: over the simulated network, with deaths and restarts.
#include "broker/colleagues/colleagues.h"

#include "tests/broker/replication/cluster_world.h"

namespace isthmus::broker {
namespace {

using std::chrono::seconds;

class ColleaguesTest : public ClusterWorld {
 protected:
  void SetUp() override {
    create("orders", 3);
    start_all();
    auto& dialer = processes[a]->make<Dialer>(processes[a]->env(), Dialer::Options{});
    colleagues_ = &processes[a]->make<Colleagues>(processes[a]->env(), a, dialer);
    follow();
  }
  void follow() { colleagues_->follow(members[a]->image.load()); }

  using Answer = Result<kafka::EpochHistoryResponse>;
  Started<Answer> begin(NodeId of, io::Duration patience = seconds(5)) {
    kafka::EpochHistoryRequest request;
    request.topics = {"orders"};
    return start_in(*processes[a],
                    colleagues_->ask(of, std::move(request), world.now() + patience));
  }
  Answer ask_history(NodeId of, io::Duration patience = seconds(5)) {
    auto answer = begin(of, patience);
    EXPECT_TRUE(eventually([&] { return answer->has_value(); }));
    return **answer;
  }
  // The partition that this broker leads, as it says itself.
  static PartitionIndex led(const Answer& answer) {
    if (!answer || answer->topics.empty() || answer->topics[0].partitions.empty()) return -1;
    return answer->topics[0].partitions[0].index;
  }

  Colleagues* colleagues_ = nullptr;
};

TEST_F(ColleaguesTest, EachIsAskedWhereItIs) {
  EXPECT_EQ(led(ask_history(b)), 1);
  EXPECT_EQ(led(ask_history(c)), 2);
}

TEST_F(ColleaguesTest, WhatIsAskedAtOnceIsAnsweredSideBySideUpToALimit) {
  std::vector<Started<Answer>> answers;
  for (size_t i = 0; i <= Colleagues::most_asked; ++i) answers.push_back(begin(b));
  ASSERT_TRUE(answers.back()->has_value()) << "it waits";
  ASSERT_FALSE(**answers.back());
  EXPECT_EQ((**answers.back()).error().text, "broker 2: too much is asked of it already");
  answers.pop_back();
  for (const auto& answer : answers) {
    ASSERT_TRUE(eventually([&] { return answer->has_value(); }));
    EXPECT_EQ(led(**answer), 1);
  }
}

TEST_F(ColleaguesTest, WhoIsNotInTheClusterIsNotAsked) {
  const Answer answer = ask_history(9);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().text, "broker 9: no such broker in this cluster");
}

TEST_F(ColleaguesTest, OneThatHasDiedIsNamedAndTheOthersAnswer) {
  ASSERT_EQ(led(ask_history(b)), 1);
  hosts[b]->crash();
  members.erase(b);
  const Answer answer = ask_history(b, seconds(2));
  ASSERT_FALSE(answer);
  EXPECT_TRUE(answer.error().text.starts_with("broker 2: ")) << answer.error().text;
  EXPECT_EQ(led(ask_history(c)), 2);
}

TEST_F(ColleaguesTest, OneThatHasStartedAnewIsDialledAnew) {
  ASSERT_EQ(led(ask_history(b)), 1);
  dies(b);
  comes_back(b);
  ASSERT_TRUE(eventually([&] { return members[a]->image.load()->starts_of(b) == 2; }));
  follow();
  EXPECT_TRUE(ask_history(b));
}

TEST_F(ColleaguesTest, ClosingEndsWhatWaitsAndNobodyAsksAnyMore) {
  ASSERT_EQ(led(ask_history(b)), 1);
  hosts[b]->crash();
  members.erase(b);
  auto waits = begin(b, seconds(60));
  world.run_for(seconds(1));
  EXPECT_FALSE(waits->has_value());
  processes[a]->spawn("close", colleagues_->close());
  ASSERT_TRUE(eventually([&] { return waits->has_value(); }, seconds(4)));
  EXPECT_FALSE(**waits);
  const Answer later = ask_history(c);
  ASSERT_FALSE(later);
  EXPECT_EQ(later.error().text, "broker 3: this broker stops");
}

}  // namespace
}  // namespace isthmus::broker
