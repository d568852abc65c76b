// Whose word counts at the other end of a link, in the plans of a switchover.
#include "broker/link/peers.h"

#include "broker/link/link_plans.h"
#include "broker/link/switchover_plans.h"
#include "tests/broker/plans.h"

namespace isthmus::broker::peers_test {
namespace {

using Phase = SwitchoverImage::Phase;

const Uuid topic = uuid_of(9);
const Uuid first = uuid_of(1);
const Uuid second = uuid_of(2);
const ClusterIdentity other_site{"the other site's id", 2};
const ClusterIdentity stranger{"a stranger's id", 3};

std::shared_ptr<const Image> source() {
  auto image = cluster(1);
  return after(*image, plan_create_topic(*image, topic_wish("orders", 9)));
}
std::shared_ptr<const Image> target(const ClusterIdentity& source) {
  auto image = cluster(2);
  Attach attach;
  attach.link = "l";
  attach.source_number = source.number;
  attach.source_cluster_id = source.id;
  return after(*image, plan_attach(*image, attach));
}
Ending ending(const ClusterIdentity& target) {
  Ending e;
  e.link = "l";
  e.id = first;
  e.target = target;
  e.reverse_link = "back";
  e.new_origin = 2;
  return e;
}
StepDown order(const ClusterIdentity& target) {
  StepDown order;
  order.link = "l";
  order.id = first;
  order.target = target;
  order.target_name = "cluster-2";
  order.topics = {topic};
  order.route_version = 1;
  order.routes.put("cluster-1", "cluster-2", 1);
  return order;
}

// The mirror of the link is pointed at another cluster of that name, which knows nothing and says
// so.
TEST(PlanTakeBack, TheWordOfAnotherClusterOpensNothing) {
  auto image = source();
  image = after(*image, plan_hand_over(*image, {"l", first, {topic}, other_site}));
  EXPECT_EQ(image->switchovers.at("l").peer, other_site);
  auto refused = plan_take_back(*image, {"l", first, false, 0, stranger});
  EXPECT_TRUE(says(refused, to_string(other_site)) && says(refused, to_string(stranger)));
  EXPECT_TRUE(says(plan_done(*image, ending(stranger)), to_string(stranger)))
      << "it would be followed";
  EXPECT_TRUE(says(plan_take_back(*image, {"l", first, false, 0, {}}), "earlier release"));
  EXPECT_TRUE(plan_take_back(*image, {"l", first, true})) << "the operator's word is his own";
}

TEST(PlanHandOver, NamesTheClusterAndNoOtherThanBefore) {
  auto image = source();
  EXPECT_TRUE(says(plan_hand_over(*image, {"l", first, {topic}, {}}), "earlier release"));
  image = after(*image, plan_hand_over(*image, {"l", first, {topic}, other_site}));
  image = after(*image, plan_take_back(*image, {"l", first, false, 0, other_site}));
  EXPECT_TRUE(says(plan_hand_over(*image, {"l", second, {topic}, stranger}), to_string(stranger)));
  EXPECT_TRUE(plan_hand_over(*image, {"l", second, {topic}, other_site}));
}

// Data directories of before hold records that do not say who the other end is.
TEST(PlanTakeBack, AnOldRecordIsBelievedNobodyUnlessALinkNamesTheOtherEnd) {
  auto image = source();
  SwitchoverImage old;
  old.link = "seoul-tokyo";
  old.id = first;
  old.phase = Phase::handed_over;
  Plan plan;
  plan.put(old);
  image = after(*image, plan);
  const TakeBack order{"seoul-tokyo", first, false, 0, other_site};
  EXPECT_TRUE(says(plan_take_back(*image, order), "take-back --force"));
  Attach attach;
  attach.link = "tokyo-seoul";
  attach.source_number = other_site.number;
  attach.source_cluster_id = other_site.id;
  image = after(*image, plan_attach(*image, attach));
  EXPECT_TRUE(plan_take_back(*image, order));
  EXPECT_FALSE(plan_take_back(*image, {"seoul-tokyo", first, false, 0, stranger}));
}

TEST(PlanPromote, AHandOverToAnotherClusterIsNotThisOnes) {
  const ClusterIdentity source_site{"the source's id", 1};
  auto image = target(source_site);
  image = after(*image, plan_wish(*image, "l", first));
  EXPECT_EQ(image->switchovers.at("l").peer, source_site);
  kafka::PromoteRequest request;
  request.link = "l";
  EXPECT_TRUE(check_handed_here(*image, request)) << "an older mirror process does not say";
  request.target_id = image->identity().id;
  request.target_number = image->identity().number;
  request.source_id = source_site.id;
  request.source_number = source_site.number;
  EXPECT_TRUE(check_handed_here(*image, request));
  request.source_id = stranger.id;
  EXPECT_TRUE(says(check_handed_here(*image, request), "other end"));
  request.source_id = source_site.id;
  request.target_id = stranger.id;
  EXPECT_TRUE(says(check_handed_here(*image, request), "handed over to"));
}

TEST(PlanStepDown, TheWordOfAnotherClusterClosesNothing) {
  auto image = source();
  image = after(*image, plan_hand_over(*image, {"l", second, {topic}, other_site}));
  image = after(*image, plan_take_back(*image, {"l", second, false, 0, other_site}));
  EXPECT_TRUE(says(plan_step_down(*image, order(stranger)), to_string(stranger)));
}

// A third site's copy is made writable: the clients of this one stay where they are.
TEST(PlanStepDown, APromotionThatTakesNoRoutesOverClosesNothing) {
  for (const char* in_charge : {"", "cluster-1", "cluster-3"}) {
    auto image = source();
    StepDown word = order(other_site);
    word.routes = {};
    if (*in_charge) word.routes.put("cluster-1", in_charge, 1);
    image = after(*image, plan_step_down(*image, word));
    EXPECT_TRUE(image->find(topic)->writer.is_clients()) << in_charge;
    EXPECT_EQ(image->switchovers.at("l").phase, Phase::done)
        << "noted, so that it is not told again and again";
  }
}

}  // namespace
}  // namespace isthmus::broker::peers_test
