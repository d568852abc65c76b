// OffsetSync between a source and a target that answer what the test says: few round trips, and
// nothing is taken for gone that was not found gone.
#include "mirror/offset_sync.h"

#include "kafka/gen/describe_site.h"
#include "kafka/gen/list_groups.h"
#include "kafka/gen/offset_fetch.h"
#include "kafka/gen/read_members.h"
#include "tests/client/fake_broker.h"

namespace isthmus::mirror {
namespace {

using kafka::ErrorCode;
using Sent = kafka::MirrorOffsetsRequest;
using Offsets = std::map<TopicPartition, Offset>;

const TopicPartition orders{"orders", 0};
const TopicPartition pay{"pay", 0};
const Uuid switchover{{7}};

// One broker is both ends: what a source is asked and what a target is asked are different APIs.
class OffsetSyncTest : public testing::Test {
 protected:
  struct Round {
    std::function<void()> before = [] {};
    bool last = false;
    OffsetSync::Topics topics = {"orders", "pay"};
    std::function<void()> prepared = [] {};  // of a last one
  };

  OffsetSyncTest() {
    fakes_.lead("orders", 0, 1, 1);
    fakes_.lead("pay", 0, 1, 1);
    auto& broker = fakes_.broker(1);
    broker.on<kafka::FindCoordinatorRequest>([this](const auto& request) {
      kafka::FindCoordinatorResponse response;
      const auto& at = fakes_.broker(1).address;
      for (const auto& key : request.coordinator_keys) {
        response.coordinators.push_back({key, 1, at.host, at.port, ErrorCode::none, std::nullopt});
      }
      return response;
    });
    broker.on<kafka::ListGroupsRequest>([this](const auto&) {
      kafka::ListGroupsResponse response;
      for (const auto& [group, offsets] : groups_) response.groups.emplace_back().group_id = group;
      return response;
    });
    broker.on<kafka::OffsetFetchRequest>([this](const auto& request) { return fetch(request); });
    broker.on<kafka::DescribeSiteRequest>([this](const auto&) { return site_; });
    broker.on<kafka::ReadMembersRequest>([this](const auto& request) { return members(request); });
    broker.on<Sent>([this](const Sent& request) { return take(request); });
  }

  kafka::OffsetFetchResponse fetch(const kafka::OffsetFetchRequest& request) {
    order_ += "fetch ";
    kafka::OffsetFetchResponse response;
    for (const auto& asked : request.groups) {
      auto& g = response.groups.emplace_back();
      g.group_id = asked.group_id;
      if (unreadable_.contains(asked.group_id)) {
        g.error_code = ErrorCode::coordinator_load_in_progress;
      } else if (auto found = groups_.find(asked.group_id); found != groups_.end()) {
        for (const auto& [at, offset] : found->second) {
          g.topics.push_back({at.topic, {{at.partition, offset, -1, note_, ErrorCode::none}}});
        }
      }
    }
    if (on_fetch_) on_fetch_();
    return response;
  }
  kafka::ReadMembersResponse members(const kafka::ReadMembersRequest& request) {
    EXPECT_EQ(request.switchover_id, switchover);
    kafka::ReadMembersResponse response;
    for (const std::string& group : request.groups) {
      if (silent_.contains(group)) continue;
      const auto code = unfenced_.contains(group) ? ErrorCode::invalid_request : ErrorCode::none;
      auto& told = response.groups.emplace_back();
      told.group_id = group;
      told.error_code = code;
      told.membership = Slice::copy_of("members of " + group);
      told.index = 3;
      told.leader_epoch = 5;
      told.number = fence_of_.contains(group) ? fence_of_[group] : 17;
      for (const auto& [at, offset] : groups_[group]) {
        told.offsets.push_back({at.topic, at.partition, offset, note_});
      }
    }
    return response;
  }
  kafka::MirrorOffsetsResponse take(const Sent& request) {
    order_ += "send ";
    EXPECT_EQ(request.link_epoch, 4);
    kafka::MirrorOffsetsResponse response;
    sent_.push_back(request);
    for (const auto& group : request.groups) {
      auto& result = response.groups.emplace_back();
      result.group_id = group.group_id;
      result.held = held_.contains(group.group_id) && !group.offsets.empty();
      // What the target has in topics that the request does not speak of stays.
      result.empty = group.offsets.empty() && (!group.complete || !request.topics.empty());
      if (refused_.contains(group.group_id)) {
        result.error_code = ErrorCode::coordinator_load_in_progress;
      }
    }
    return response;
  }

  static io::Task<Result<void>> last(OffsetSyncTest* self, OffsetSync* sync, const Round& round) {
    auto turn = co_await sync->prepare_last_round(round.topics);
    if (!turn) co_return fail(turn.error());
    round.prepared();
    self->sent_.clear();
    auto outcome = co_await sync->last_round(round.topics, self->standstill_);
    co_return outcome;
  }
  static io::Task<void> one(OffsetSyncTest* self, OffsetSync* sync, Round round) {
    round.before();
    self->sent_.clear();
    auto asked = round.last ? last(self, sync, round) : sync->round(round.topics);
    auto outcome = co_await asked;
    self->errors_.push_back(outcome ? "" : outcome.error().text);
    self->sent_by_round_.push_back(self->sent_);
    self->held_count_ = sync->held();
    self->group_count_ = sync->groups();
  }
  static io::Task<void> all(OffsetSyncTest* self, std::vector<Round> rounds, bool at_once) {
    auto& world = self->fakes_.world;
    client::Cluster source(world.env(), world.loop(), self->fakes_.options());
    client::Cluster target(world.env(), world.loop(), self->fakes_.options());
    for (const char* topic : {"orders", "pay"}) source.add_interest(topic);
    OffsetSync sync(source, target, "l", 4, *kafka::Selector::parse({".*"}, {"excluded"}),
                    std::chrono::seconds(5), Logger(LogComponent::mirror));
    io::Gate gate(world.loop());
    for (auto& round : rounds) {
      auto task = one(self, &sync, std::move(round));
      if (at_once) {
        gate.spawn("round", std::move(task));
      } else {
        co_await task;
      }
    }
    co_await gate.close();
    co_await source.close();
    co_await target.close();
  }
  void run(std::vector<Round> rounds, bool at_once = false) {
    fakes_.run(all(this, std::move(rounds), at_once));
  }

  // What a round said of a group; nothing if it did not.
  const Sent::MirrorGroup* said(size_t round, const std::string& group) const {
    for (const auto& request : sent_by_round_.at(round)) {
      for (const auto& g : request.groups) {
        if (g.group_id == group) return &g;
      }
    }
    return nullptr;
  }
  std::vector<std::string> topics_in(size_t round) const {
    return sent_by_round_.at(round).at(0).topics;
  }

  client::FakeCluster fakes_{1};
  std::map<std::string, Offsets> groups_;  // at the source
  std::string note_;                       // the metadata of every offset
  std::set<std::string> unreadable_, refused_, held_;
  std::set<std::string> unfenced_, silent_;  // of whose members nothing can be learnt
  Standstill standstill_{.switchover = switchover};
  std::map<std::string, int64_t> fence_of_;  // its number, where it is another one
  std::function<void()> on_fetch_;
  kafka::DescribeSiteResponse site_;  // the target
  std::string order_;
  std::vector<Sent> sent_;
  std::vector<std::vector<Sent>> sent_by_round_;
  std::vector<std::string> errors_;
  size_t held_count_ = 0, group_count_ = 0;
};

TEST_F(OffsetSyncTest, ManyGroupsTakeFewRoundTrips) {
  auto& broker = fakes_.broker(1);
  broker.delay = io::milliseconds(20);
  for (int i = 0; i < 500; ++i) groups_["g" + std::to_string(i)] = {{orders, i}};
  run({{.last = true}});
  EXPECT_EQ(errors_[0], "");
  EXPECT_EQ(group_count_, 500u);
  EXPECT_EQ(broker.asked[kafka::ApiKey::offset_fetch], 2 * 5);
  EXPECT_EQ(broker.asked[kafka::ApiKey::mirror_offsets], 2 * 25);
  EXPECT_GE(broker.most_under_way, 10) << "one after the other they would not fit into a fence";
}

TEST_F(OffsetSyncTest, TheLastRoundNamesAGroupThatCouldNotBeReadAndAnOrdinaryOneGoesOn) {
  groups_ = {{"bad", {{orders, 1}}}, {"good", {{orders, 2}}}};
  unreadable_ = {"bad"};
  run({{}, {.last = true}});
  EXPECT_EQ(errors_[0], "");
  EXPECT_NE(said(0, "good"), nullptr);
  EXPECT_NE(errors_[1].find("bad"), std::string::npos) << errors_[1];
  EXPECT_EQ(errors_[1].find("good"), std::string::npos) << errors_[1];
}

// What a coordinator says that was replaced, or has been open in between, is of another time.
TEST_F(OffsetSyncTest, TheLastRoundTakesWhatStandsStillUnderThatFenceAndNothingElse) {
  groups_ = {{"good", {{orders, 2}}}, {"new", {{orders, 3}}}};
  standstill_.is_told = true;
  standstill_.groups = {"good", "new"};
  standstill_.fences = {{3, {5, 17}}};
  const auto moves = [this] { groups_["good"] = {{orders, 4}}; };
  run({{.last = true, .prepared = moves}, {[this] { fence_of_["new"] = 18; }, true}});
  EXPECT_EQ(errors_[0], "");
  ASSERT_NE(said(0, "good"), nullptr);
  ASSERT_EQ(said(0, "good")->offsets.size(), 1u);
  EXPECT_EQ(said(0, "good")->offsets[0].offset, 4);
  EXPECT_TRUE(said(0, "good")->membership);
  EXPECT_NE(errors_[1].find("new"), std::string::npos) << errors_[1];
  EXPECT_EQ(errors_[1].find("good"), std::string::npos) << errors_[1];
  EXPECT_EQ(fakes_.broker(1).asked[kafka::ApiKey::list_groups], 2) << "the fence has told them";
}

TEST_F(OffsetSyncTest, WhatIsHandedOverIsReadFromWhoHasReadTheRecord) {
  groups_ = {{"good", {{orders, 2}}}};
  standstill_.is_told = standstill_.handed_over = true;
  standstill_.groups = {"good"};
  run({{.last = true}, {[this] { fence_of_["good"] = 0; }, true}});
  EXPECT_NE(errors_[0], "") << "it has a fence, of whichever time";
  EXPECT_EQ(errors_[1], "");
}

TEST_F(OffsetSyncTest, TheLastRoundNamesAGroupThatTheTargetDidNotTake) {
  groups_ = {{"bad", {{orders, 1}}}, {"good", {{orders, 2}}}};
  refused_ = {"bad"};
  run({{}, {.last = true}, {[this] { refused_.clear(); }, true}});
  EXPECT_NE(errors_[1].find("bad"), std::string::npos) << errors_[1];
  EXPECT_FALSE(said(1, "good")->complete) << "it has crossed before";
  EXPECT_EQ(errors_[2], "");
  EXPECT_NE(said(2, "bad"), nullptr);
}

TEST_F(OffsetSyncTest, OnlyWhatHasChangedIsSentAgain) {
  groups_ = {{"a", {{orders, 1}}}, {"b", {{orders, 2}}}};
  run({{}, {[this] { groups_["a"][orders] = 5; }}, {}, {[this] { note_ = "new"; }}});
  EXPECT_TRUE(said(0, "a")->complete) << "the target may have more of an earlier session";
  EXPECT_EQ(topics_in(0), (std::vector<std::string>{"orders", "pay"}));
  EXPECT_EQ(said(1, "a")->offsets.at(0).offset, 5);
  EXPECT_FALSE(said(1, "a")->complete);
  EXPECT_TRUE(topics_in(1).empty());
  EXPECT_EQ(said(1, "b"), nullptr);
  EXPECT_TRUE(sent_by_round_[2].empty());
  EXPECT_NE(said(3, "b"), nullptr) << "the metadata of an offset are a part of it";
}

TEST_F(OffsetSyncTest, AGroupThatHasLostAnOffsetIsSentAsAWholeAndOneThatIsGoneIsSaidOnce) {
  groups_ = {{"less", {{orders, 1}, {pay, 5000}}}, {"gone", {{pay, 3}}}};
  auto lose = [this] {
    groups_["less"].erase(pay);
    groups_.erase("gone");
  };
  run({{}, {lose}, {}});
  EXPECT_TRUE(said(1, "less")->complete);
  EXPECT_EQ(said(1, "less")->offsets.size(), 1u);
  ASSERT_NE(said(1, "gone"), nullptr);
  EXPECT_TRUE(said(1, "gone")->complete);
  EXPECT_TRUE(said(1, "gone")->offsets.empty());
  EXPECT_TRUE(sent_by_round_[2].empty());
  EXPECT_EQ(group_count_, 1u);
}

TEST_F(OffsetSyncTest, WhatTheTargetHasOfAnEarlierSessionIsLookedForAtTheSource) {
  site_.groups = {
      {.name = "gone", .link = "l"}, {.name = "another's", .link = "m"}, {.name = "nobody's"}};
  run({{.topics = {}}, {}, {}});
  ASSERT_NE(said(1, "gone"), nullptr) << "also if topics were found only after the first round";
  EXPECT_TRUE(said(1, "gone")->complete);
  EXPECT_TRUE(said(1, "gone")->offsets.empty());
  EXPECT_EQ(said(1, "another's"), nullptr);
  EXPECT_EQ(said(1, "nobody's"), nullptr);
}

TEST_F(OffsetSyncTest, AGroupThatCannotBeReadIsNotTakenForGone) {
  groups_ = {{"g", {{orders, 1}}}};
  auto unlisted = [this] {
    unreadable_ = {"g"};
    groups_.clear();
  };
  run({{}, {unlisted}, {.last = true}});
  EXPECT_TRUE(sent_by_round_[1].empty());
  EXPECT_NE(errors_[2], "");
}

TEST_F(OffsetSyncTest, NothingIsSaidOfTopicsThatTheLinkDoesNotMirror) {
  groups_ = {{"g", {{orders, 1}, {pay, 2}}}};
  run({{}, {.topics = {"orders"}}});
  EXPECT_EQ(said(1, "g")->offsets.size(), 1u);
  EXPECT_EQ(topics_in(1), std::vector<std::string>{"orders"});
}

// Kafka deletes a topic's committed offsets with it; the target keeps topic and offsets.
TEST_F(OffsetSyncTest, NothingIsSaidOfATopicThatWasDeletedAtTheSource) {
  groups_ = {{"g", {{orders, 1}, {pay, 2}}}};
  auto drop = [this] {
    groups_["g"].erase(pay);
    on_fetch_ = [this] {
      fakes_.metadata.topics.back().error_code = ErrorCode::unknown_topic_or_partition;
    };
  };
  run({{}, {drop}});
  EXPECT_TRUE(said(1, "g")->complete);
  EXPECT_EQ(topics_in(1), std::vector<std::string>{"orders"});
}

// The source hides the offsets of a topic that it no longer shows us: they are not gone.
TEST_F(OffsetSyncTest, NothingIsSaidOfATopicThatIsNoLongerShown) {
  groups_ = {{"g", {{orders, 1}, {pay, 2}}}};
  auto hide = [this] {
    groups_["g"].erase(pay);
    on_fetch_ = [this] {
      fakes_.metadata.topics.back().error_code = ErrorCode::topic_authorization_failed;
    };
  };
  run({{}, {hide}});
  EXPECT_TRUE(said(1, "g")->complete);
  EXPECT_EQ(topics_in(1), std::vector<std::string>{"orders"});
}

TEST_F(OffsetSyncTest, ATargetThatDoesNotDescribeItselfIsNotTakenForOneWithoutGroups) {
  groups_ = {{"g", {{orders, 1}}}};
  site_.error_code = ErrorCode::cluster_authorization_failed;
  run({{}});
  EXPECT_NE(errors_[0].find("does not describe itself"), std::string::npos) << errors_[0];
  EXPECT_TRUE(sent_by_round_[0].empty());
}

TEST_F(OffsetSyncTest, AHeldGroupIsCountedAskedForAgainAndNoFailure) {
  groups_ = {{"g", {{orders, 1}}}};
  held_ = {"g"};
  run({{}, {.last = true}, {[this] { groups_.clear(); }}, {}});
  EXPECT_EQ(errors_[1], "");
  EXPECT_NE(said(1, "g"), nullptr) << "it may be free by now";
  ASSERT_NE(said(2, "g"), nullptr) << "it is wanted no longer";
  EXPECT_TRUE(said(2, "g")->offsets.empty());
  EXPECT_TRUE(sent_by_round_[3].empty());
  EXPECT_EQ(held_count_, 0u);
}

TEST_F(OffsetSyncTest, AGroupThatTheLinkNoLongerTakesIsNoLongerHeldAgainstIt) {
  groups_ = {{"excluded", {{orders, 1}}}};
  site_.groups = {{.name = "excluded", .wanted_by = "l"}};
  run({{}, {}});
  ASSERT_NE(said(0, "excluded"), nullptr);
  EXPECT_TRUE(said(0, "excluded")->offsets.empty());
  EXPECT_FALSE(said(0, "excluded")->complete);
  EXPECT_TRUE(sent_by_round_[1].empty());
}

// What an ordinary round has read before a fence must not arrive after what the last one read.
TEST_F(OffsetSyncTest, RoundsDoNotOverlap) {
  fakes_.broker(1).delay = io::milliseconds(20);
  groups_ = {{"g", {{orders, 1}}}};
  on_fetch_ = [this] { ++groups_["g"][orders]; };
  run({{}, {.last = true}}, true);
  EXPECT_EQ(order_, "fetch send fetch send fetch send ");
  EXPECT_EQ(errors_, (std::vector<std::string>{"", ""}));
}

// Clients stand still meanwhile.
TEST_F(OffsetSyncTest, TheLastRoundTakesOneWayToTheSourceAndBack) {
  auto& broker = fakes_.broker(1);
  broker.delay = io::milliseconds(20);
  groups_ = {{"a", {{orders, 1}}}, {"b", {{orders, 2}}}};
  run({{.last = true, .prepared = [&] {
          groups_["a"][orders] = 3;
          broker.most_under_way = 0;
        }}});
  EXPECT_EQ(errors_[0], "");
  EXPECT_EQ(said(0, "a")->offsets.at(0).offset, 3);
  EXPECT_TRUE(said(0, "a")->membership && said(0, "b")->membership);
  EXPECT_EQ(broker.most_under_way, 4) << "brokers, groups, offsets, and members";
}

TEST_F(OffsetSyncTest, WhatGroupsThereAreIsTheLastRoundsOwnAnswer) {
  groups_ = {{"old", {{orders, 1}}}, {"gone", {}}};
  run({{.last = true, .prepared = [this] {
          groups_.erase("gone");
          groups_["new"] = {{orders, 2}};
        }}});
  EXPECT_EQ(errors_[0], "");
  ASSERT_NE(said(0, "new"), nullptr);
  EXPECT_TRUE(said(0, "new")->complete && said(0, "new")->membership);
  EXPECT_EQ(said(0, "gone"), nullptr);
}

TEST_F(OffsetSyncTest, TheLastRoundTakesTheMembersOfEveryGroupAlong) {
  groups_ = {{"a", {{orders, 1}}}, {"idle", {}}};
  run({{}, {.last = true}});
  EXPECT_FALSE(said(0, "a")->membership) << "they still live at the source";
  EXPECT_EQ(sent_by_round_[1].at(0).switchover_id, switchover);
  ASSERT_TRUE(said(1, "a")->membership);
  EXPECT_EQ(as_text(said(1, "a")->membership->view()), "members of a");
  EXPECT_EQ(said(1, "a")->offsets.size(), 1u) << "with what the target knows, as any other word";
  ASSERT_NE(said(1, "idle"), nullptr) << "it may have members that have committed nothing yet";
  EXPECT_EQ(errors_[1], "");
}

TEST_F(OffsetSyncTest, MembersThatCannotBeReadEndTheSwitchoverAndOffsetsOfOthersGoOn) {
  groups_ = {{"bad", {{orders, 1}}}, {"good", {{orders, 2}}}, {"silent", {{orders, 3}}}};
  unfenced_ = {"bad"};
  silent_ = {"silent"};
  run({{.last = true}});
  EXPECT_NE(errors_[0].find("bad"), std::string::npos) << errors_[0];
  EXPECT_NE(errors_[0].find("silent"), std::string::npos) << errors_[0];
  EXPECT_EQ(errors_[0].find("good"), std::string::npos) << errors_[0];
  EXPECT_TRUE(said(0, "good")->membership);
}

}  // namespace
}  // namespace isthmus::mirror
