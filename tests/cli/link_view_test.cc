// What `link describe` and `switchover --dry-run` conclude from the answers of both ends.
#include "views/link_view.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "broker/image/image.h"
#include "cli/reports.h"
#include "views/readiness.h"

namespace isthmus::cli {
namespace {

using broker::MirrorState;

Uuid id_of(uint8_t number) {
  Uuid id;
  id.bytes[0] = number;
  return id;
}

// Tokyo, with one mirrored topic of two partitions; the mirror spoke a second ago.
SiteAnswer target_with(MirrorState state = MirrorState::mirroring) {
  SiteAnswer site;
  site.name = "tokyo";
  site.number = 2;
  site.links.push_back({"seoul-tokyo", 1, "", 1, 1000, {}, -1, {}, -1, false, {}});
  auto& topic = site.topics.emplace_back();
  topic.name = "orders";
  topic.topic_id = id_of(1);
  topic.writer = kafka::WriterKind::link;
  topic.link = "seoul-tokyo";
  for (int32_t i = 0; i < 2; ++i) {
    auto& p = topic.partitions.emplace_back();
    p.index = i;
    p.end_offset = 100;
    p.high_watermark = 100;
    p.source_end_offset = 100;
    p.lag_ms = 0;
    p.mirror_state = state;
  }
  return site;
}

SiteAnswer source_with(Offset end) {
  SiteAnswer site;
  site.name = "seoul";
  site.number = 1;
  site.links.push_back({"tokyo-seoul", 2, "", 1, 1000, {}, -1, {}, -1, false, {}});
  auto& topic = site.topics.emplace_back();
  topic.name = "orders";
  topic.topic_id = id_of(1);
  for (int32_t i = 0; i < 2; ++i) {
    auto& p = topic.partitions.emplace_back();
    p.index = i;
    p.high_watermark = end;
  }
  return site;
}

TEST(LinkView, LagIsTheSourcesOwnWordWhereItAnswers) {
  SiteAnswer source = source_with(130);
  auto view = view_link("seoul-tokyo", target_with(), &source);
  ASSERT_TRUE(view);
  EXPECT_EQ(view->lag().records, 60);
  EXPECT_EQ(view->would_lose(), "≤60 records (0.0 s) in 2 partitions");
  EXPECT_EQ(view->topics[0].healthy, 2u);
}

TEST(LinkView, WithoutSourceAndMirrorTheLossIsAtLeastWhatWasLastHeard) {
  SiteAnswer target = target_with();
  target.links[0].contact_age_ms = 60'000;
  target.topics[0].partitions[1].source_end_offset = 105;
  target.topics[0].partitions[0].source_age_ms = 60'000;
  target.topics[0].partitions[1].source_age_ms = 200;
  auto view = view_link("seoul-tokyo", target, nullptr);
  ASSERT_TRUE(view);
  EXPECT_FALSE(view->mirror_is_there());
  EXPECT_EQ(view->would_lose(),
            "≥5 records (0.0 s) in 1 partition as of 60.0 s ago, unknown since");
}

// Also while a mirror is there that has lost its source.
TEST(LinkView, ASilentSourceHasLostNothingOnlyAsOfItsLastWord) {
  SiteAnswer target = target_with();
  for (auto& p : target.topics[0].partitions) p.source_age_ms = 4'000;
  auto view = view_link("seoul-tokyo", target, nullptr);
  ASSERT_TRUE(view);
  EXPECT_EQ(view->would_lose(), "nothing as of 4.0 s ago, unknown since");
  for (auto& p : target.topics[0].partitions) p.source_age_ms = -1;
  view = view_link("seoul-tokyo", target, nullptr);
  ASSERT_TRUE(view);
  EXPECT_EQ(view->would_lose(), "unknown: nothing was heard of seoul");
}

TEST(LinkView, APartitionThatWasNeverHeardOfIsUnknownNotZero) {
  SiteAnswer target = target_with();
  target.topics[0].partitions[0].source_end_offset = -1;
  const SiteAnswer source;
  auto view = view_link("seoul-tokyo", target, &source);
  ASSERT_TRUE(view);
  EXPECT_EQ(view->lag().records, std::nullopt);
  EXPECT_EQ(view->would_lose(), "nothing, plus orders-0: unknown");
}

TEST(LinkView, ATopicShowsItsWorstPartitionWithTheReason) {
  SiteAnswer target = target_with();
  target.topics[0].partitions[1].mirror_state = MirrorState::failed;
  target.topics[0].partitions[1].mirror_reason = "diverged";
  auto view = view_link("seoul-tokyo", target, nullptr);
  ASSERT_TRUE(view);
  EXPECT_EQ(view->topics[0].state, "failed(diverged)");
  EXPECT_EQ(view->failed, 1u);
}

TEST(LinkView, APartitionThatWaitsIsCountedWithItsReason) {
  SiteAnswer target = target_with();
  target.topics[0].partitions[1].mirror_state = MirrorState::waiting;
  target.topics[0].partitions[1].mirror_reason = "target_full: no room";
  auto view = view_link("seoul-tokyo", target, nullptr);
  ASSERT_TRUE(view);
  EXPECT_EQ(view->topics[0].state, "waiting(target_full: no room)");
  EXPECT_EQ(view->topics[0].stuck,
            std::vector<std::string>{"orders-1: waiting(target_full: no room)"});
  EXPECT_EQ(view->failed, 1u);
  target.topics[0].partitions[1].mirror_state = MirrorState::initializing;
  view = view_link("seoul-tokyo", target, nullptr);
  EXPECT_EQ(view->topics[0].state, "initializing(target_full: no room)");
  EXPECT_EQ(view->failed, 1u);
  target.topics[0].partitions[1].mirror_reason = "";
  EXPECT_EQ(view_link("seoul-tokyo", target, nullptr)->failed, 0u) << "it only catches up";
}

// Its lag is not known: an offline log has no end.
TEST(LinkView, APartitionThatIsOfflineAtEitherEndIsTheWorstAndSaysWhere) {
  SiteAnswer target = target_with();
  target.name = "tokyo";
  target.topics[0].partitions[1].offline = "cannot sync";
  target.topics[0].partitions[1].end_offset = -1;
  auto view = view_link("seoul-tokyo", target, nullptr);
  ASSERT_TRUE(view);
  EXPECT_EQ(view->topics[0].state, "offline(offline at tokyo: cannot sync)");
  EXPECT_EQ(view->failed, 1u);
  EXPECT_EQ(view->topics[0].healthy, 1u);
  EXPECT_EQ(view->lag().records, std::nullopt);
  SiteAnswer source = source_with(130);
  source.name = "seoul";
  source.topics[0].partitions[0].offline = "damaged";
  view = view_link("seoul-tokyo", target_with(), &source);
  ASSERT_TRUE(view);
  EXPECT_EQ(view->topics[0].partitions[0].reason, "offline at seoul: damaged");
  EXPECT_EQ(view->failed, 1u);
}

TEST(LinkView, ALinkThatTheTargetDoesNotKnowIsAnErrorThatSaysWhatWouldBringIt) {
  auto view = view_link("seoul-busan", target_with(), nullptr);
  ASSERT_FALSE(view);
  EXPECT_NE(view.error().text.find("isthmus mirror"), std::string::npos);
  EXPECT_FALSE(view_link("nodash", target_with(), nullptr));
}

size_t stops_with(SiteAnswer target, SiteAnswer source) {
  auto view = view_link("seoul-tokyo", target, &source);
  return judge(*view, source, process::SwitchoverConfig{}).stops();
}

TEST(Readiness, AHealthyLinkIsReady) { EXPECT_EQ(stops_with(target_with(), source_with(100)), 0u); }

TEST(Readiness, AMirrorThatDoesNotSpeakIsAStop) {
  SiteAnswer target = target_with();
  target.links[0].contact_age_ms = views::most_contact_age_ms + 1;
  target.links[0].next_within_ms = 4000;
  EXPECT_EQ(stops_with(target, source_with(100)), 0u) << "it has said that it speaks seldom";
  target.links[0].next_within_ms = 1000;
  EXPECT_EQ(stops_with(target, source_with(100)), 1u);
  target.links[0].contact_age_ms = -1;
  EXPECT_EQ(stops_with(target, source_with(100)), 1u);
}

TEST(Readiness, LagBeyondTheLimitAndUnknownLagAreStops) {
  SiteAnswer target = target_with();
  target.topics[0].partitions[0].lag_ms = 1001;
  EXPECT_EQ(stops_with(target, source_with(100)), 1u);
  target.topics[0].partitions[0].lag_ms = -1;
  EXPECT_EQ(stops_with(target, source_with(100)), 1u);
}

TEST(Readiness, AFailedPartitionIsAStop) {
  EXPECT_EQ(stops_with(target_with(MirrorState::failed), source_with(100)), 1u);
}

TEST(Readiness, APausedLinkIsAStopThatNamesItAndDegraded) {
  SiteAnswer target = target_with();
  target.links[0].paused = true;
  target.topics[0].partitions[1].mirror_state = MirrorState::failed;
  target.topics[0].partitions[1].mirror_reason = "retention_overtook: 3 offsets are gone";
  const SiteAnswer source = source_with(100);
  const auto view = view_link("seoul-tokyo", target, &source);
  ASSERT_TRUE(view);
  EXPECT_EQ(view->topics[0].partitions[0].state, MirrorState::paused);
  EXPECT_EQ(view->topics[0].partitions[1].state, MirrorState::failed)
      << "to resume it is not enough";
  EXPECT_TRUE(summary(*view).starts_with("PAUSED")) << summary(*view);
  const auto findings = judge(*view, source, {}).findings;
  EXPECT_TRUE(std::ranges::any_of(findings, [](const Finding& f) {
    return f.verdict == Verdict::stop && f.text == "seoul-tokyo is paused: nothing is copied" &&
           f.next == "isthmus link resume seoul-tokyo";
  }));
}

TEST(LinkView, APartitionThatRetentionHasOvertakenSaysHowItGoesOn) {
  SiteAnswer target = target_with();
  target.topics[0].partitions[1].mirror_state = MirrorState::failed;
  target.topics[0].partitions[1].mirror_reason = "retention_overtook: 3 offsets are gone";
  const auto view = view_link("seoul-tokyo", target, nullptr);
  ASSERT_TRUE(view);
  const std::string way = "isthmus link resume seoul-tokyo --partition orders-1 --accept-gap";
  EXPECT_NE(text_of(*view).text().find(way), std::string::npos);
}

// The address is wrong, or tokyo was replaced: the mirror attaches nothing, and says so nowhere
// else.
TEST(Readiness, AnotherClusterUnderTheNameIsAStopThatNamesBoth) {
  SiteAnswer source = source_with(100);
  source.links[0].source_cluster_id = "T";
  SiteAnswer target = target_with();
  target.cluster_id = "X";
  target.number = 3;
  auto view = view_link("seoul-tokyo", target, &source);
  ASSERT_TRUE(view);
  EXPECT_EQ(stops_with(target, source), 1u);
  EXPECT_NE(view->wrong_ends.find("cluster T (number 2)"), std::string::npos) << view->wrong_ends;
  EXPECT_NE(view->wrong_ends.find("cluster X (number 3)"), std::string::npos) << view->wrong_ends;
  EXPECT_EQ(summary(*view), "DEGRADED: another cluster answers at one end");
}

TEST(LinkView, WhatFollowsOfWhoMayDoWhatIsARowWithWhatDoesNot) {
  SiteAnswer target = target_with();
  auto view = view_link("seoul-tokyo", target, nullptr);
  ASSERT_TRUE(view);
  EXPECT_EQ(view->what_follows(), "");
  EXPECT_EQ(json_of(*view)["access"], nullptr);
  target.links[0].access.push_back({12, 1, 0, 2, {"users of seoul are not told"}});
  view = view_link("seoul-tokyo", target, nullptr);
  ASSERT_TRUE(view);
  EXPECT_EQ(view->what_follows(),
            "12 ACLs, 1 user, 0 quotas follow; 2 gone at seoul, until delete_delay");
  EXPECT_NE(text_of(*view).text().find("\n            users of seoul are not told\n"),
            std::string::npos);
  EXPECT_EQ(json_of(*view)["access"]["waiting"], 2);
}

TEST(Readiness, APartitionThatWaitsIsAStopThatNamesItAndTheCause) {
  SiteAnswer target = target_with();
  target.topics[0].partitions[1].mirror_state = MirrorState::waiting;
  target.topics[0].partitions[1].mirror_reason = "source_offline: away";
  SiteAnswer source = source_with(100);
  auto view = view_link("seoul-tokyo", target, &source);
  ASSERT_TRUE(view);
  Readiness readiness = judge(*view, source, process::SwitchoverConfig{});
  EXPECT_EQ(readiness.stops(), 1u);
  auto stop = std::ranges::find(readiness.findings, Verdict::stop, &Finding::verdict);
  EXPECT_NE(stop->text.find("orders-1: waiting(source_offline: away)"), std::string::npos);
}

// It would go on at what it has committed at the target, silently.
TEST(Readiness, AGroupThatTheTargetHoldsIsAStopThatNamesIt) {
  SiteAnswer target = target_with();
  target.groups = {{.name = "billing", .wanted_by = "seoul-tokyo"},
                   {.name = "ours", .link = "seoul-tokyo"}};
  SiteAnswer source = source_with(100);
  auto view = view_link("seoul-tokyo", target, &source);
  ASSERT_TRUE(view);
  EXPECT_EQ(view->held, std::vector<std::string>{"billing"});
  EXPECT_EQ(view->groups, std::vector<std::string>{"ours"});
  Readiness readiness = judge(*view, source, process::SwitchoverConfig{});
  EXPECT_EQ(readiness.stops(), 1u);
  auto stop = std::ranges::find(readiness.findings, Verdict::stop, &Finding::verdict);
  EXPECT_NE(stop->text.find("billing"), std::string::npos);
  EXPECT_NE(stop->next.find("tokyo"), std::string::npos);
}

TEST(Readiness, AGroupThatAnotherLinkWantsIsNoConcernOfThisOne) {
  SiteAnswer target = target_with();
  target.groups = {{.name = "billing", .wanted_by = "busan-tokyo"}};
  EXPECT_EQ(stops_with(target, source_with(100)), 0u);
}

TEST(Readiness, AMissingWayBackIsAWarning) {
  SiteAnswer source = source_with(100);
  source.links.clear();
  auto view = view_link("seoul-tokyo", target_with(), &source);
  Readiness readiness = judge(*view, source, process::SwitchoverConfig{});
  EXPECT_EQ(readiness.stops(), 0u);
  EXPECT_EQ(std::ranges::count(readiness.findings, Verdict::warn, &Finding::verdict), 1);
}

SiteAnswer::SiteTopic topic_of(const std::string& name, uint8_t id, size_t partitions = 1) {
  SiteAnswer::SiteTopic topic;
  topic.name = name;
  topic.topic_id = id_of(id);
  topic.partitions.resize(partitions);
  return topic;
}

std::string left_out(const SiteAnswer& target, const SiteAnswer& source) {
  auto view = view_link("seoul-tokyo", target, &source);
  return view ? view->what_is_left_out() : view.error().text;
}

TEST(LeftOut, AnythingThatTheLinkDoesNotHoldStopsASwitchoverUnlessItIsToBeLeft) {
  SiteAnswer source = source_with(100);
  source.topics.push_back(topic_of("tea", 7));
  auto view = view_link("seoul-tokyo", target_with(), &source);
  EXPECT_EQ(judge(*view, source, process::SwitchoverConfig{}).stops(), 1u);
  EXPECT_EQ(judge(*view, source, process::SwitchoverConfig{}, true).stops(), 0u);
  EXPECT_EQ(view->what_is_left_out(), "1 topic of seoul: tea (not mirrored yet)");
  EXPECT_EQ(summary(*view), "DEGRADED: 1 topic not mirrored, or not all");
}

TEST(LeftOut, ATopicOrAPartitionThatIsYoungerThanTheLastDiscoveryIsNamed) {
  SiteAnswer source = source_with(100);
  source.topics[0].partitions.resize(3);
  EXPECT_EQ(left_out(target_with(), source),
            "1 topic of seoul: orders (2 of 3 partitions mirrored)");
  source = source_with(100);
  source.topics[0].topic_id = id_of(9);
  EXPECT_EQ(left_out(target_with(), source),
            "1 topic of seoul: orders (re-created at the source: the copy is of the topic before)");
}

// Also while the source is silent: what the topic holds that has the name now is not known.
TEST(LinkView, ACopyOfATopicThatWasCreatedAgainSaysNothingOfWhatWouldBeLost) {
  SiteAnswer target = target_with(MirrorState::failed);
  for (auto& p : target.topics[0].partitions) {
    p.mirror_reason = "recreated: the source has another topic of this name now";
    p.source_age_ms = 5000;
  }
  auto view = view_link("seoul-tokyo", target, nullptr);
  EXPECT_FALSE(view->lag().records);
  EXPECT_NE(view->would_lose().find("orders-0"), std::string::npos) << view->would_lose();
  EXPECT_TRUE(summary(*view).starts_with("DEGRADED: ")) << summary(*view);
}

// It was attached since the mirror's last report, two seconds ago.
TEST(LeftOut, TheCopyItselfIsBelievedBeforeAnOldReport) {
  SiteAnswer source = source_with(100), target = target_with();
  target.links[0].left_out = {{"orders", true, "not attached yet"}};
  EXPECT_EQ(left_out(target, source), "");
}

TEST(LinkView, ALinkWhoseSourceWasForgottenSaysSo) {
  SiteAnswer target = target_with();
  target.topics.clear();
  target.links[0].source_number = 0;
  target.links[0].forgotten = {{"S", 1}};
  auto view = view_link("seoul-tokyo", target, nullptr);
  EXPECT_NE(summary(*view).find("forgotten"), std::string::npos);
  EXPECT_NE(text_of(*view).text().find("seoul(forgotten)"), std::string::npos);
}

// Of the link's switchover: the target wants it, and the source has handed over.
void hand_over(SiteAnswer& source, SiteAnswer& target) {
  auto& wished = target.switchovers.emplace_back();
  wished.link = "seoul-tokyo";
  wished.switchover_id = id_of(9);
  wished.phase = kafka::SwitchoverPhase::wished;
  source.switchovers.push_back(wished);
  source.switchovers[0].phase = kafka::SwitchoverPhase::handed_over;
}

TEST(HandedOver, APromotionThatIsRefusedDegradesTheLinkAndNamesTheWayOut) {
  SiteAnswer source = source_with(100), target = target_with();
  hand_over(source, target);
  target.switchovers[0].trouble = "orders-0: offline";
  for (const SiteAnswer* known : std::vector<const SiteAnswer*>{&source, nullptr}) {
    auto view = view_link("seoul-tokyo", target, known);
    ASSERT_TRUE(view);
    EXPECT_EQ(view->refused_promotion(), "orders-0: offline");
    EXPECT_NE(summary(*view).find("DEGRADED: seoul has handed over"), std::string::npos);
    const std::string text = text_of(*view).text();
    EXPECT_NE(text.find("tokyo refuses to be promoted: orders-0: offline"), std::string::npos);
    EXPECT_NE(text.find("isthmus switchover take-back --from seoul --to tokyo"), std::string::npos);
    EXPECT_EQ(json_of(*view)["switchover"]["trouble"], "orders-0: offline");
    EXPECT_EQ(judge(*view, source, process::SwitchoverConfig{}).stops(), 1u);
  }
}

TEST(HandedOver, WhereNobodyPromotesTheMirrorIsNamed) {
  SiteAnswer source = source_with(100), target = target_with();
  hand_over(source, target);
  auto view = view_link("seoul-tokyo", target, &source);
  const std::string text = text_of(*view).text();
  EXPECT_NE(text.find("nobody promotes tokyo yet"), std::string::npos) << text;
  EXPECT_NE(text.find("start the mirror of seoul-tokyo"), std::string::npos) << text;
  target.switchovers[0].phase = kafka::SwitchoverPhase::promoted;
  view = view_link("seoul-tokyo", target, &source);
  EXPECT_EQ(text_of(*view).text().find("Switchover"), std::string::npos) << "it is on its way";
}

TEST(HandedOver, WhatWasGivenUpNamesTheReason) {
  SiteAnswer source = source_with(100), target = target_with();
  hand_over(source, target);
  source.switchovers.clear();
  target.switchovers[0].phase = kafka::SwitchoverPhase::abandoned;
  target.switchovers[0].trouble = "drain: too slow";
  auto view = view_link("seoul-tokyo", target, &source);
  EXPECT_EQ(summary(*view), "OK");
  EXPECT_NE(text_of(*view).text().find("given up: drain: too slow"), std::string::npos);
}

TEST(LeftOut, ANameThatIsAtBothEndsIsNamed) {
  SiteAnswer source = source_with(100), target = target_with();
  source.topics.push_back(topic_of("tea", 7));
  target.topics.push_back(topic_of("tea", 8));
  EXPECT_EQ(left_out(target, source),
            "1 topic of seoul: tea (another topic of that name is at tokyo)");
}

// The mirror was started again with fewer topics: the copy looks as if nothing was amiss.
TEST(LeftOut, ATopicThatWasExcludedAfterItHadBeenMirroredIsNamed) {
  SiteAnswer source = source_with(100), target = target_with();
  target.links[0].left_out_count = 1;
  target.links[0].left_out = {{"orders", false, "not among the link's topics"}};
  EXPECT_EQ(left_out(target, source), "1 topic of seoul: orders (not among the link's topics)");
  auto view = view_link("seoul-tokyo", target, &source);
  EXPECT_EQ(view->amiss(), 1u)
      << "its clients would be led to a copy that nobody brings up to date";
}

TEST(LeftOut, WhatIsLeftOutOnPurposeDegradesNothing) {
  SiteAnswer source = source_with(100), target = target_with();
  source.topics.push_back(topic_of("tea", 7));
  target.links[0].left_out = {{"tea", false, "not among the link's topics"}};
  auto view = view_link("seoul-tokyo", target, &source);
  EXPECT_EQ(view->amiss(), 0u);
  EXPECT_EQ(summary(*view), "OK");
}

// The source is gone: what its mirror told the target all along is the last that anybody knows.
TEST(LeftOut, AFailoverNamesWhatWasNeverMirrored) {
  SiteAnswer target = target_with();
  auto view = view_link("seoul-tokyo", target, nullptr);
  EXPECT_NE(not_moved(*view).find("unknown"), std::string::npos);
  target.links[0].left_out_count = 5;
  target.links[0].left_out = {{"tea", true, "not attached yet"}};
  view = view_link("seoul-tokyo", target, nullptr);
  EXPECT_EQ(not_moved(*view), "5 topics of seoul: tea (not attached yet) and 4 more");
  target.links[0].left_out_count = 0;
  target.links[0].left_out.clear();
  view = view_link("seoul-tokyo", target, nullptr);
  EXPECT_EQ(not_moved(*view), "");
}

TEST(Readiness, GroupsThatDoNotFollowAreNamed) {
  SiteAnswer source = source_with(100), target = target_with();
  source.groups = {{.name = "billing"}, {.name = "console-consumer-1"}};
  target.groups = {{.name = "billing", .link = "seoul-tokyo"}};
  auto view = view_link("seoul-tokyo", target, &source);
  Readiness readiness = judge(*view, source, process::SwitchoverConfig{});
  EXPECT_EQ(readiness.stops(), 0u);
  EXPECT_NE(readiness.findings.back().text.find("console-consumer-1"), std::string::npos);
  EXPECT_EQ(readiness.findings.back().text.find("billing"), std::string::npos);
}

}  // namespace
}  // namespace isthmus::cli
