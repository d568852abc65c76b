// The driver between a source and a target that answer what the test says.
#include "mirror/switchover/driver.h"

#include "kafka/gen/durable_ends.h"
#include "kafka/gen/fence.h"
#include "kafka/gen/finish_switchover.h"
#include "kafka/gen/hand_over.h"
#include "kafka/gen/promote.h"
#include "kafka/gen/step_down.h"
#include "kafka/gen/switchover_wish.h"
#include "tests/client/fake_broker.h"

namespace isthmus::mirror {
namespace {

Uuid uuid_of(uint8_t number) {
  Uuid id;
  id.bytes.fill(number);
  return id;
}

using Names = std::vector<std::string>;

class DriverTest : public testing::Test {
 protected:
  DriverTest() {
    for (NodeId id : {1, 2}) {
      fakes_.broker(id).on<kafka::MetadataRequest>([this, id](const auto&) {
        auto metadata = fakes_.metadata;
        std::erase_if(metadata.brokers, [id](const auto& broker) { return broker.node_id != id; });
        return metadata;
      });
    }
    at_target_.switchovers.push_back(
        {.link = "l", .switchover_id = uuid_of(7), .phase = Phase::wished});
    make("orders", 1);
    mirrored_ = {"orders"};
    auto& source = fakes_.broker(1);
    source.on<kafka::DescribeSiteRequest>([this](const auto&) { return at_source_; });
    source.on<kafka::FenceRequest>([this](const auto& request) { return fence(request); });
    source.on<kafka::HandOverRequest>([this](const auto& request) {
      if (request.as_recorded) return recorded_;
      handed_over_ = request;
      for (auto& topic : at_source_.topics) {
        topic.writer = kafka::WriterKind::handed_over;
        topic.closed_by = request.switchover_id;
      }
      return kafka::HandOverResponse{};
    });
    source.on<kafka::FinishSwitchoverRequest>([this](const auto& request) {
      finished_ = request;
      return kafka::FinishSwitchoverResponse{};
    });
    source.on<kafka::StepDownRequest>([this](const auto& request) {
      stepped_down_ = request;
      return kafka::StepDownResponse{};
    });
    auto& target = fakes_.broker(2);
    target.on<kafka::DescribeSiteRequest>([this](const auto&) {
      return stale_answers_ > 0 && --stale_answers_ >= 0 ? stale_ : at_target_;
    });
    target.on<kafka::DurableEndsRequest>([this](const auto& request) { return ends(request); });
    target.on<kafka::PromoteRequest>([this](const auto& request) {
      promoted_ = request;
      if (promotion_.error_code == kafka::ErrorCode::none) {
        at_target_.switchovers[0].phase = Phase::promoted;
      }
      return promotion_;
    });
    target.on<kafka::SwitchoverWishRequest>([this](const auto& request) {
      given_up_ = request.abandon;
      reason_ = request.reason;
      return kafka::SwitchoverWishResponse{};
    });
  }

  void make(const std::string& name, uint8_t id) {
    auto& topic = at_source_.topics.emplace_back();
    topic.name = name;
    topic.topic_id = uuid_of(id);
    topic.partitions.push_back({.end_offset = 5});
    topic.partitions.back().high_watermark = 5;
  }
  kafka::FenceResponse fence(const kafka::FenceRequest& request) {
    fenced_.push_back(request.topics);
    if (on_fence_) on_fence_();
    kafka::FenceResponse response;
    if (request.lift) return response;
    for (const auto& topic : at_source_.topics) {
      if (std::ranges::find(request.topics, topic.name) == request.topics.end()) {
        response.others.push_back(topic.name);
        continue;
      }
      auto& fenced = response.topics.emplace_back();
      fenced.name = topic.name;
      fenced.topic_id = topic.topic_id;
      fenced.partitions.push_back({0, 5});
    }
    return response;
  }
  kafka::DurableEndsResponse ends(const kafka::DurableEndsRequest& request) {
    ++asked_for_ends_;
    kafka::DurableEndsResponse response;
    for (const Uuid& id : request.topic_ids) {
      auto& topic = response.topics.emplace_back();
      topic.topic_id = id;
      topic.link = "l";
      topic.partitions.push_back({0, 5, asked_for_ends_ < durable_after_ ? 4 : 5, ""});
    }
    return response;
  }

  static io::Task<Result<void>> found(DriverTest* self) {
    self->mirrored_.clear();
    for (const auto& topic : self->at_source_.topics) self->mirrored_.push_back(topic.name);
    co_return Result<void>{};
  }
  static io::Task<Result<void>> synced(DriverTest* self) {
    self->groups_cross_at_ = self->asked_for_ends_;
    co_return self->groups_;
  }
  static io::Task<Result<io::Mutex::Held>> prepared(DriverTest* self, io::Mutex* turn) {
    auto held = co_await turn->lock();
    if (self->on_prepared_) self->on_prepared_();
    co_return std::move(held);
  }
  static io::Task<void> step(DriverTest* self) {
    auto& world = self->fakes_.world;
    auto options = self->fakes_.options();
    auto of = [&](NodeId id) {
      auto only = options;
      only.bootstrap = {self->fakes_.broker(id).address};
      return only;
    };
    client::Cluster source(world.env(), world.loop(), of(1));
    client::Cluster target(world.env(), world.loop(), of(2));
    Driver::Hooks hooks;
    hooks.discover = [self] { return found(self); };
    io::Mutex turn(world.loop());
    hooks.prepare_groups = [self, &turn] { return prepared(self, &turn); };
    hooks.sync_groups = [self](Standstill standstill) {
      self->standstill_ = std::move(standstill);
      return synced(self);
    };
    hooks.takes_topic = [self](const std::string& topic) {
      return std::ranges::find(self->mirrored_, topic) != self->mirrored_.end();
    };
    hooks.selects_topic = [](const std::string&) { return true; };
    hooks.first_stuck = [] { return std::optional<std::string>(); };
    Driver driver(source, target, "l", "back", std::chrono::seconds(5), hooks, 4);
    self->outcome_ = co_await driver.look_and_step();
    co_await source.close();
    co_await target.close();
  }
  void run() { fakes_.run(step(this)); }

  client::FakeCluster fakes_{2};
  kafka::DescribeSiteResponse at_source_, at_target_;
  Names mirrored_;
  std::vector<Names> fenced_;
  std::function<void()> on_fence_, on_prepared_;
  Result<void> groups_ = {};
  int asked_for_ends_ = 0;
  int durable_after_ = 0;
  int groups_cross_at_ = -1;  // of asked_for_ends_
  std::optional<kafka::HandOverRequest> handed_over_;
  std::optional<kafka::PromoteRequest> promoted_;
  kafka::PromoteResponse promotion_;
  kafka::HandOverResponse recorded_;
  std::optional<kafka::FinishSwitchoverRequest> finished_;
  std::optional<kafka::StepDownRequest> stepped_down_;
  kafka::DescribeSiteResponse stale_;  // what a broker of the target answers that lags behind
  int stale_answers_ = 0;
  Standstill standstill_;
  bool given_up_ = false;
  std::string reason_;
  Result<void> outcome_ = fail("it did not end");
};

TEST_F(DriverTest, HandsOverWhatIsDurableAtTheTarget) {
  durable_after_ = 3;
  run();
  EXPECT_TRUE(outcome_) << outcome_.error().text;
  EXPECT_EQ(asked_for_ends_, 3) << "a crash of the target could take what was handed over";
  ASSERT_TRUE(handed_over_ && promoted_);
  EXPECT_EQ(handed_over_->topics.at(0).partitions.at(0).end_offset, 5);
  EXPECT_EQ(promoted_->topics->at(0).partitions->at(0).end_offset, 5);
  EXPECT_EQ(promoted_->link_epoch, 4) << "its successor may have brought other groups";
}

// Over a long line each question is a time in which clients stand still.
TEST_F(DriverTest, WhileClientsStandStillNothingIsAskedTwiceNorOneAfterTheOther) {
  durable_after_ = 3;
  const auto asked = [this] { return fakes_.broker(1).asked[kafka::ApiKey::describe_site]; };
  int at_the_fence = -1;
  on_fence_ = [&] { at_the_fence = asked(); };
  run();
  EXPECT_TRUE(outcome_) << outcome_.error().text;
  EXPECT_EQ(asked(), at_the_fence) << "the source has told where it ends";
  EXPECT_LT(groups_cross_at_, 3) << "groups do not wait for the records";
}

// It takes a round trip, and many more where there are many groups.
TEST_F(DriverTest, WhatIsNoLongerWishedAfterTheRoundOfGroupsIsNotFenced) {
  on_prepared_ = [this] { at_target_.switchovers[0].phase = Phase::abandoned; };
  run();
  EXPECT_TRUE(outcome_) << outcome_.error().text;
  EXPECT_TRUE(fenced_.empty()) << "clients stand still for nothing";
  EXPECT_FALSE(given_up_);
}

TEST_F(DriverTest, AMoveWhoseGroupsDoNotCrossDoesNotWaitForTheRecords) {
  durable_after_ = 1'000'000;
  groups_ = fail("groups: g do not cross: no");
  run();
  ASSERT_FALSE(outcome_);
  EXPECT_EQ(outcome_.error().text, "groups: g do not cross: no");
  EXPECT_LT(asked_for_ends_, 10) << "until the fence ends";
  EXPECT_TRUE(given_up_);
}

// Made between the look and the fence. Behind the fence nobody makes topics.
TEST_F(DriverTest, ATopicThatIsMadeMeanwhileIsFencedToo) {
  on_fence_ = [this] {
    if (fenced_.size() == 1) make("new", 2);
  };
  run();
  EXPECT_TRUE(outcome_) << outcome_.error().text;
  EXPECT_EQ(fenced_, (std::vector<Names>{{"orders"}, {"orders", "new"}}));
  ASSERT_TRUE(handed_over_);
  EXPECT_EQ(handed_over_->topics.size(), 2u);
}

// This one has fenced nothing, and knows nothing of the ends; its groups were read at another time.
TEST_F(DriverTest, WhatAnotherDriverHasHandedOverIsPromotedAsTheSourceHasWrittenItDown) {
  fakes_.broker(1).on<kafka::FenceRequest>([this](const auto& request) {
    for (auto& topic : at_source_.topics) {
      topic.writer = kafka::WriterKind::handed_over;
      topic.closed_by = request.switchover_id;
    }
    at_source_.switchovers = {
        {.link = "l", .switchover_id = request.switchover_id, .phase = Phase::handed_over}};
    recorded_.topics = {{uuid_of(1), {4}}};
    recorded_.groups = {"g"};
    kafka::FenceResponse refused;
    refused.error_code = kafka::ErrorCode::invalid_request;
    return refused;
  });
  run();
  EXPECT_TRUE(outcome_) << outcome_.error().text;
  EXPECT_FALSE(handed_over_ || given_up_);
  ASSERT_TRUE(promoted_);
  ASSERT_EQ(promoted_->topics->size(), 1u) << "nobody would lead it";
  EXPECT_EQ(promoted_->topics->at(0).partitions->at(0).end_offset, 4);
  EXPECT_TRUE(standstill_.handed_over) << "the round of another fence counts";
  EXPECT_EQ(standstill_.groups, (std::set<std::string>{"g"}));
}

TEST_F(DriverTest, TheHandOverNamesTheFencesThatTheGroupsWereReadUnder) {
  fakes_.broker(1).on<kafka::FenceRequest>([this](const auto& request) {
    auto response = fence(request);
    if (request.lift) return response;
    response.topics.at(0).partitions.at(0).leader_epoch = 3;
    response.topics.at(0).partitions.at(0).number = 17;
    response.brokers = {{1, 18, {{0, 4}, {1, 5}}, {"g"}}};
    return response;
  });
  run();
  EXPECT_TRUE(outcome_) << outcome_.error().text;
  EXPECT_TRUE(standstill_.is_told);
  EXPECT_TRUE(standstill_.holds(1, {5, 18}));
  EXPECT_FALSE(standstill_.holds(1, {5, 19})) << "it began again";
  EXPECT_FALSE(standstill_.holds(1, {6, 18})) << "of another coordinator";
  ASSERT_TRUE(handed_over_);
  EXPECT_EQ(handed_over_->topics.at(0).partitions.at(0).number, 17);
  EXPECT_EQ(handed_over_->topics.at(0).partitions.at(0).leader_epoch, 3);
  EXPECT_EQ(handed_over_->brokers.at(0).number, 18);
  EXPECT_EQ(handed_over_->brokers.at(0).coordinated.size(), 2u);
}

TEST_F(DriverTest, ATopicThatWouldStayBehindStopsTheMove) {
  on_fence_ = [this] {
    if (fenced_.size() <= 2) make("new" + std::to_string(fenced_.size()), 2);
  };
  run();
  EXPECT_FALSE(outcome_);
  EXPECT_FALSE(handed_over_ || promoted_);
  EXPECT_TRUE(given_up_);
  EXPECT_EQ(reason_, outcome_.error().text) << "the command has nothing else to say";
}

TEST_F(DriverTest, APromotionThatIsRefusedIsToldWithTheReasonAndNotGivenUp) {
  promotion_.error_code = kafka::ErrorCode::invalid_request;
  promotion_.error_message = "orders-0: offline";
  run();
  ASSERT_FALSE(outcome_);
  EXPECT_NE(outcome_.error().text.find("orders-0: offline"), std::string::npos);
  EXPECT_NE(outcome_.error().text.find("take-back"), std::string::npos);
  EXPECT_FALSE(given_up_) << "what was handed over goes forward";
}

// The one that is asked may lag behind, and does not know for whom it is.
TEST_F(DriverTest, NobodyIsAskedToPromoteBeforeTheSourceNamesHim) {
  at_source_.switchovers = {
      {.link = "l", .switchover_id = uuid_of(7), .phase = Phase::handed_over}};
  recorded_.topics = {{uuid_of(1), {4}}};
  on_prepared_ = [this] { at_source_.switchovers.clear(); };
  run();
  EXPECT_FALSE(outcome_);
  EXPECT_FALSE(promoted_);
}

// Any broker of the target may be the one that is asked next.
TEST_F(DriverTest, TheEndNamesTheRoutesThatThePromotionHasMade) {
  fakes_.broker(2).on<kafka::PromoteRequest>([this](const auto&) {
    stale_ = at_target_;
    stale_answers_ = 2;
    at_target_.switchovers[0].phase = Phase::promoted;
    at_target_.switchovers[0].route_version = 9;
    return kafka::PromoteResponse{};
  });
  run();
  EXPECT_TRUE(outcome_) << outcome_.error().text;
  ASSERT_TRUE(finished_);
  EXPECT_EQ(finished_->route_version, 9);
  EXPECT_TRUE(finished_->promoted);
}

TEST_F(DriverTest, TheSourceIsNotToldOfAnEndBeforeAnybodyTellsOfThePromotion) {
  fakes_.broker(2).on<kafka::PromoteRequest>([this](const auto&) {
    stale_ = at_target_;
    stale_answers_ = 1'000'000;
    return kafka::PromoteResponse{};
  });
  run();
  EXPECT_FALSE(outcome_);
  EXPECT_FALSE(finished_);
}

// To it nothing is written at the target yet, and the source would close nothing.
TEST_F(DriverTest, ASourceThatStepsDownIsToldOfAllThatWasPromoted) {
  at_target_.switchovers[0].phase = Phase::promoted;
  at_target_.switchovers[0].failover = true;
  auto& topic = at_target_.topics.emplace_back();
  topic.name = "orders";
  topic.topic_id = uuid_of(1);
  int asked = 0;
  fakes_.broker(2).on<kafka::DescribeSiteRequest>([&](const auto&) {
    auto answer = at_target_;
    if (++asked == 2) {
      answer.switchovers[0].phase = Phase::wished;
      answer.topics[0].writer = kafka::WriterKind::link;
    }
    return answer;
  });
  run();
  EXPECT_TRUE(outcome_) << outcome_.error().text;
  ASSERT_TRUE(stepped_down_);
  EXPECT_EQ(stepped_down_->topics, (std::vector<Uuid>{uuid_of(1)}));
}

}  // namespace
}  // namespace isthmus::mirror
