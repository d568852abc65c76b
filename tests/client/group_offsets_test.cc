// GroupOffsets against brokers of several ages: few round trips, and never "nothing" for "unknown".
#include "client/group_offsets.h"

#include "kafka/gen/offset_fetch.h"
#include "tests/client/fake_broker.h"

namespace isthmus::client {
namespace {

using kafka::ErrorCode;
using Find = kafka::FindCoordinatorRequest;
using Fetch = kafka::OffsetFetchRequest;

class GroupOffsetsTest : public testing::Test {
 protected:
  GroupOffsetsTest() {
    for (NodeId node : {1, 2}) {
      auto& broker = fakes_.broker(node);
      broker.on<Find>([this](const Find& request) { return find(request); });
      broker.on<Fetch>([this, node](const Fetch& request) { return answer(node, request); });
    }
  }

  // Groups of even numbers live at broker 2.
  static NodeId home_of(const std::string& group) { return group.back() % 2 == 0 ? 2 : 1; }
  static std::set<std::string> many(size_t count) {
    std::set<std::string> groups;
    for (size_t i = 0; i < count; ++i) groups.insert("g" + std::to_string(i));
    return groups;
  }
  void speaks(int16_t find_version, int16_t fetch_version) {
    for (NodeId node : {1, 2}) {
      fakes_.broker(node).apis = [=](const auto& api) -> std::optional<server::VersionRange> {
        if (api.key == kafka::ApiKey::find_coordinator) {
          return server::VersionRange{api.min_version, find_version};
        }
        if (api.key == kafka::ApiKey::offset_fetch) {
          return server::VersionRange{api.min_version, fetch_version};
        }
        return server::public_apis(api);
      };
    }
  }
  int asked(kafka::ApiKey key) { return fakes_.broker(1).asked[key] + fakes_.broker(2).asked[key]; }

  kafka::FindCoordinatorResponse find(const Find& request) {
    kafka::FindCoordinatorResponse response;
    response.node_id = home_of(request.key.empty() ? "0" : request.key);
    response.host = fakes_.broker(response.node_id).address.host;
    response.port = fakes_.broker(response.node_id).address.port;
    for (const auto& key : request.coordinator_keys) {
      const auto& at = fakes_.broker(home_of(key)).address;
      response.coordinators.push_back(
          {key, home_of(key), at.host, at.port, ErrorCode::none, std::nullopt});
    }
    return response;
  }
  // Every group stands at 7 in orders-0, but for those that errors_ speaks of.
  std::optional<kafka::OffsetFetchResponse> answer(NodeId node, const Fetch& request) {
    kafka::OffsetFetchResponse response;
    if (request.groups.empty()) {
      response.error_code = error_of(node, request.group_id);
      response.topics = {{"orders", {{0, 7, -1, "", ErrorCode::none}}}};
    }
    for (const auto& asked : request.groups) {
      auto& g = response.groups.emplace_back();
      g.group_id = asked.group_id;
      g.error_code = error_of(node, asked.group_id);
      if (g.error_code != ErrorCode::none) continue;
      const auto error =
          in_partition_.contains(g.group_id) ? ErrorCode::unstable_offset_commit : ErrorCode::none;
      g.topics = {{"orders", {{0, 7, -1, "", error}, {1, 8, -1, "", ErrorCode::none}}}};
    }
    return response;
  }
  ErrorCode error_of(NodeId node, const std::string& group) {
    if (auto known = errors_.find(group); known != errors_.end()) return known->second;
    return node == home_of(group) ? ErrorCode::none : ErrorCode::not_coordinator;
  }

  static io::Task<void> read_all(GroupOffsetsTest* self, std::set<std::string> groups, int times) {
    Cluster cluster(self->fakes_.world.env(), self->fakes_.world.loop(), self->fakes_.options());
    auto refreshed = co_await cluster.refresh(io::soon(5000));
    EXPECT_TRUE(refreshed.has_value());
    GroupOffsets reader(cluster, std::chrono::seconds(5));
    for (int i = 0; i < times; ++i) self->found_ = co_await reader.read(groups);
    co_await cluster.close();
  }
  void read(std::set<std::string> groups, int times = 1) {
    fakes_.run(read_all(this, std::move(groups), times));
  }
  size_t with_offsets() const {
    return static_cast<size_t>(std::ranges::count_if(
        found_, [](const auto& g) { return g.second && !g.second->empty(); }));
  }

  FakeCluster fakes_{2};
  std::map<std::string, ErrorCode> errors_;
  std::set<std::string> in_partition_;
  GroupOffsets::ByGroup found_;
};

TEST_F(GroupOffsetsTest, AHundredGroupsShareARequestToTheirCoordinator) {
  read(many(400));
  EXPECT_EQ(with_offsets(), 400u);
  EXPECT_EQ(asked(kafka::ApiKey::find_coordinator), 4);
  EXPECT_EQ(asked(kafka::ApiKey::offset_fetch), 4);
  EXPECT_EQ(fakes_.broker(1).asked[kafka::ApiKey::offset_fetch], 2);
}

TEST_F(GroupOffsetsTest, ToAnOlderBrokerManyRequestsAreUnderWayAtOnce) {
  speaks(3, 7);
  for (NodeId node : {1, 2}) fakes_.broker(node).delay = io::milliseconds(500);
  read(many(100));
  EXPECT_EQ(with_offsets(), 100u);
  EXPECT_EQ(asked(kafka::ApiKey::offset_fetch), 100);
  EXPECT_GE(fakes_.broker(1).most_under_way, 30) << "a round trip for each would take seconds";
}

TEST_F(GroupOffsetsTest, CoordinatorsAreRememberedBetweenReads) {
  read({"g1", "g2"}, 5);
  EXPECT_EQ(asked(kafka::ApiKey::find_coordinator), 1);
  EXPECT_EQ(asked(kafka::ApiKey::offset_fetch), 10);
}

TEST_F(GroupOffsetsTest, ACoordinatorThatMovedIsLookedForOnceMore) {
  errors_["g1"] = ErrorCode::not_coordinator;
  read({"g1", "g2"});
  EXPECT_EQ(asked(kafka::ApiKey::find_coordinator), 2);
  EXPECT_EQ(asked(kafka::ApiKey::offset_fetch), 3);
  EXPECT_FALSE(found_.at("g1"));
  EXPECT_TRUE(found_.at("g2"));
}

TEST_F(GroupOffsetsTest, WhatCouldNotBeReadIsAnErrorAndNeverNothing) {
  errors_["loading"] = ErrorCode::coordinator_load_in_progress;
  errors_["secret"] = ErrorCode::group_authorization_failed;
  errors_["no more"] = ErrorCode::group_id_not_found;
  in_partition_ = {"half"};
  read({"loading", "secret", "no more", "half", "whole"});
  EXPECT_FALSE(found_.at("loading"));
  EXPECT_FALSE(found_.at("secret"));
  EXPECT_FALSE(found_.at("half")) << "its other partition alone would say that this one is gone";
  ASSERT_TRUE(found_.at("no more"));
  EXPECT_TRUE(found_.at("no more")->empty());
  EXPECT_EQ(found_.at("whole")->size(), 2u);
}

TEST_F(GroupOffsetsTest, AnAnswerThatLeavesAGroupOutIsAnErrorOfThatGroup) {
  fakes_.broker(1).always<Fetch>();
  read({"g1", "g2"});
  EXPECT_FALSE(found_.at("g1"));
  EXPECT_TRUE(found_.at("g2"));
}

}  // namespace
}  // namespace isthmus::client
