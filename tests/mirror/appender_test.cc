// The Appender against a target that answers what the test says, over real TCP.
#include "mirror/appender.h"

#include "tests/client/fake_broker.h"

namespace isthmus::mirror {
namespace {

using kafka::ErrorCode;
using Request = kafka::MirrorAppendRequest;
using Response = kafka::MirrorAppendResponse;

class AppenderTest : public testing::Test {
 protected:
  AppenderTest() {
    fakes_.broker(1).on<Request>([this](const Request& request) { return answer_(request); });
  }

  AppendJob job(Offset at, size_t bytes = 10) const {
    AppendJob job;
    job.partition = {"orders", 0};
    job.action.kind = PumpAction::Kind::append;
    job.action.expected_offset = at;
    job.action.log_start = log_start_;
    job.action.batches = Slice::take(std::vector<uint8_t>(bytes, 'x'));
    return job;
  }
  // Every partition ends behind what it was asked to append.
  std::optional<Response> take(const Request& request) {
    Response response;
    for (const auto& topic : request.topics) {
      EXPECT_EQ(request.link, "l");
      EXPECT_EQ(request.link_epoch, 4);
      Offset at = topic.partitions.at(0).expected_offset;
      arrived_.push_back(at);
      response.topics.push_back({topic.topic_id, {{0, ErrorCode::none, std::nullopt, at + 1}}});
    }
    return response;
  }
  // Adds jobs at offsets 0, 1, ... and waits until all are answered, or the session is broken.
  static io::Task<void> run(AppenderTest* self, int jobs, size_t bytes) {
    client::Cluster target(self->fakes_.world.env(), self->fakes_.world.loop(),
                           self->fakes_.options());
    auto outcome = [self](const AppendOutcome& o) { self->outcomes_.push_back(o); };
    auto broken = [self](const Error& e) { self->broken_.push_back(e.text); };
    Appender appender(target, "l", 4, outcome, broken);
    for (int i = 0; i < jobs; ++i) {
      self->had_room_.push_back(appender.has_room());
      appender.add(self->job(i, bytes));
    }
    io::Instant until = self->fakes_.world.loop().now() + std::chrono::seconds(10);
    while (std::ssize(self->outcomes_) < jobs && self->broken_.empty() &&
           self->fakes_.world.loop().now() < until) {
      co_await io::sleep(self->fakes_.world.loop(), io::milliseconds(1));
    }
    self->requests_ = appender.requests();
    self->has_room_ = appender.has_room();
    co_await target.close();
    co_await appender.close();
  }
  void run(int jobs, size_t bytes = 10) { fakes_.run(run(this, jobs, bytes)); }

  client::FakeCluster fakes_{2};
  std::function<std::optional<Response>(const Request&)> answer_ = [this](const Request& request) {
    return take(request);
  };
  Offset log_start_ = -1;
  std::vector<Offset> arrived_;
  std::vector<AppendOutcome> outcomes_;
  std::vector<std::string> broken_;
  std::vector<bool> had_room_;
  uint64_t requests_ = 0;
  bool has_room_ = false;
};

TEST_F(AppenderTest, AppendsArriveInTheirOrderInFewRequests) {
  run(200);
  ASSERT_EQ(arrived_.size(), 200u);
  for (Offset i = 0; i < 200; ++i) {
    EXPECT_EQ(arrived_[i], i);
    EXPECT_EQ(outcomes_[i].end_offset, i + 1);
  }
  EXPECT_LT(requests_, 50u) << "what arrives while requests are under way goes into one";
}

TEST_F(AppenderTest, ALogStartArrivesWithItsAppend) {
  Offset arrived = 0;
  answer_ = [&](const Request& request) {
    arrived = request.topics.at(0).partitions.at(0).log_start;
    return take(request);
  };
  log_start_ = 700;
  run(1);
  EXPECT_EQ(arrived, 700);
}

TEST_F(AppenderTest, TheOutcomeNamesItsPartitionAndItsError) {
  answer_ = [](const Request& request) {
    Response response;
    for (const auto& topic : request.topics) {
      response.topics.push_back(
          {topic.topic_id, {{0, ErrorCode::fenced_leader_epoch, "another process", -1}}});
    }
    return response;
  };
  run(1);
  ASSERT_EQ(outcomes_.size(), 1u);
  EXPECT_EQ(outcomes_[0].partition, (TopicPartition{"orders", 0}));
  EXPECT_EQ(outcomes_[0].error, ErrorCode::fenced_leader_epoch);
  EXPECT_EQ(outcomes_[0].message, "another process");
  EXPECT_EQ(outcomes_[0].bytes, 10u);
  EXPECT_TRUE(broken_.empty()) << "one partition's error ends no session";
}

// Whether it was appended is unknown: only the target's log end can tell.
TEST_F(AppenderTest, ATargetThatRefusesAltogetherEndsTheSession) {
  answer_ = [](const Request&) {
    Response response;
    response.error_code = ErrorCode::fenced_leader_epoch;
    return response;
  };
  run(1);
  EXPECT_EQ(broken_.size(), 1u);
  EXPECT_TRUE(outcomes_.empty());
}

TEST_F(AppenderTest, AnAnswerThatDoesNotFitItsRequestEndsTheSession) {
  answer_ = [](const Request&) { return Response{}; };
  run(1);
  EXPECT_EQ(broken_.size(), 1u);
}

// What goes to two leaders, of which the second does what a test says.
class LeadersTest : public AppenderTest {
 protected:
  LeadersTest() {
    fakes_.broker(1).on<Request>([this](const Request& request) { return take(request); });
  }
  AppendJob job_for(NodeId leader, PartitionIndex partition, Offset at, size_t bytes = 10) const {
    AppendJob to = job(at, bytes);
    to.partition.partition = partition;
    to.leader = leader;
    return to;
  }
  using Steps = std::function<void(Appender&)>;
  // Runs `begin`, waits until so many are answered, and runs `end`.
  static io::Task<void> run_steps(LeadersTest* self, Steps begin, int answered, Steps end) {
    io::Loop& loop = self->fakes_.world.loop();
    client::Cluster target(self->fakes_.world.env(), loop, self->fakes_.options());
    auto outcome = [self](const AppendOutcome& o) { self->outcomes_.push_back(o); };
    auto broken = [self](const Error& e) { self->broken_.push_back(e.text); };
    Appender appender(target, "l", 4, outcome, broken);
    begin(appender);
    const io::Instant until = loop.now() + std::chrono::seconds(10);
    while (std::ssize(self->outcomes_) < answered && loop.now() < until) {
      co_await io::sleep(loop, io::milliseconds(1));
    }
    end(appender);
    co_await target.close();
    co_await appender.close();
  }
  void run_steps(Steps begin, int answered, Steps end = [](Appender&) {}) {
    fakes_.run(run_steps(this, std::move(begin), answered, std::move(end)));
    EXPECT_TRUE(broken_.empty()) << "no leader ends the session";
  }
};

TEST_F(LeadersTest, EachIsSentWhatItLeadsInOrder) {
  std::vector<Offset> at_second;
  fakes_.broker(2).on<Request>([&](const Request& request) {
    Response response;
    for (const auto& topic : request.topics) {
      at_second.push_back(topic.partitions.at(0).expected_offset);
      response.topics.push_back({topic.topic_id, {{1, ErrorCode::none, std::nullopt, 99}}});
    }
    return std::optional(response);
  });
  run_steps(
      [&](Appender& appender) {
        for (Offset i = 0; i < 50; ++i) {
          appender.add(job_for(1, 0, i));
          appender.add(job_for(2, 1, 100 + i));
        }
      },
      100);
  ASSERT_EQ(arrived_.size(), 50u);
  ASSERT_EQ(at_second.size(), 50u);
  for (Offset i = 0; i < 50; ++i) {
    EXPECT_EQ(arrived_[i], i);
    EXPECT_EQ(at_second[i], 100 + i);
  }
}

TEST_F(LeadersTest, OneThatDoesNotAnswerHoldsUpItsPartitionsOnly) {
  fakes_.broker(2).never<Request>();
  run_steps(
      [&](Appender& appender) {
        for (Offset i = 0; i < 6; ++i) appender.add(job_for(2, 1, i, 5u << 20));
        EXPECT_FALSE(appender.has_room(2));
        EXPECT_TRUE(appender.has_room(1)) << "a dead leader must not take all the memory";
        for (Offset i = 0; i < 20; ++i) appender.add(job_for(1, 0, i));
      },
      20, [](Appender& appender) { EXPECT_TRUE(appender.has_room()); });
  EXPECT_EQ(arrived_.size(), 20u);
}

TEST_F(LeadersTest, OneWhoseConnectionEndsIsTheOutcomeOfItsJobsAndOfNoOther) {
  run_steps(
      [&](Appender& appender) {
        appender.add(job_for(2, 1, 0));
        appender.add(job_for(1, 0, 0));
      },
      2);
  ASSERT_EQ(outcomes_.size(), 2u);
  for (const AppendOutcome& outcome : outcomes_) {
    const bool is_dead = outcome.partition.partition == 1;
    EXPECT_EQ(outcome.error, is_dead ? ErrorCode::network_exception : ErrorCode::none);
    EXPECT_EQ(outcome.trouble, is_dead ? MirrorTrouble::target_offline : MirrorTrouble::none);
    if (is_dead) EXPECT_TRUE(outcome.message.starts_with("broker 2, which leads it: "));
  }
}

TEST_F(LeadersTest, WhatWaitsForAPartitionThatHasMovedIsNotSent) {
  fakes_.broker(2).never<Request>();
  run_steps(
      [&](Appender& appender) {
        for (Offset i = 0; i < 6; ++i) appender.add(job_for(2, 1, i, 5u << 20));
        appender.drop({"orders", 1});  // but four that are under way
        EXPECT_TRUE(appender.has_room(2));
      },
      0);
}

TEST_F(AppenderTest, ItHoldsTheFetcherBackWhileTooMuchIsUnderWay) {
  run(7, 5u << 20);
  EXPECT_TRUE(had_room_.front());
  EXPECT_FALSE(had_room_.back()) << "a slow target must not fill the memory";
  EXPECT_TRUE(has_room_) << "there is room again once all is answered";
}

}  // namespace
}  // namespace isthmus::mirror
