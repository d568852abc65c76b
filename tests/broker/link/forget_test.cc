// A dead cluster is replaced under its name, as the plans of the one that stays decide it.
#include "broker/link/forget.h"

#include "broker/link/link_plans.h"
#include "broker/link/peers.h"
#include "broker/link/switchover_plans.h"
#include "tests/broker/plans.h"

namespace isthmus::broker::forget_test {
namespace {

using Phase = SwitchoverImage::Phase;

const ClusterIdentity dead{"the dead one's id", 2};
const ClusterIdentity next{"the next one's id", 3};
const std::string in = "tokyo-seoul";   // from the one that died
const std::string out = "seoul-tokyo";  // to it
const Uuid topic = uuid_of(9);

Attach attach_of(const ClusterIdentity& who) {
  Attach attach;
  attach.link = in;
  attach.source_name = "tokyo";
  attach.source_number = who.number;
  attach.source_cluster_id = who.id;
  return attach;
}

// Seoul, with a topic of its own, to which tokyo was attached.
std::shared_ptr<const Image> seoul() {
  auto image = cluster(1);
  image = after(*image, plan_create_topic(*image, topic_wish("orders", 9)));
  return after(*image, plan_attach(*image, attach_of(dead)));
}
std::shared_ptr<const Image> with_mirror(const std::shared_ptr<const Image>& image) {
  MirrorTopic mirrored;
  mirrored.name = "wine";
  mirrored.id = uuid_of(8);
  mirrored.origin = 2;
  mirrored.leader_epochs = {3};
  return after(*image, plan_mirror_topic(*image, in, mirrored));
}

TEST(PlanForget, AnotherClusterMayComeUnderTheNameWithAnotherNumber) {
  auto image = seoul();
  EXPECT_TRUE(says(plan_attach(*image, attach_of(next)), "isthmus link forget"));
  image = after(*image, plan_forget(*image, in, dead));
  EXPECT_FALSE(other_end(*image, in).known());
  EXPECT_TRUE(plan_forget(*image, in, dead)->empty()) << "repeated";
  const ClusterIdentity same_number{"the next one's id", 2};
  EXPECT_TRUE(says(plan_attach(*image, attach_of(same_number)), "number 2 is in use"));
  image = after(*image, plan_attach(*image, attach_of(next)));
  EXPECT_EQ(other_end(*image, out), next);
  EXPECT_EQ(image->links.at(in).epoch, 3) << "the old mirror process was fenced too";
}

TEST(PlanForget, WhatWasForgottenHasNoSayAnyMore) {
  auto image = seoul();
  image = after(*image, plan_forget(*image, in, dead));
  EXPECT_TRUE(says(plan_attach(*image, attach_of(dead)), "forgotten"));
  EXPECT_TRUE(says(plan_hand_over(*image, {out, uuid_of(1), {topic}, dead}), "forgotten"));
  StepDown order;
  order.link = out;
  order.id = uuid_of(2);
  order.target = dead;
  order.target_name = "tokyo";
  order.topics = {topic};
  order.route_version = 1;
  order.routes.put("cluster-1", "tokyo", 1);
  EXPECT_TRUE(says(plan_step_down(*image, order), "forgotten"));
}

TEST(PlanForget, NamesTheOneThatIsMeantAndNoOther) {
  auto image = seoul();
  EXPECT_TRUE(says(plan_forget(*image, in, next), to_string(dead)));
  EXPECT_TRUE(says(plan_forget(*image, "busan-seoul", dead), "no cluster is known"));
  EXPECT_TRUE(says(plan_forget(*image, "nodash", dead), "no link"));
}

TEST(PlanForget, NotWhileAnythingIsItsOrWaitsForIt) {
  auto mirrors = with_mirror(seoul());
  EXPECT_TRUE(says(plan_forget(*mirrors, in, dead), "wine is still a mirror"));
  auto image = seoul();
  Plan groups;
  groups.put_group("billing", {in});
  EXPECT_TRUE(says(plan_forget(*after(*image, groups), in, dead), "group billing"));
  auto handed = after(*image, plan_hand_over(*image, {out, uuid_of(1), {topic}, dead}));
  EXPECT_TRUE(says(plan_forget(*handed, in, dead), "take-back --force"));
  auto taken = after(*handed, plan_take_back(*handed, {out, uuid_of(1), true}));
  EXPECT_TRUE(plan_forget(*taken, in, dead));
  auto wished = after(*image, plan_wish(*image, in, uuid_of(1)));
  EXPECT_TRUE(says(plan_forget(*wished, in, dead), "under way"));
}

// Tokyo was written, died, and seoul went on: its messages of before must not happen to the next.
TEST(PlanForget, WhatWasPromotedWithoutItStaysPromotedAndIsNotPromotedAgain) {
  auto image = with_mirror(seoul());
  Promotion failover;
  failover.link = in;
  failover.id = uuid_of(1);
  failover.failover = true;
  failover.route_from = "tokyo";
  failover.topics[uuid_of(8)] = {1000};
  image = after(*image, plan_promote(*image, failover));
  image = after(*image, plan_forget(*image, in, dead));
  EXPECT_TRUE(image->find("wine")->writer.is_clients());
  EXPECT_EQ(image->routes.takeovers.in_charge_of("tokyo"), "cluster-1");
  EXPECT_EQ(image->switchovers.at(in).phase, Phase::none);
  EXPECT_EQ(code_of(plan_promote(*image, failover)), kafka::ErrorCode::invalid_request);
  image = after(*image, plan_attach(*image, attach_of(next)));
  image = after(*image, plan_hand_over(*image, {out, uuid_of(2), {topic, uuid_of(8)}, next}));
  EXPECT_EQ(image->switchovers.at(out).peer, next) << "the way back is open";
}

// The one that died was only written to: nothing but a hand-over has ever named it here.
TEST(PlanForget, AClusterThatOnlyAHandOverNamesIsForgottenAsWell) {
  auto image = cluster(1);
  image = after(*image, plan_create_topic(*image, topic_wish("orders", 9)));
  image = after(*image, plan_hand_over(*image, {out, uuid_of(1), {topic}, dead}));
  image = after(*image, plan_take_back(*image, {out, uuid_of(1), true}));
  image = after(*image, plan_forget(*image, in, dead));
  EXPECT_FALSE(other_end(*image, out).known());
  EXPECT_TRUE(says(plan_attach(*image, attach_of(dead)), "forgotten"));
}

}  // namespace
}  // namespace isthmus::broker::forget_test
