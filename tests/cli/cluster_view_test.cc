// What `cluster describe` concludes from Metadata and DescribeSite.
#include "views/cluster_view.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cli/cluster_report.h"

namespace isthmus::cli {
namespace {

using Nodes = std::vector<NodeId>;

struct Partition {
  NodeId leader = -1;
  Nodes isr;
  Nodes elr = {};
};

// A cluster of 301 to 303, as 303 tells of it; the topic has three replicas of each partition.
class Busan {
 public:
  explicit Busan(const std::vector<Partition>& partitions) {
    answers_.name = "busan";
    answers_.metadata.cluster_id = "B";
    answers_.metadata.controller_id = 301;
    auto& site = answers_.site.emplace();
    site.name = "busan";
    site.number = 3;
    site.controller_id = 303;
    for (const NodeId node : {301, 302, 303}) {
      answers_.metadata.brokers.push_back({node, "k", node, std::nullopt});
      site.brokers.push_back({node, "k", node, "", 2, false, true});
    }
    auto& topic = answers_.metadata.topics.emplace_back();
    topic.name = "orders";
    auto& told = site.topics.emplace_back();
    told.name = "orders";
    for (const Partition& from : partitions) {
      auto& partition = topic.partitions.emplace_back();
      partition.partition_index = static_cast<PartitionIndex>(topic.partitions.size() - 1);
      partition.leader_id = from.leader;
      partition.replica_nodes = {301, 302, 303};
      partition.isr_nodes = from.isr;
      auto& more = told.partitions.emplace_back();
      more.index = partition.partition_index;
      more.min_insync_replicas = 2;
      more.elr = from.elr;
    }
  }
  void fence(NodeId node, bool running = false) {
    std::erase_if(answers_.metadata.brokers, [&](const auto& b) { return b.node_id == node; });
    for (auto& broker : answers_.site->brokers) {
      if (broker.node_id != node) continue;
      broker.fenced = true;
      broker.running = running;
    }
  }
  // The same of a Kafka that has no DescribeSite.
  void is_foreign() { answers_.site.reset(); }
  ClusterAnswers& answers() { return answers_; }
  ClusterView view() const { return view_cluster(answers_); }

 private:
  ClusterAnswers answers_;
};

const std::vector<Partition> all_in_sync = {{301, {301, 302, 303}}, {302, {302, 303, 301}}};

TEST(ClusterView, OfAWholeClusterNothingIsFound) {
  const ClusterView view = Busan(all_in_sync).view();
  EXPECT_TRUE(view.is_whole());
  EXPECT_EQ(summary(view), "OK");
  EXPECT_TRUE(findings_of(view).empty());
  EXPECT_EQ(text_of(view, true).text(),
            "busan(3)  B  OK\n"
            "BROKER  ADDRESS  STARTS  STATE                LEADS  IN SYNC  BEHIND\n"
            "   301  k:301         2  serving                  1      2/2       0\n"
            "   302  k:302         2  serving                  1      2/2       0\n"
            "   303  k:303         2  serving, controller      0      2/2       0\n"
            "3 brokers, 1 topic, 2 partitions: 0 under-replicated, 0 below min.insync.replicas, "
            "0 without a leader\n");
}

TEST(ClusterView, OneBrokerDownIsNamedWithWhatToDo) {
  Busan busan({{303, {303, 302}}, {302, {302, 303}}});
  busan.fence(301);
  const ClusterView view = busan.view();
  EXPECT_FALSE(view.is_whole());
  EXPECT_EQ(summary(view), "DEGRADED: 1 of 3 brokers not serving, 2 of 2 partitions not whole");
  EXPECT_EQ(view.broker(301)->state, BrokerState::fenced);
  EXPECT_EQ(view.broker(301)->address, "k:301");
  EXPECT_EQ(view.broker(301)->behind(), 2u);
  EXPECT_EQ(view.under_replicated, 2u);
  EXPECT_EQ(view.below_min_isr, 0u);
  const auto findings = findings_of(view);
  ASSERT_EQ(findings.size(), 2u);
  EXPECT_EQ(findings[0].text, "broker 301 is fenced: its process is gone, or has lost ZooKeeper");
  EXPECT_EQ(findings[1].verdict, Verdict::warn);
  EXPECT_EQ(findings[1].text,
            "2 partitions are served, with fewer replicas in sync than there are: orders-0, "
            "orders-1");
  EXPECT_EQ(findings[1].next, "bring back 301, and let it catch up");
}

TEST(ClusterView, WhatABrokerThatJoinsHasYetToGetIsTold) {
  Busan busan(all_in_sync);
  auto& answers = busan.answers();
  answers.metadata.brokers.push_back({304, "k", 304, std::nullopt});
  answers.site->brokers.push_back({304, "k", 304, "", 1, false, true});
  constexpr int64_t lacks[] = {3'000'000, 5'000'000};
  for (size_t i = 0; i < 2; ++i) {
    answers.metadata.topics[0].partitions[i].replica_nodes.push_back(304);
    auto& told = answers.site->topics[0].partitions[i];
    told.adding = {304};
    told.bytes_to_go = lacks[i];
  }
  const ClusterView view = busan.view();
  EXPECT_EQ(view.joining, 2u);
  EXPECT_EQ(view.bytes_to_go, 8'000'000);
  EXPECT_EQ(view.broker(304)->behind(), 2u);
  EXPECT_NE(text_of(view, false)
                .text()
                .find("2 partitions on the way to brokers that have yet to get them: 8 MB to go"),
            std::string::npos)
      << text_of(view, false).text();
  EXPECT_EQ(json_of(view, false)["joining"], 2);
  EXPECT_EQ(json_of(view, false)["bytes_to_go"], 8'000'000);
}

TEST(ClusterView, WhoRunsAndLeadsNothingStarts) {
  Busan busan(all_in_sync);
  busan.fence(302, true);
  EXPECT_EQ(busan.view().broker(302)->state, BrokerState::starting);
  EXPECT_FALSE(busan.view().is_whole());
}

TEST(ClusterView, EachPartitionIsFoundInItsWorstKindOnly) {
  Busan busan({{303, {303}}, {-1, {}, {301, 302}}, {303, {303, 302}}, {303, {303, 302, 301}}});
  busan.fence(301);
  const ClusterView view = busan.view();
  EXPECT_EQ(view.under_replicated, 3u);
  EXPECT_EQ(view.below_min_isr, 2u);
  EXPECT_EQ(view.leaderless, 1u);
  const auto findings = findings_of(view);
  ASSERT_EQ(findings.size(), 4u);
  EXPECT_NE(findings[1].text.find("orders-2"), std::string::npos);
  EXPECT_NE(findings[2].text.find("below min.insync.replicas"), std::string::npos);
  EXPECT_NE(findings[2].text.find(": orders-0"), std::string::npos);
  EXPECT_EQ(findings[2].verdict, Verdict::stop);
  EXPECT_EQ(findings[2].next,
            "bring back 301, and let it catch up; 302 serves and is behind: it catches up by "
            "itself; if not, see its log and its disk");
  EXPECT_NE(findings[3].text.find("without a leader"), std::string::npos);
  EXPECT_EQ(findings[3].next,
            "bring back 301, 302: only who was in sync may lead, and the first that serves does");
  const std::string text = text_of(view, true).text();
  EXPECT_NE(text.find("orders-1     none  –        301,302,303  301,302        2\n"),
            std::string::npos)
      << text;
  EXPECT_EQ(text_of(view, false).text().find("PARTITION"), std::string::npos);
}

TEST(ClusterView, ADiskThatHasFailedIsWhereToLook) {
  Busan busan({{-1, {301}}});
  busan.answers().metadata.topics[0].partitions[0].offline_replicas = {301};
  const auto findings = findings_of(busan.view());
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].next,
            "see the log and the disk of 301, with isthmus partition describe orders-0");
}

TEST(ClusterView, WhatIsReadButNotWrittenIsNotWhole) {
  Busan busan({{301, {301, 302, 303}}});
  busan.answers().metadata.topics[0].partitions[0].offline_replicas = {301};
  EXPECT_FALSE(busan.view().is_whole());
  const auto findings = findings_of(busan.view());
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].text,
            "1 partition is read but not written, the disk of the leader has failed: orders-0");
  EXPECT_NE(findings[0].next.find("disk of 301"), std::string::npos);
}

TEST(ClusterView, OfAForeignKafkaIsKnownWhatMetadataSay) {
  Busan busan({{303, {303, 302}}});
  busan.fence(301);
  busan.is_foreign();
  EXPECT_EQ(under_replicated_topics(busan.answers().metadata),
            (std::vector<std::string>{"orders"}));
  const ClusterView view = busan.view();
  EXPECT_FALSE(view.tells_of_all);
  EXPECT_EQ(view.broker(301)->state, BrokerState::away);
  EXPECT_FALSE(view.broker(301)->starts);
  EXPECT_FALSE(view.broker(302)->controller);
  EXPECT_EQ(view.unknown_min_isr, 1u);
  busan.answers().min_insync_replicas["orders"] = 3;
  EXPECT_EQ(busan.view().below_min_isr, 1u);
  EXPECT_EQ(json_of(busan.view(), true)["not_whole"][0]["elr"], nullptr);
}

TEST(ClusterView, AsJsonItSaysTheSame) {
  Busan busan({{303, {303, 302}, {}}, {303, {303, 302, 301}}});
  busan.fence(301);
  const nlohmann::json json = json_of(busan.view(), true);
  EXPECT_EQ(json["whole"], false);
  EXPECT_EQ(json["brokers"][0]["state"], "fenced");
  EXPECT_EQ(json["brokers"][2]["controller"], true);
  EXPECT_EQ(json["under_replicated"], 1);
  EXPECT_EQ(json["not_whole"][0]["partition"], "orders-0");
  EXPECT_EQ(json["not_whole"][0]["isr"], (Nodes{303, 302}));
  EXPECT_FALSE(json_of(busan.view(), false).contains("not_whole"));
}

}  // namespace
}  // namespace isthmus::cli
