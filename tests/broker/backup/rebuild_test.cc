#include "broker/backup/rebuild.h"

#include <algorithm>

#include "broker/controller/cluster_plans.h"
#include "tests/broker/plans.h"

namespace isthmus::broker {
namespace {

// Brokers 101 to 103 with topic orders, of which partition 0 was led by 101.
class RebuildTest : public testing::Test {
 protected:
  RebuildTest() {
    auto founded = cluster(7);
    Plan plan;
    plan.put_cluster(*founded);
    for (NodeId node : {101, 102, 103}) {
      BrokerImage broker;
      broker.starts = 1;
      plan.put_broker(node, broker);
    }
    add(plan);
    add(plan_create_topic(*image(), topic_wish("orders", 9, 1)).value());
    for (NodeId node : {101, 102, 103}) {
      surveys_.push_back({image()->cluster_id.to_string(), node, 0, uuid_of(50), {}});
      surveys_.back().logs.push_back(log(10, 0));
    }
  }
  static SurveyedLog log(Offset end, LeaderEpoch epoch, uint8_t topic = 9) {
    return {uuid_of(topic), {"orders", 0}, 0, end, epoch, epoch, false};
  }
  void add_placed(const std::string& name, uint8_t id, std::vector<NodeId> replicas) {
    NewTopic wish = topic_wish(name, id, 1);
    wish.assignments = {std::move(replicas)};
    add(plan_create_topic(*image(), wish).value());
  }
  void add(const Plan& plan) {
    for (auto& change : changes_of(plan, 1)) file_.records.push_back(std::move(change));
  }
  std::shared_ptr<const Image> image() { return image_of(file_).value(); }
  SurveyedLog& log_of(NodeId node) { return surveys_[static_cast<size_t>(node - 101)].logs[0]; }
  std::shared_ptr<const Image> rebuilt(const std::set<NodeId>& without = {}) {
    auto done = rebuild(file_, surveys_, without);
    EXPECT_TRUE(done) << done.error().text;
    notes_ = done ? done->notes : std::vector<std::string>();
    std::vector<MetadataStore::Change> changes;
    for (const auto& put : done->puts) changes.push_back({put.key, put.value, 1});
    return broker::apply(Image{}, changes).value();
  }
  static const PartitionImage& orders(const Image& image) {
    return image.find("orders")->partitions[0];
  }

  MetadataFile file_;
  std::vector<LogSurvey> surveys_;
  std::vector<std::string> notes_;
};

TEST_F(RebuildTest, WhoseLogEndsLastLeads) {
  log_of(102) = log(11, 0);
  log_of(103) = log(9, 3);  // of a later leader: 102's last record was never safe
  auto image = rebuilt();
  EXPECT_EQ(orders(*image).isr, std::vector<NodeId>{103});
  EXPECT_EQ(orders(*image).leader, -1) << "nobody serves";
  log_of(103) = log(10, 0);
  image = rebuilt();
  EXPECT_EQ(orders(*image).isr, std::vector<NodeId>{102});
  log_of(101).is_damaged = true;
  EXPECT_EQ(orders(*rebuilt()).isr, std::vector<NodeId>{102}) << "101's reaches no further";
  EXPECT_TRUE(notes_.empty());
  // And it does, when it serves again; nobody else before.
  BrokerImage says = image->brokers.at(101);
  image = after(*image, plan_start(*image, 101, says), 2);
  image = after(*image, plan_unfence(*image, 101, 2), 3);
  EXPECT_EQ(orders(*image).leader, -1);
  image = after(*image, plan_start(*image, 102, says), 4);
  image = after(*image, plan_unfence(*image, 102, 2), 5);
  EXPECT_EQ(orders(*image).leader, 102);
}

TEST_F(RebuildTest, OfEqualLogsThePreferredLeadersLeads) {
  add_placed("spread", 20, {103, 101});
  surveys_[0].logs.push_back(log(7, 2, 20));
  surveys_[2].logs.push_back(log(7, 2, 20));
  EXPECT_EQ(rebuilt()->find("spread")->partitions[0].isr, std::vector<NodeId>{103});
}

TEST_F(RebuildTest, ADamagedLogThatMayReachFurtherIsRepairedFirst) {
  log_of(102).is_damaged = true;
  const auto is_refused = [&] {
    return says(rebuild(file_, surveys_, {}),
                "orders-0: the damaged log at node 102 may reach to") &&
           says(rebuild(file_, surveys_, {101}), "`isthmus partition repair orders-0`");
  };
  log_of(102).end = 11;
  EXPECT_TRUE(is_refused()) << "by what is good in it";
  log_of(102).end = 4;
  EXPECT_FALSE(is_refused());
  log_of(102).known_end = 11;
  EXPECT_TRUE(is_refused()) << "by what it had once";
  log_of(102).known_end = 8;
  EXPECT_FALSE(is_refused());
  log_of(102).highest_epoch = 1;
  EXPECT_TRUE(is_refused()) << "by the epoch of what is behind the damage";
  // On an operator's word.
  EXPECT_EQ(orders(*rebuilt({102})).isr.size(), 1u);
  ASSERT_EQ(notes_.size(), 1u);
  EXPECT_NE(notes_[0].find("at node 102 may reach to epoch 1, offset 8"), std::string::npos);
  EXPECT_NE(notes_[0].find("it is passed over"), std::string::npos);
  // Nobody else has a copy.
  surveys_[0].logs.clear();
  surveys_[2].logs.clear();
  EXPECT_EQ(orders(*rebuilt()).isr, std::vector<NodeId>{102});
  ASSERT_EQ(notes_.size(), 1u);
  EXPECT_NE(notes_[0].find("node 102 is damaged, and there is no better one"), std::string::npos);
}

TEST_F(RebuildTest, WhatWasMovedSinceTheExportIsLedWhereItIs) {
  add_placed("moved", 20, {101});
  add_placed("partly", 21, {101, 102});
  surveys_[2].logs.push_back(log(7, 2, 20));
  surveys_[0].logs.push_back(log(5, 1, 21));  // what it had before, not yet deleted
  surveys_[1].logs.push_back(log(9, 1, 21));
  surveys_[2].logs.push_back(log(9, 2, 21));
  // To a broker that joined since.
  surveys_.push_back({image()->cluster_id.to_string(), 104, 0, uuid_of(51), {}});
  surveys_.back().logs.push_back(log(7, 3, 20));
  auto image = rebuilt();
  const PartitionImage& moved = image->find("moved")->partitions[0];
  EXPECT_EQ(moved.replicas, (std::vector<NodeId>{101, 103, 104}));
  EXPECT_EQ(moved.isr, std::vector<NodeId>{104});
  EXPECT_EQ(epoch_in_force(moved, *image), 1 << election_bits);
  const PartitionImage& partly = image->find("partly")->partitions[0];
  EXPECT_EQ(partly.replicas, (std::vector<NodeId>{101, 102, 103}));
  EXPECT_EQ(partly.isr, std::vector<NodeId>{103});
  ASSERT_EQ(notes_.size(), 3u);
  EXPECT_EQ(notes_[0].find("moved-0: node 103 has a log of it, offsets 0 to 7"), 0u);
  EXPECT_EQ(notes_[1].find("moved-0: node 104"), 0u);
  EXPECT_EQ(notes_[2].find("partly-0: node 103"), 0u);
  ASSERT_TRUE(image->brokers.contains(104));
  EXPECT_TRUE(image->brokers.at(104).fenced);
  EXPECT_EQ(image->brokers.at(104).directory_id, uuid_of(51));
  image = after(*image, plan_start(*image, 104, image->brokers.at(104)), 2);
  image = after(*image, plan_unfence(*image, 104, 1), 3);
  EXPECT_EQ(image->find("moved")->partitions[0].leader, 104);
}

TEST_F(RebuildTest, ABrokerWithoutReplicasInTheExportIsAskedToo) {
  BrokerImage broker;
  broker.starts = 1;
  Plan plan;
  plan.put_broker(104, broker);
  add(plan);
  EXPECT_TRUE(says(rebuild(file_, surveys_, {}), "node 104 may have got replicas"));
  EXPECT_TRUE(rebuild(file_, surveys_, {104}));
}

TEST_F(RebuildTest, AMirrorStaysInItsSourcesGenerationAndNoEpochIsGivenOutTwice) {
  NewTopic wish = topic_wish("mirrored", 30, 1);
  wish.writer = TopicWriter::Link{"link", 3, true};
  wish.leader_epochs = {(2 << election_bits) + 5};
  add(plan_create_topic(*image(), wish).value());
  surveys_[0].logs.push_back(log(7, (2 << election_bits) + 6, 30));
  const auto epoch = [&] {
    auto image = rebuilt();
    return epoch_in_force(image->find("mirrored")->partitions[0], *image);
  };
  // Elections were held here since the export, up to any of these epochs; the log has its source's.
  EXPECT_EQ(epoch(), (2 << election_bits) + 6 + (1 << 16));
  surveys_[0].logs.back().highest_epoch = (3 << election_bits) - 1;
  EXPECT_TRUE(says(rebuild(file_, surveys_, {}), "mirrored-0: too few leader epochs"));
}

TEST_F(RebuildTest, NoEpochAndNoProducerIdIsGivenOutTwice) {
  const LeaderEpoch high = (5 << election_bits) + 3;
  log_of(102).highest_epoch = high;
  surveys_[2].incarnation = 4;  // after an earlier import
  auto image = rebuilt();
  EXPECT_GT(epoch_in_force(orders(*image), *image), high);
  EXPECT_EQ(epoch_in_force(orders(*image), *image), 6 << election_bits);
  EXPECT_EQ(image->incarnation, 5);
  surveys_[2].incarnation = 127;
  EXPECT_TRUE(says(rebuild(file_, surveys_, {}), "no incarnation"));
  surveys_[2].incarnation = 0;
  log_of(101).highest_epoch = INT32_MAX;
  EXPECT_TRUE(says(rebuild(file_, surveys_, {}), "orders-0: no generation"));
}

TEST_F(RebuildTest, WhoeverMayHaveSomethingIsAsked) {
  surveys_.pop_back();
  EXPECT_TRUE(says(rebuild(file_, surveys_, {}), "node 103 has replicas of 1 partitions"));
  EXPECT_EQ(orders(*rebuilt({103})).isr.size(), 1u);
  surveys_[1].cluster_id = "another";
  EXPECT_TRUE(says(rebuild(file_, surveys_, {103}), "node 102 belong to cluster another"));
  surveys_[1] = surveys_[0];
  EXPECT_TRUE(says(rebuild(file_, surveys_, {102, 103}), "node 101 was surveyed twice"));
}

TEST_F(RebuildTest, WhatOnlyOneSideKnowsIsNamed) {
  for (LogSurvey& survey : surveys_) survey.logs.clear();
  surveys_[0].logs.push_back({uuid_of(77), {"late", 2}, 3, 8, 0, 0, false});
  auto image = rebuilt();
  EXPECT_TRUE(orders(*image).isr.empty());
  ASSERT_EQ(notes_.size(), 2u);
  EXPECT_EQ(notes_[0].find("orders-0: no broker has a log of it"), 0u);
  EXPECT_EQ(notes_[1].find("late-2 at node 101"), 0u);
  EXPECT_EQ(image->find("late"), nullptr);
}

TEST_F(RebuildTest, AnExportComesBackAsItWasAndIsReadable) {
  const std::string text = encode_metadata(file_).value();
  EXPECT_NE(text.find("\"topic\":\"orders\""), std::string::npos);
  const MetadataFile back = decode_metadata(text, "file").value();
  ASSERT_EQ(back.records.size(), file_.records.size());
  for (size_t i = 0; i < back.records.size(); ++i) {
    EXPECT_EQ(back.records[i].key, file_.records[i].key);
    EXPECT_TRUE(std::ranges::equal(back.records[i].value->view(), file_.records[i].value->view()));
  }
  EXPECT_FALSE(encode_metadata({})) << "of no cluster";
}

}  // namespace
}  // namespace isthmus::broker
