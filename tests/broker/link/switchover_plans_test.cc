#include "broker/link/switchover_plans.h"

#include "broker/link/link_plans.h"
#include "broker/link/site_plans.h"
#include "broker/link/switchovers.h"
#include "tests/broker/plans.h"

namespace isthmus::broker {
namespace {

using kafka::ErrorCode;
using Phase = SwitchoverImage::Phase;

const Uuid topic = uuid_of(9);
const Uuid first = uuid_of(1);
const Uuid second = uuid_of(2);
const ClusterIdentity other_site{"the other site's id", 2};

std::shared_ptr<const Image> source() {
  auto image = cluster(1);
  return after(*image, plan_create_topic(*image, topic_wish("orders", 9)));
}
std::shared_ptr<const Image> target(int32_t starts = 1) {
  auto image = cluster(2, starts);
  MirrorTopic mirrored;
  mirrored.name = "orders";
  mirrored.id = topic;
  mirrored.origin = 1;
  mirrored.leader_epochs = {3, 4};
  return after(*image, plan_mirror_topic(*image, "l", mirrored));
}
Promotion promotion(const Uuid& id) {
  Promotion p;
  p.link = "l";
  p.id = id;
  p.topics[topic] = {-1, -1};
  return p;
}
Ending ending(const Uuid& id) {
  Ending e;
  e.link = "l";
  e.id = id;
  e.target = other_site;
  e.reverse_link = "back";
  e.new_origin = 2;
  e.groups = {"payments"};
  return e;
}
kafka::Takeovers route(const std::string& from, const std::string& to, int64_t version) {
  kafka::Takeovers routes;
  routes.put(from, to, version);
  return routes;
}
const std::string& in_charge_of(const std::string& cluster, const Image& image) {
  return image.routes.takeovers.in_charge_of(cluster);
}
int64_t route_version(const Image& image) { return image.routes.takeovers.version(); }
Phase phase(const Image& image, const std::string& link = "l") {
  return image.switchovers.at(link).phase;
}

TEST(PlanHandOver, ClosesTheTopicsAndIsDoneOnce) {
  auto image = source();
  image = after(*image, plan_hand_over(*image, {"l", first, {topic}, other_site}));
  EXPECT_TRUE(image->find(topic)->writer.is_closed_by(first));
  EXPECT_EQ(phase(*image), Phase::handed_over);
  EXPECT_TRUE(plan_hand_over(*image, {"l", first, {topic}, other_site})->empty());
  EXPECT_TRUE(says(plan_hand_over(*image, {"l", second, {topic}, other_site}), first.to_string()));
}

TEST(PlanHandOver, WhatIsNotWritableHereIsNotHandedOver) {
  auto image = target();
  EXPECT_EQ(code_of(plan_hand_over(*image, {"back", first, {topic}, other_site})),
            ErrorCode::unknown_topic_id);
  EXPECT_EQ(code_of(plan_hand_over(*image, {"back", first, {uuid_of(77)}, other_site})),
            ErrorCode::unknown_topic_id);
}

TEST(PlanPromote, OpensANewGenerationAboveEveryElectionOfTheOldSite) {
  auto image = target(5);
  Promotion p = promotion(first);
  p.topics[topic] = {-1, 500};
  p.route_from = "cluster-1";
  image = after(*image, plan_promote(*image, p));
  const TopicImage& t = *image->find(topic);
  EXPECT_TRUE(t.writer.is_clients());
  EXPECT_EQ(epoch_in_force(t.partitions[0], *image), 1 << election_bits);
  EXPECT_EQ(epoch_in_force(t.partitions[0], *target(6)), (1 << election_bits) + 1);
  EXPECT_EQ(t.partitions[0].promoted_to, -1);
  EXPECT_EQ(t.partitions[1].promoted_to, 500);
  EXPECT_EQ(t.partitions[1].mirror_state, MirrorState::stopped);
  EXPECT_EQ(image->routes.takeovers, route("cluster-1", "cluster-2", 1));
  EXPECT_TRUE(plan_promote(*image, p)->empty()) << "repeated, it raises no epoch";
}

TEST(PlanPromote, WhatWasGivenUpIsNeverPromoted) {
  auto image = target();
  image = after(*image, plan_wish(*image, "l", first));
  image = after(*image, plan_abandon(*image, "l", first));
  EXPECT_EQ(phase(*image), Phase::abandoned);
  EXPECT_EQ(code_of(plan_promote(*image, promotion(first))), ErrorCode::invalid_request);
  image = after(*image, plan_wish(*image, "l", second));
  EXPECT_EQ(code_of(plan_promote(*image, promotion(first))), ErrorCode::invalid_request)
      << "forgotten with the next wish";
  EXPECT_TRUE(says(plan_wish(*image, "l", first), "given up"));
}

TEST(PlanPromote, AFailoverTakesThePlaceOfWhatWasWished) {
  auto image = target();
  image = after(*image, plan_wish(*image, "l", first));
  Promotion failover = promotion(second);
  failover.failover = true;
  image = after(*image, plan_promote(*image, failover));
  EXPECT_TRUE(image->switchovers.at("l").failover);
  EXPECT_EQ(code_of(plan_promote(*image, promotion(first))), ErrorCode::invalid_request);
}

TEST(PlanWish, AnotherOneUnderWayIsNamed) {
  auto image = target();
  image = after(*image, plan_wish(*image, "l", first));
  EXPECT_TRUE(plan_wish(*image, "l", first)->empty());
  EXPECT_TRUE(says(plan_wish(*image, "l", second), first.to_string()));
}

// With the record of the promotion gone, an abandonment would be granted, and the source opened.
TEST(PlanWish, APromotionIsNotForgottenForANewWish) {
  auto image = target();
  image = after(*image, plan_promote(*image, promotion(first)));
  EXPECT_EQ(code_of(plan_wish(*image, "l", second)), ErrorCode::invalid_request);
}

TEST(PlanAbandon, WhatWasPromotedIsNotGivenUp) {
  auto image = target();
  image = after(*image, plan_promote(*image, promotion(first)));
  EXPECT_EQ(code_of(plan_abandon(*image, "l", first)), ErrorCode::invalid_request);
  EXPECT_EQ(code_of(plan_abandon(*image, "l", second)), ErrorCode::invalid_request)
      << "the source of another id would open too";
}

TEST(PlanAbandon, IsRememberedEvenIfTheWishNeverCame) {
  auto image = target();
  image = after(*image, plan_abandon(*image, "l", first));
  EXPECT_EQ(code_of(plan_promote(*image, promotion(first))), ErrorCode::invalid_request);
  EXPECT_TRUE(plan_abandon(*image, "l", first)->empty());
}

TEST(PlanDone, TheSourceBecomesTheMirrorOfTheOtherDirection) {
  auto image = source();
  image = after(*image, plan_hand_over(*image, {"l", first, {topic}, other_site}));
  Ending end = ending(first);
  end.route_version = 4;
  end.routes = route("cluster-1", "cluster-2", 4);
  image = after(*image, plan_done(*image, end));
  const TopicImage& t = *image->find(topic);
  EXPECT_EQ(t.writer, TopicWriter(TopicWriter::Link{"back", 2, true}));
  EXPECT_EQ(t.partitions[0].mirror_state, MirrorState::mirroring);
  EXPECT_EQ(image->groups.at("payments").link, "back");
  EXPECT_FALSE(image->groups.at("payments").parted) << "its members were handed over";
  EXPECT_EQ(image->routes.takeovers, end.routes);
  EXPECT_TRUE(plan_done(*image, end)->empty());
  EXPECT_EQ(code_of(plan_take_back(*image, {"l", first, false, 0, other_site})),
            ErrorCode::invalid_request);
}

// A broker of the target that lags behind tells of the time before the topics came back.
TEST(PlanDone, APromotionOfAnEarlierTimeEndsNothing) {
  auto image = source();
  image = after(*image, plan_hand_over(*image, {"l", first, {topic}, other_site}));
  Ending end = ending(first);
  end.route_version = 4;
  image = after(*image, plan_done(*image, end));
  image = after(*image, [&] {
    Plan plan;
    TopicImage back = *image->find(topic);
    back.writer = TopicWriter::Clients{};
    plan.change(*image->find(topic), back);
    return plan;
  }());
  image = after(*image, plan_hand_over(*image, {"l", second, {topic}, other_site}));
  end.id = second;
  EXPECT_EQ(code_of(plan_done(*image, end)), ErrorCode::invalid_request);
  EXPECT_TRUE(image->find(topic)->writer.is_closed_by(second));
  end.route_version = 5;
  EXPECT_FALSE(plan_done(*image, end)->empty());
}

TEST(PlanDone, WhatWasNotHandedOverIsNotGivenAway) {
  auto image = source();
  EXPECT_EQ(code_of(plan_done(*image, ending(first))), ErrorCode::invalid_request);
  image = after(*image, plan_hand_over(*image, {"l", first, {topic}, other_site}));
  EXPECT_EQ(code_of(plan_done(*image, ending(second))), ErrorCode::invalid_request);
}

TEST(PlanTakeBack, OpensWhatWasClosedAndNothingElse) {
  auto image = source();
  EXPECT_EQ(code_of(plan_take_back(*image, {"l", first, false, 0, other_site})),
            ErrorCode::invalid_request);
  image = after(*image, plan_hand_over(*image, {"l", first, {topic}, other_site}));
  EXPECT_EQ(code_of(plan_take_back(*image, {"l", second, false, 0, other_site})),
            ErrorCode::invalid_request);
  image = after(*image, plan_take_back(*image, {"l", first, false, 0, other_site}));
  EXPECT_TRUE(image->find(topic)->writer.nobody() == nullptr);
  EXPECT_EQ(phase(*image), Phase::taken_back);
  EXPECT_TRUE(plan_take_back(*image, {"l", first, false, 0, other_site})->empty());
}

// There and back and there again: the ids of the first round must not stand in the way, and its
// promotion must not happen a second time.
TEST(PlanDone, ATopicThatComesBackRetiresItsPromotion) {
  auto image = target();
  image = after(*image, plan_promote(*image, promotion(first)));
  const LeaderEpoch generation = image->find(topic)->partitions[0].leader_epoch;
  image = after(*image, plan_hand_over(*image, {"back", second, {topic}, other_site}));
  Ending end = ending(second);
  end.link = "back";
  end.reverse_link = "l";
  end.new_origin = 1;
  image = after(*image, plan_done(*image, end));
  EXPECT_TRUE(image->find(topic)->writer.is_link("l"));
  EXPECT_EQ(phase(*image), Phase::none);
  EXPECT_EQ(code_of(plan_promote(*image, promotion(first))), ErrorCode::invalid_request)
      << "a late repetition has promoted it again";
  const Uuid third = uuid_of(3);
  image = after(*image, plan_wish(*image, "l", third));
  image = after(*image, plan_promote(*image, promotion(third)));
  EXPECT_GT(image->find(topic)->partitions[0].leader_epoch, generation)
      << "an epoch never goes back, nor on failing back";
}

TEST(PlanDone, OlderRoutesNeverReplaceNewerOnes) {
  auto image = source();
  Plan plan;
  merge_routes(plan, *image, route("x", "y", 3));
  image = after(*image, plan);
  Plan older;
  merge_routes(older, *image, route("x", "z", 2));
  EXPECT_TRUE(older.empty());
}

TEST(PlanBecomeMirror, TheOldSourceOfAFailoverFollowsWithTheEpochsOfTheNew) {
  auto image = source();
  kafka::BecomeMirrorRequest request;
  auto& wanted = request.topics.emplace_back();
  wanted.topic_id = topic;
  wanted.partitions.resize(2);
  wanted.partitions[1].index = 1;
  wanted.partitions[1].leader_epoch = 1 << election_bits;
  image = after(*image, plan_become_mirror(*image, ending(first), request));
  const TopicImage& t = *image->find(topic);
  EXPECT_TRUE(t.writer.is_link("back"));
  EXPECT_TRUE(image->groups.at("payments").parted);
  EXPECT_EQ(epoch_in_force(t.partitions[1], *image), 1 << election_bits);
  EXPECT_TRUE(plan_become_mirror(
                  *image,
                  [] {
                    auto e = ending(first);
                    e.groups.clear();
                    return e;
                  }(),
                  request)
                  ->empty());
  auto elsewhere = ending(first);
  elsewhere.reverse_link = "another";
  EXPECT_EQ(code_of(plan_become_mirror(*image, elsewhere, request)), ErrorCode::policy_violation);
}

// A site comes back after a failover and still believes that it writes.
StepDown order(const Uuid& id, int64_t route_version) {
  StepDown order;
  order.link = "l";
  order.id = id;
  order.target = other_site;
  order.target_name = "cluster-2";
  order.topics = {topic};
  order.route_version = route_version;
  order.routes = route("cluster-1", "cluster-2", route_version);
  return order;
}

// `topic` was promoted at this site when the routes had version 2.
std::shared_ptr<const Image> promoted_since() {
  auto image = target();
  Plan routes;
  merge_routes(routes, *image, route("cluster-2", "cluster-1", 1));
  image = after(*image, routes);
  Promotion home = promotion(second);
  return after(*image, plan_promote(*image, home));
}

TEST(PlanStepDown, ClosesWhatTheOtherSiteWritesAndTakesOverItsRoutes) {
  auto image = source();
  image = after(*image, plan_step_down(*image, order(first, 1)));
  EXPECT_TRUE(image->find(topic)->writer.is_closed_by(first));
  EXPECT_EQ(phase(*image), Phase::stepped_down);
  EXPECT_EQ(image->routes.takeovers, route("cluster-1", "cluster-2", 1));
  EXPECT_TRUE(plan_step_down(*image, order(first, 1))->empty()) << "repeated";
  EXPECT_EQ(code_of(plan_hand_over(*image, {"l", second, {topic}, other_site})),
            ErrorCode::unknown_topic_id);
}

TEST(PlanStepDown, WhatIsNotAtTheOtherSiteStaysOpen) {
  auto image = source();
  image = after(*image, plan_create_topic(*image, topic_wish("local", 8)));
  image = after(*image, plan_step_down(*image, order(first, 1)));
  EXPECT_TRUE(image->find("local")->writer.nobody() == nullptr);
}

// The order is repeated after the topic came home by a planned switchover.
TEST(PlanStepDown, ALateOrderClosesNothing) {
  auto image = promoted_since();
  StepDown late = order(first, 1);
  late.link = "forth";
  late.routes = route("cluster-2", "cluster-1", 1);
  late.target_name = "cluster-1";
  image = after(*image, plan_step_down(*image, late));
  EXPECT_TRUE(image->find(topic)->writer.nobody() == nullptr);
  EXPECT_EQ(phase(*image, "forth"), Phase::done) << "noted, so that it is not told again and again";
}

TEST(PlanStepDown, AnEarlierFailoverIsNoNewsAfterALaterOne) {
  auto image = source();
  image = after(*image, plan_step_down(*image, order(second, 2)));
  EXPECT_EQ(code_of(plan_step_down(*image, order(first, 1))), ErrorCode::invalid_request);
}

// The operator failed over a second time, under another id, before the way back.
TEST(PlanStepDown, ASecondFailoverTakesOverWhatTheFirstClosed) {
  auto image = source();
  image = after(*image, plan_step_down(*image, order(first, 1)));
  StepDown again = order(second, 2);
  again.topics.clear();
  image = after(*image, plan_step_down(*image, again));
  EXPECT_TRUE(image->find(topic)->writer.is_closed_by(second));
  EXPECT_EQ(phase(*image), Phase::stepped_down);
}

// The topics had moved by a switchover before; there is nothing to close, and groups that will
// come home must not be kept out.
TEST(PlanStepDown, AMirrorHasNothingToClose) {
  auto image = source();
  image = after(*image, plan_hand_over(*image, {"l", first, {topic}, other_site}));
  image = after(*image, plan_done(*image, ending(first)));
  image = after(*image, plan_step_down(*image, order(second, 5)));
  EXPECT_EQ(phase(*image), Phase::done);
  EXPECT_EQ(route_version(*image), 5);
}

// What was handed over equals the other site's log; finishing that cuts nothing.
TEST(PlanStepDown, WhatWasHandedOverIsFinishedInstead) {
  auto image = source();
  image = after(*image, plan_hand_over(*image, {"l", first, {topic}, other_site}));
  EXPECT_EQ(code_of(plan_step_down(*image, order(second, 1))), ErrorCode::invalid_request);
}

TEST(PlanStepDown, OnlyTheOperatorOpensItAgainAndHisWordIsTheNewest) {
  auto image = source();
  image = after(*image, plan_step_down(*image, order(first, 1)));
  EXPECT_EQ(code_of(plan_take_back(*image, {"l", first, false, 0, other_site})),
            ErrorCode::invalid_request);
  image = after(*image, plan_take_back(*image, {"l", first, true}));
  EXPECT_TRUE(image->find(topic)->writer.nobody() == nullptr);
  EXPECT_EQ(in_charge_of("cluster-1", *image), "cluster-1");
  image = after(*image, plan_step_down(*image, order(first, 1)));
  EXPECT_TRUE(image->find(topic)->writer.nobody() == nullptr) << "a late order";
}

TEST(PlanBecomeMirror, EndsTheSteppingDown) {
  auto image = source();
  image = after(*image, plan_step_down(*image, order(first, 1)));
  kafka::BecomeMirrorRequest request;
  request.left_link = "l";
  request.topics.emplace_back().topic_id = topic;
  Ending end = ending(first);
  end.route_version = 1;
  image = after(*image, plan_become_mirror(*image, end, request));
  EXPECT_TRUE(image->find(topic)->writer.is_link("back"));
  EXPECT_TRUE(image->find(topic)->writer.nobody() == nullptr);
  EXPECT_EQ(phase(*image), Phase::done);
}

// What was deleted over there meanwhile would stay closed for ever.
TEST(PlanBecomeMirror, OpensWhatTheNewSourceDoesNotWrite) {
  auto image = source();
  image = after(*image, plan_create_topic(*image, topic_wish("other", 8)));
  StepDown both = order(first, 1);
  both.topics.push_back(uuid_of(8));
  image = after(*image, plan_step_down(*image, both));
  kafka::BecomeMirrorRequest request;
  request.left_link = "l";
  request.topics.emplace_back().topic_id = topic;
  request.route_version = 1;
  image = after(*image, plan_become_mirror(*image, ending(first), request));
  EXPECT_TRUE(image->find(topic)->writer.is_link("back"));
  EXPECT_TRUE(image->find("other")->writer.nobody() == nullptr);
}

// Another site may be writing what the new source mirrors itself, or what another link has closed.
TEST(PlanBecomeMirror, OpensNothingThatAThirdSiteMayWrite) {
  auto image = source();
  for (uint8_t id : {7, 8}) {
    const std::string name = "other" + std::to_string(id);
    image = after(*image, plan_create_topic(*image, topic_wish(name, id)));
  }
  StepDown both = order(first, 1);
  both.topics.push_back(uuid_of(8));
  image = after(*image, plan_step_down(*image, both));
  StepDown elsewhere = order(second, 1);
  elsewhere.link = "elsewhere";
  elsewhere.topics = {uuid_of(7)};
  image = after(*image, plan_step_down(*image, elsewhere));
  kafka::BecomeMirrorRequest request;
  request.left_link = "l";
  request.topics.emplace_back().topic_id = topic;
  request.others = {uuid_of(8)};
  request.route_version = 1;
  image = after(*image, plan_become_mirror(*image, ending(first), request));
  EXPECT_TRUE(image->find("other8")->writer.is_closed_by(first));
  EXPECT_TRUE(image->find("other7")->writer.is_closed_by(second));
  EXPECT_EQ(phase(*image, "elsewhere"), Phase::stepped_down);
}

// Else the link could not take the groups that are new at the new source.
TEST(PlanBecomeMirror, TheGroupsAreTheLinksAlthoughATopicStaysClosed) {
  auto image = source();
  image = after(*image, plan_create_topic(*image, topic_wish("other", 8)));
  StepDown both = order(first, 1);
  both.topics.push_back(uuid_of(8));
  image = after(*image, plan_step_down(*image, both));
  EXPECT_TRUE(groups_held(*image).contains(first));
  kafka::BecomeMirrorRequest request;
  request.left_link = "l";
  request.topics.emplace_back().topic_id = topic;
  request.others = {uuid_of(8)};
  request.route_version = 1;
  image = after(*image, plan_become_mirror(*image, ending(first), request));
  EXPECT_TRUE(image->find("other")->writer.is_closed_by(first));
  EXPECT_EQ(phase(*image), Phase::stepped_down);
  EXPECT_TRUE(groups_held(*image).empty());
  // Another failover that closes nothing more.
  image = after(*image, plan_step_down(*image, order(second, 2)));
  EXPECT_TRUE(image->find("other")->writer.is_closed_by(second));
  EXPECT_TRUE(groups_held(*image).empty());
  // And one that does.
  image = after(*image, plan_create_topic(*image, topic_wish("more", 7)));
  StepDown more = order(uuid_of(3), 3);
  more.topics = {uuid_of(7)};
  image = after(*image, plan_step_down(*image, more));
  EXPECT_TRUE(groups_held(*image).contains(uuid_of(3)));
}

// Clients have seen a newer generation at the site that is gone.
TEST(PlanTakeBack, OpensAboveTheEpochsOfTheLostSite) {
  auto image = source();
  const LeaderEpoch before = image->find(topic)->partitions[0].leader_epoch;
  image = after(*image, plan_step_down(*image, order(first, 1)));
  image = after(*image, plan_take_back(*image, {"l", first, true}));
  EXPECT_GT(image->find(topic)->partitions[0].leader_epoch, next_generation(before));
}

TEST(PlanTakeBack, LeavesOutOffsetsThatWereReadAtTheLostSite) {
  auto image = source();
  image = after(*image, plan_hand_over(*image, {"l", first, {topic}, other_site}));
  TakeBack back{"l", first, true, 1'000};
  EXPECT_EQ(topics_taken_back(*image, back), std::vector<Uuid>{topic});
  back.topics[topic] = {500, 600};
  image = after(*image, plan_take_back(*image, back));
  EXPECT_EQ(image->find(topic)->partitions[0].promoted_to, 500);
  EXPECT_EQ(image->find(topic)->partitions[1].promoted_to, 600);
  EXPECT_TRUE(topics_taken_back(*image, back).empty()) << "repeated";
}

// It came back and believes that it writes; routers lead to the other, which is dead by now.
TEST(PlanTakeBack, OfASiteThatNeverHeardOfTheFailoverIsTheNewestWord) {
  auto image = source();
  const LeaderEpoch before = image->find(topic)->partitions[0].leader_epoch;
  EXPECT_EQ(code_of(plan_take_back(*image, {"l", second, true})), ErrorCode::invalid_request)
      << "nobody has looked where it ends";
  TakeBack back{"l", second, true, 1'000};
  EXPECT_EQ(topics_taken_back(*image, back), std::vector<Uuid>{topic});
  back.topics[topic] = {500, 600};
  image = after(*image, plan_take_back(*image, back));
  EXPECT_GT(image->find(topic)->partitions[0].leader_epoch, next_generation(before));
  EXPECT_EQ(image->find(topic)->partitions[0].promoted_to, 500);
  EXPECT_GE(route_version(*image), 1'000);
  image = after(*image, plan_step_down(*image, order(first, 900)));
  EXPECT_TRUE(image->find(topic)->writer.is_clients()) << "a late order";
}

TEST(PlanTakeBack, AMirrorTakesNothingBack) {
  auto image = target();
  const TakeBack back{"l", second, true, 1'000};
  EXPECT_TRUE(topics_taken_back(*image, back).empty());
  EXPECT_TRUE(says(plan_take_back(*image, back), "isthmus failover"));
}

// After the way back and the way home, a request that was given up on long ago arrives: it would
// make a mirror of the site that writes, and cut it.
TEST(PlanBecomeMirror, ALateRepetitionIsRefusedByTheSiteThatWasPromotedSince) {
  auto image = promoted_since();
  kafka::BecomeMirrorRequest late;
  auto& wanted = late.topics.emplace_back();
  wanted.topic_id = topic;
  late.route_version = 1;
  EXPECT_EQ(code_of(plan_become_mirror(*image, ending(first), late)), ErrorCode::invalid_request);
  late.route_version = 9;
  wanted.promoted_at = 1;
  EXPECT_EQ(code_of(plan_become_mirror(*image, ending(first), late)), ErrorCode::invalid_request)
      << "whatever else has moved there meanwhile";
}

// There is data here: to begin anew at the new source's log start would throw it away.
TEST(PlanBecomeMirror, AMirrorWithDataIsNotInitializing) {
  auto image = source();
  kafka::BecomeMirrorRequest request;
  request.left_link = "l";
  request.topics.emplace_back().topic_id = topic;
  image = after(*image, plan_become_mirror(*image, ending(first), request));
  EXPECT_EQ(image->find(topic)->partitions[0].mirror_state, MirrorState::mirroring);
}

// Two sites that did not see each other's promotions are ordered by the time.
TEST(PlanPromote, TheVersionOfTheRoutesIsTheTimeButAlwaysANewOne) {
  auto image = target();
  Promotion p = promotion(first);
  p.route_from = "cluster-1";
  p.now_ms = 1'000;
  image = after(*image, plan_promote(*image, p));
  EXPECT_EQ(route_version(*image), 1'000);
  EXPECT_EQ(image->switchovers.at("l").route_version, 1'000);
  EXPECT_EQ(image->find(topic)->promoted_at, 1'000);
  Promotion with_a_slow_clock = promotion(second);
  with_a_slow_clock.topics.clear();
  with_a_slow_clock.route_from = "cluster-1";
  with_a_slow_clock.now_ms = 10;
  image = after(*image, plan_promote(*image, with_a_slow_clock));
  EXPECT_EQ(route_version(*image), 1'001);
}

// A late repetition of the first must not be taken for a new promotion.
TEST(PlanPromote, AnEarlierPromotionIsGivenUpForALaterOne) {
  auto image = target();
  image = after(*image, plan_promote(*image, promotion(first)));
  Promotion again = promotion(second);
  again.topics.clear();
  image = after(*image, plan_promote(*image, again));
  EXPECT_EQ(code_of(plan_promote(*image, promotion(first))), ErrorCode::invalid_request);
}

TEST(PlanPromote, KeepsWhatItFoundForWhoAsksAgain) {
  auto image = target();
  Promotion failover = promotion(first);
  failover.failover = true;
  failover.found["orders"] = {{.end_offset = 5, .next_offset = 1'000'005}};
  image = after(*image, plan_promote(*image, failover));
  Promotion routes;
  routes.link = "l";
  routes.id = second;
  routes.failover = true;
  routes.route_from = "cluster-1";
  image = after(*image, plan_promote(*image, routes));
  EXPECT_EQ(image->switchovers.at("l").promoted, failover.found);
}

// A site that is promoted without routes may know of old ones only, and routers believe the
// highest.
TEST(PlanPromote, WithoutRoutesItPublishesNone) {
  auto image = target();
  Promotion failover = promotion(first);
  failover.failover = true;
  image = after(*image, plan_promote(*image, failover));
  EXPECT_EQ(route_version(*image), 0);
  EXPECT_EQ(image->switchovers.at("l").route_version, 1) << "the lost site is told all the same";
}

// Another pair of sites, behind the same router, has moved: nothing of this one follows from it.
TEST(PlanPromote, LeavesTheRoutesOfOtherPairsAsTheyAre) {
  auto image = target();
  Plan heard;
  merge_routes(heard, *image, route("paris", "berlin", 5'000));
  image = after(*image, heard);
  Promotion p = promotion(first);
  p.route_from = "cluster-1";
  p.routes = route("cluster-1", "cluster-0", 9'000);
  p.routes.put("rome", "cluster-1", 7'000);
  p.now_ms = 8'000;
  image = after(*image, plan_promote(*image, p));
  const auto& entries = image->routes.takeovers.entries();
  EXPECT_EQ(entries.at("paris"), (kafka::Takeovers::Entry{"berlin", 5'000}));
  EXPECT_EQ(entries.at("cluster-1"), (kafka::Takeovers::Entry{"cluster-2", 9'001}))
      << "above what the source knew, whatever the clocks say";
  EXPECT_EQ(entries.at("rome"), (kafka::Takeovers::Entry{"cluster-2", 9'001}))
      << "what the source had taken over moves with it";
}

// The target was promoted, took over what this one was in charge of, and is gone unheard.
TEST(PlanTakeBack, WhatLedHereLeadsHereAgainAndNothingElse) {
  auto image = source();
  kafka::Takeovers routes = route("cluster-1", "cluster-2", 5);
  routes.put("rome", "cluster-1", 4);
  routes.put("cluster-2", "cluster-2", 5);
  routes.put("paris", "berlin", 3);
  Plan heard;
  merge_routes(heard, *image, routes);
  image = after(*image, heard);
  image = after(*image, plan_step_down(*image, order(first, 5)));
  image = after(*image, plan_take_back(*image, {"l", first, true}));
  const auto& entries = image->routes.takeovers.entries();
  EXPECT_EQ(entries.at("cluster-1"), (kafka::Takeovers::Entry{"cluster-1", 7}));
  EXPECT_EQ(entries.at("rome"), (kafka::Takeovers::Entry{"cluster-1", 7}));
  EXPECT_EQ(entries.at("cluster-2"), (kafka::Takeovers::Entry{"cluster-2", 5}));
  EXPECT_EQ(entries.at("paris"), (kafka::Takeovers::Entry{"berlin", 3}));
  EXPECT_EQ(image->find(topic)->promoted_at, 7);
}

// The line was cut, the other site was promoted and died; this one has never heard of it. What it
// writes must not close when the other comes back.
TEST(PlanPromote, AFailoverToTheSiteThatWritesIsTheLatestWord) {
  auto image = source();
  Promotion failover;
  failover.link = "forth";
  failover.id = second;
  failover.failover = failover.whole_link = true;
  failover.route_from = "cluster-2";
  failover.now_ms = 1'000;
  image = after(*image, plan_promote(*image, failover));
  EXPECT_EQ(image->find(topic)->promoted_at, 1'000);
  EXPECT_EQ(route_version(*image), 1'000);
  image = after(*image, plan_step_down(*image, order(first, 900)));
  EXPECT_TRUE(image->find(topic)->writer.nobody() == nullptr);
}

}  // namespace
}  // namespace isthmus::broker
