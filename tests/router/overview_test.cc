// What the page is told of sites and links, made from what sites say of themselves.
#include "router/overview.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/sim/world/world.h"

namespace isthmus::router {
namespace {

using nlohmann::json;
using std::chrono::seconds;

process::RouterConfig two_sites() {
  process::RouterConfig made;
  made.virtual_cluster.name = "corp";
  made.virtual_cluster.ports = {20'000, 20'009};
  made.routes = {{.topic = {}, .group = "g", .fallback = {}, .cluster = "tokyo"},
                 {.topic = {}, .group = {}, .fallback = "seoul", .cluster = {}}};
  for (const char* name : {"seoul", "tokyo"}) {
    auto& cluster = made.clusters[name];
    cluster.bootstrap_servers = cluster.inside = {{name, 9092}};
  }
  return made;
}

class TheOverview : public testing::Test {
 protected:
  TheOverview() {
    for (const auto& [name, cluster] : config.clusters) {
      picture.sites[name] =
          std::make_unique<Site>(process.env(), name, cluster, client::Security{}, [](Site&) {});
    }
  }
  // Tokyo, whose log of the one topic that a link brings ends there.
  views::ClusterAnswers tokyo(Offset end) {
    views::ClusterAnswers told;
    told.name = "tokyo";
    told.metadata.cluster_id = "tokyo's";
    told.metadata.brokers.push_back({201, "tokyo", 9092, std::nullopt});
    auto& site = told.site.emplace();
    site.name = "tokyo";
    site.number = 2;
    site.links.emplace_back();
    site.links.back().name = "seoul-tokyo";
    site.links.back().source_number = 1;
    site.links.back().contact_age_ms = 100;
    site.groups.emplace_back();
    site.groups.back().name = "g";
    site.groups.back().link = "seoul-tokyo";
    site.groups.back().lag_records = 12;
    auto& topic = site.topics.emplace_back();
    topic.name = "orders";
    topic.writer = kafka::WriterKind::link;
    topic.link = "seoul-tokyo";
    auto& partition = topic.partitions.emplace_back();
    partition.end_offset = partition.high_watermark = end;
    partition.source_end_offset = 1000;
    partition.source_age_ms = 50;
    partition.lag_ms = 300;
    partition.mirror_state = kafka::MirrorState::mirroring;
    return told;
  }
  json told() {
    json status = json::object();
    overview.add_to(status);
    return status;
  }

  sim::SimWorld world{1};
  sim::SimProcess& process = world.add_host("router").start_process();
  const process::RouterConfig config = two_sites();
  Picture picture{process.env().main_loop(), config};
  Overview overview{process.env(), picture};
};

TEST_F(TheOverview, ASiteThatHasSaidNothingIsListedWithItsTrouble) {
  const json status = told();
  ASSERT_EQ(status["sites"].size(), 2u);
  EXPECT_EQ(status["sites"][0]["name"], "seoul");
  EXPECT_EQ(status["sites"][0]["reachable"], false);
  EXPECT_EQ(status["sites"][0]["trouble"], "has not answered yet");
  EXPECT_TRUE(status["sites"][0]["told_ms_ago"].is_null());
  EXPECT_TRUE(status["links"].empty());
}

TEST_F(TheOverview, ALinkHasItsLagItsRateAndItsHistory) {
  overview.note(tokyo(900));
  world.run_for(seconds(2));
  overview.note(tokyo(960));
  const json status = told();
  ASSERT_EQ(status["links"].size(), 1u);
  const json& link = status["links"][0];
  EXPECT_EQ(link["name"], "seoul-tokyo");
  EXPECT_EQ(link["lag_records"], 40);
  EXPECT_EQ(link["lag_ms"], 300);
  EXPECT_EQ(link["records_per_s"], 30);
  EXPECT_EQ(link["source_answers"], false) << "seoul has not said anything";
  EXPECT_NE(link["would_lose"].get<std::string>().find("unknown since"), std::string::npos);
  EXPECT_EQ(link["history"]["lag_records"].back(), 100) << "the worst of ten seconds";
  EXPECT_EQ(status["sites"][1]["brokers"][0]["node_id"], 201);
  EXPECT_EQ(status["groups"], json::array({{{"name", "g"},
                                            {"site", "tokyo"},
                                            {"owned_by", "link seoul-tokyo"},
                                            {"lag_records", 12},
                                            {"lag_ms", nullptr}}}));
}

TEST_F(TheOverview, GroupsThatAreFurthestBehindComeFirst) {
  auto told_of_many = tokyo(900);
  auto& groups = told_of_many.site->groups;
  groups.clear();
  for (int i = 0; i < 300; ++i) {
    groups.emplace_back();
    groups.back().name = "g";  // whose home is tokyo, as the file says
    groups.back().lag_ms = i;
  }
  groups.back().name = "elsewhere";  // whose home is seoul
  overview.note(std::move(told_of_many));
  const json status = told();
  EXPECT_EQ(status["groups_count"], 2);
  EXPECT_EQ(status["groups"][0]["name"], "g");
  EXPECT_EQ(status["groups"][1]["name"], "elsewhere");
  EXPECT_TRUE(status["groups"][1]["owned_by"].is_null());
}

// What came is what lies above where it ended, or above where a new log begins.
TEST_F(TheOverview, ARateIsOfWhatHasCome) {
  overview.note(tokyo(900));
  EXPECT_TRUE(told()["links"][0]["records_per_s"].is_null()) << "nobody knows since when";
  world.run_for(seconds(2));
  overview.note(tokyo(10));
  EXPECT_EQ(told()["links"][0]["records_per_s"], 0) << "the topic is another";
  world.run_for(seconds(2));
  auto with_another = tokyo(10);
  auto& partition = with_another.site->topics.back().partitions.emplace_back();
  partition.index = 1;
  partition.start_offset = 5'000'000'000;
  partition.end_offset = 5'000'000'100;
  overview.note(std::move(with_another));
  EXPECT_EQ(told()["links"][0]["records_per_s"], 50);
}

TEST_F(TheOverview, ASiteIsAskedAsItsAnswersAllow) {
  using std::chrono::milliseconds;
  EXPECT_EQ(Overview::pause_after(milliseconds(0), false), seconds(2));
  EXPECT_EQ(Overview::pause_after(milliseconds(150), false), seconds(3));
  EXPECT_EQ(Overview::pause_after(seconds(7), false), seconds(5)) << "the page must not go blind";
  EXPECT_EQ(Overview::pause_after(milliseconds(1), true), milliseconds(200));
  EXPECT_EQ(Overview::pause_after(seconds(7), true), seconds(1));
}

TEST_F(TheOverview, ALinkThatIsGoneIsNotListed) {
  overview.note(tokyo(900));
  auto without = tokyo(900);
  without.site->links.clear();
  overview.note(std::move(without));
  EXPECT_TRUE(told()["links"].empty());
}

}  // namespace
}  // namespace isthmus::router
