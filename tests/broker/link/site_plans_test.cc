#include "broker/link/site_plans.h"

#include <functional>

#include "broker/link/switchover_plans.h"
#include "kafka/topic_names.h"
#include "tests/broker/plans.h"

namespace isthmus::broker {
namespace {

using kafka::ErrorCode;
using Phase = SwitchoverImage::Phase;

const Uuid orders = uuid_of(9);
const Uuid groups = uuid_of(8);
const Uuid move = uuid_of(1);
const ClusterIdentity busan{"busan's id", 2};

// Brokers 1, 2 and 3; partition i is led by broker i + 1, and so are the groups'.
std::shared_ptr<Image> site_of_three() {
  auto image = std::make_shared<Image>(*cluster(1));
  for (NodeId node : {1, 2, 3}) image->brokers[node] = {.starts = 1, .version = 1};
  for (const auto& [name, id] : {std::pair{std::string("orders"), orders},
                                 std::pair{std::string(kafka::offsets_topic), groups}}) {
    auto topic = std::make_shared<TopicImage>();
    topic->name = name;
    topic->id = id;
    topic->version = 1;
    for (NodeId node : {1, 2, 3}) {
      PartitionImage& partition = topic->partitions.emplace_back();
      partition.replicas = partition.isr = {1, 2, 3};
      partition.leader = node;
      partition.version = 1;
      put_epoch(partition, 10 + node, *image);
    }
    image->topics[name] = image->topics_by_id[id] = topic;
  }
  return image;
}

void change(Image& image, const Uuid& id, const std::function<void(TopicImage&)>& how) {
  auto topic = std::make_shared<TopicImage>(*image.find(id));
  how(*topic);
  image.topics[topic->name] = image.topics_by_id[id] = topic;
}

kafka::HoldPartitionsRequest order(const Image& image, bool whole_site) {
  kafka::HoldPartitionsRequest request;
  request.whole_site = whole_site;
  request.topics.push_back(all_partitions_of(*image.find(orders), {5, 6, 7}));
  return request;
}

TEST(AskLeaders, EachIsAskedForWhatItLeads) {
  const auto image = site_of_three();
  const auto asked = ask_leaders(*image, 1, order(*image, false), false);
  ASSERT_TRUE(asked);
  ASSERT_EQ(asked->size(), 3u);
  for (const auto& [node, part] : *asked) {
    ASSERT_EQ(part.topics.size(), 1u);
    ASSERT_EQ(part.topics[0].partitions.size(), 1u);
    EXPECT_EQ(part.topics[0].partitions[0].index, node - 1);
    EXPECT_EQ(part.topics[0].partitions[0].end_offset, node + 4);
  }
}

TEST(AskLeaders, WhereItIsAboutTheWholeSiteAllThatServeAreAsked) {
  auto image = site_of_three();
  change(*image, orders, [](TopicImage& topic) {
    for (auto& partition : topic.partitions) partition.leader = 1;
  });
  EXPECT_EQ(ask_leaders(*image, 1, order(*image, false), false)->size(), 1u);
  EXPECT_EQ(ask_leaders(*image, 1, order(*image, true), false)->size(), 3u);
  image->brokers[3].fenced = true;
  EXPECT_EQ(ask_leaders(*image, 1, order(*image, true), false)->size(), 2u);
}

TEST(AskLeaders, AnElectionIsWaitedForAndADisasterDoesNotWait) {
  auto image = site_of_three();
  change(*image, orders, [](TopicImage& topic) { topic.partitions[1].leader = -1; });
  EXPECT_EQ(code_of(ask_leaders(*image, 1, order(*image, false), false)),
            ErrorCode::not_leader_or_follower);
  EXPECT_EQ(ask_leaders(*image, 1, order(*image, false), true)->size(), 2u);
}

TEST(HeldIn, WhatNobodyAnsweredForIsOffline) {
  const auto image = site_of_three();
  std::map<NodeId, kafka::HoldPartitionsResponse> answers;
  answers[3].topics.push_back({orders, {{.index = 2, .end_offset = 7}}});
  answers[1].topics.push_back({orders, {{.index = 0, .end_offset = 5}}});
  const auto held = held_in(answers, order(*image, false)).at(orders);
  ASSERT_EQ(held.size(), 3u);
  EXPECT_EQ(held[0].end_offset, 5);
  EXPECT_TRUE(held[1].offline);
  EXPECT_EQ(held[2].end_offset, 7);
}

std::map<NodeId, kafka::HoldPartitionsResponse> coordinators() {
  std::map<NodeId, kafka::HoldPartitionsResponse> answers;
  for (NodeId node : {1, 2, 3}) answers[node].coordinated = {{node - 1, 10 + node}};
  return answers;
}

TEST(CheckCoordinators, EachGroupHasOneAndItIsTheOneOfTheRecord) {
  const auto image = site_of_three();
  const auto check = [&image](const auto& answers) {
    return check_coordinators(*image, coordinated_in(answers));
  };
  EXPECT_TRUE(check(coordinators()));
  auto missing = coordinators();
  missing.erase(2);
  EXPECT_TRUE(says(check(missing), "__consumer_offsets-1: the coordinator of its groups is being"));
  auto two = coordinators();
  two[2].coordinated.push_back({0, 11});
  EXPECT_TRUE(says(check(two), "two brokers"));
  auto replaced = coordinators();
  replaced[1].coordinated[0].leader_epoch = 10;
  EXPECT_FALSE(check(replaced)) << "its groups are another's";
}

TEST(CheckCoordinators, NobodyTellsOfGroupsThatNobodyCoordinates) {
  auto image = site_of_three();
  change(*image, groups, [](TopicImage& topic) { topic.partitions[2].leader = -1; });
  auto answers = coordinators();
  answers.erase(3);
  const auto told = check_coordinators(*image, coordinated_in(answers));
  EXPECT_TRUE(says(told, "__consumer_offsets-2: nobody coordinates its groups"));
  EXPECT_EQ(code_of(told), ErrorCode::not_leader_or_follower) << "it passes";
}

HandOver hand_over() {
  HandOver order{"l", move, {orders}, busan};
  order.held[orders] = {{5, 11}, {6, 12}, {7, 13}};
  order.fences = {{1, 100}, {2, 200}, {3, 300}};
  order.coordinated = {{0, 11}, {1, 12}, {2, 13}};
  return order;
}

TEST(PlanHandOverOfASite, RecordsEndsAndFences) {
  const auto image = site_of_three();
  const auto handed = after(*image, plan_hand_over(*image, hand_over()));
  const auto& record = handed->switchovers.at("l");
  EXPECT_EQ(record.handed.at(orders), (std::vector<Offset>{5, 6, 7}));
  EXPECT_EQ(record.fences, hand_over().fences);
  Ending ending;
  ending.link = "l";
  ending.id = move;
  ending.target = busan;
  ending.reverse_link = "back";
  ending.new_origin = 2;
  const auto done = after(*handed, plan_done(*handed, ending));
  EXPECT_TRUE(done->switchovers.at("l").handed.empty());
}

TEST(PlanHandOverOfASite, AnElectionMeanwhileIsAConflict) {
  auto image = site_of_three();
  change(*image, orders, [&](TopicImage& topic) {
    topic.partitions[1].leader = 3;
    put_epoch(topic.partitions[1], 13, *image);
  });
  EXPECT_EQ(code_of(plan_hand_over(*image, hand_over())), ErrorCode::not_leader_or_follower);
}

TEST(PlanHandOverOfASite, SoIsARestartOfTheSameLeader) {
  auto image = site_of_three();
  ++image->brokers[2].starts;
  EXPECT_EQ(code_of(plan_hand_over(*image, hand_over())), ErrorCode::not_leader_or_follower);
}

TEST(PlanHandOverOfASite, SoIsAnotherCoordinator) {
  auto image = site_of_three();
  change(*image, groups, [&](TopicImage& topic) { put_epoch(topic.partitions[2], 14, *image); });
  EXPECT_EQ(code_of(plan_hand_over(*image, hand_over())), ErrorCode::not_leader_or_follower);
  auto order = hand_over();
  order.coordinated.erase(1);
  EXPECT_TRUE(says(plan_hand_over(*site_of_three(), order), "coordinators"));
}

TEST(PlanHandOverOfASite, WhoHasComeSinceHasFencedNothing) {
  auto image = site_of_three();
  image->brokers[4] = {.starts = 1, .version = 1};
  EXPECT_TRUE(says(plan_hand_over(*image, hand_over()), "broker 4 has come"));
  image->brokers[4].fenced = true;
  EXPECT_TRUE(plan_hand_over(*image, hand_over()));
}

TEST(PlanHandOverOfASite, AnOlderDriverKnowsOfOneBrokerOnly) {
  auto image = site_of_three();
  HandOver order{"l", move, {orders}, busan};
  EXPECT_TRUE(says(plan_hand_over(*image, order), "too old"));
  image->brokers.erase(2);
  image->brokers.erase(3);
  EXPECT_TRUE(plan_hand_over(*image, order));
}

TEST(GroupsHeld, WhatIsHandedOverWaitsAndWhatHasSteppedDownIsRefused) {
  auto image = site_of_three();
  image->switchovers["a"] = {.link = "a", .id = uuid_of(1), .phase = Phase::handed_over};
  image->switchovers["b"] = {.link = "b", .id = uuid_of(2), .phase = Phase::stepped_down};
  image->switchovers["c"] = {.link = "c", .id = uuid_of(3), .phase = Phase::taken_back};
  using Clients = CoordinatorFences::Clients;
  EXPECT_EQ(groups_held(*image), (std::map<Uuid, Clients>{{uuid_of(1), Clients::wait},
                                                          {uuid_of(2), Clients::are_refused}}));
  EXPECT_TRUE(was_taken_back(*image, uuid_of(3)));
  EXPECT_FALSE(was_taken_back(*image, uuid_of(1)));
}

Promotion failover(const Image& image) {
  Promotion order;
  order.link = "l";
  order.id = move;
  order.failover = true;
  order.topics[orders] = {-1, -1, -1};
  for (PartitionIndex i = 0; i < 3; ++i) order.epochs[{orders, i}] = 11 + i;
  return order;
}

std::shared_ptr<Image> target_of_three() {
  auto image = site_of_three();
  change(*image, orders, [](TopicImage& topic) { topic.writer = TopicWriter::Link{"l", 2}; });
  image->links["l"] = {.name = "l", .epoch = 4, .version = 1};
  return image;
}

TEST(PlanPromoteOfASite, AFailoverIsOfTheLeadersWhoseLogsWereLookedAt) {
  auto image = target_of_three();
  EXPECT_TRUE(plan_promote(*image, failover(*image)));
  change(*image, orders, [&](TopicImage& topic) { put_epoch(topic.partitions[2], 14, *image); });
  EXPECT_EQ(code_of(plan_promote(*image, failover(*image))), ErrorCode::not_leader_or_follower);
}

TEST(PlanPromoteOfASite, ADriverThatWasReplacedDoesNotKnowWhichGroupsAreHere) {
  const auto image = target_of_three();
  auto order = failover(*image);
  order.link_epoch = 3;
  EXPECT_FALSE(plan_promote(*image, order));
  order.link_epoch = 4;
  EXPECT_TRUE(plan_promote(*image, order));
}

LeaderEpoch epoch_of(const Image& image, const Uuid& topic, size_t index) {
  return epoch_in_force(image.find(topic)->partitions[index], image);
}

TEST(PlanOpenAnew, OnlyWhatIsLedHereGetsAnEpochThatTheHandOverDidNotKnow) {
  const auto image = site_of_three();
  const Reopening order{2, "l", move, {{orders, 0}, {orders, 1}}, true};
  const auto opened = after(*image, plan_open_anew(*image, order));
  EXPECT_EQ(epoch_of(*opened, orders, 0), 11);
  EXPECT_EQ(epoch_of(*opened, orders, 1), 13);
  EXPECT_EQ(epoch_of(*opened, groups, 1), 13);
  EXPECT_EQ(epoch_of(*opened, groups, 2), 13);
  EXPECT_FALSE(plan_hand_over(*opened, hand_over()));
}

TEST(PlanOpenAnew, WhatIsHandedOverStaysClosed) {
  const auto image = site_of_three();
  const auto handed = after(*image, plan_hand_over(*image, hand_over()));
  const Reopening order{2, "l", move, {{orders, 1}}, true};
  const auto plan = plan_open_anew(*handed, order);
  ASSERT_TRUE(plan);
  EXPECT_TRUE(plan->empty());
}

}  // namespace
}  // namespace isthmus::broker
