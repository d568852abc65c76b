// What stands in config/ and docs/configuration.md is what the tables say.
#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "process/broker_config.h"
#include "process/config_file.h"
#include "process/metrics.h"
#include "process/mirror_config.h"
#include "process/router_config.h"

namespace isthmus::process {
namespace {

std::string read(const std::string& name) {
  Result<std::string> text = read_config_file(std::string(SOURCE_DIR) + "/" + name);
  EXPECT_TRUE(text) << text.error().text;
  return text.value_or("");
}

template <typename Config>
Config load(const std::string& name) {
  Result<Config> config = parse_config<Config>(read(name), name);
  EXPECT_TRUE(config) << config.error().text;
  return config.value_or(Config{});
}

TEST(ConfigFiles, seoul_and_tokyo_are_two_sites_of_one_machine) {
  const auto seoul = load<BrokerConfig>("config/seoul.yaml");
  const auto tokyo = load<BrokerConfig>("config/tokyo.yaml");
  EXPECT_EQ(seoul.cluster.name, "seoul");
  EXPECT_EQ(tokyo.cluster.name, "tokyo");
  EXPECT_NE(seoul.cluster.number, tokyo.cluster.number);
  EXPECT_NE(seoul.broker.node_id, tokyo.broker.node_id);
  EXPECT_NE(seoul.broker.log_dirs, tokyo.broker.log_dirs);
  for (const BrokerConfig* site : {&seoul, &tokyo}) {
    ASSERT_EQ(site->listeners.size(), 2u);
    EXPECT_FALSE(site->listeners[0].serves_private_api());
    EXPECT_TRUE(site->listeners[1].serves_private_api());
    EXPECT_TRUE(site->admin.bind);
  }
}

// What the brokers of a site have in common, as text.
std::string common(const BrokerConfig& broker) {
  std::string made = broker.cluster.name + " " + std::to_string(broker.cluster.number) + " " +
                     broker.broker.zookeeper->connect.to_string();
  for (const ListenerConfig& listener : broker.listeners) made += " " + listener.name;
  return made;
}

using Addresses = std::set<io::Address>;

struct Site {
  Addresses client, inside;
};

Site load_site(const std::string& name, std::set<NodeId>& nodes, std::set<std::string>& own) {
  Site site;
  std::set<std::string> in_common;
  for (const int n : {1, 2, 3}) {
    const auto broker =
        load<BrokerConfig>("config/cluster/" + name + "-" + std::to_string(n) + ".yaml");
    EXPECT_EQ(broker.cluster.name, name);
    if (!broker.broker.zookeeper) {
      ADD_FAILURE() << "no ZooKeeper: " << name << n;
      continue;
    }
    in_common.insert(common(broker));
    EXPECT_TRUE(nodes.insert(broker.broker.node_id).second);
    EXPECT_TRUE(own.insert(broker.broker.log_dirs.front()).second);
    EXPECT_TRUE(own.insert(broker.admin.bind->to_string()).second);
    for (const ListenerConfig& listener : broker.listeners) {
      EXPECT_TRUE(own.insert(listener.bind.to_string()).second);
      (listener.serves_private_api() ? site.inside : site.client).insert(listener.advertised);
    }
  }
  EXPECT_EQ(in_common.size(), 1u) << name;
  return site;
}

// With the mirror and the router of two sites of three, which name all brokers.
TEST(ConfigFiles, the_brokers_of_a_cluster_differ_in_themselves_only) {
  std::set<NodeId> nodes;
  std::set<std::string> own;
  const auto mirror = load<MirrorConfig>("config/cluster/mirror.yaml");
  const auto router = load<RouterConfig>("config/cluster/router.yaml");
  const std::string names[] = {"seoul", "tokyo"};
  for (const std::string& name : names) {
    const std::string& other = names[name == names[0] ? 1 : 0];
    const Site site = load_site(name, nodes, own);
    const auto set = [](const auto& addresses) {
      return Addresses(addresses.begin(), addresses.end());
    };
    EXPECT_EQ(set(mirror.links.at(name + "-" + other).source.bootstrap_servers), site.inside);
    EXPECT_EQ(set(mirror.links.at(other + "-" + name).target.bootstrap_servers), site.inside);
    EXPECT_EQ(set(router.clusters.at(name).bootstrap_servers), site.client);
    EXPECT_EQ(set(router.clusters.at(name).inside), site.inside);
  }
  EXPECT_EQ(nodes.size(), 6u);
  EXPECT_GT(router.virtual_cluster.ports.size(), nodes.size());
}

TEST(ConfigFiles, mirror_leads_from_each_site_to_the_other) {
  const auto mirror = load<MirrorConfig>("config/mirror.yaml");
  const auto seoul = load<BrokerConfig>("config/seoul.yaml");
  const auto tokyo = load<BrokerConfig>("config/tokyo.yaml");
  ASSERT_EQ(mirror.links.size(), 2u);
  const LinkConfig& there = mirror.links.at("seoul-tokyo");
  EXPECT_EQ(there.source.bootstrap_servers[0], seoul.listeners[1].bind);
  EXPECT_EQ(there.target.bootstrap_servers[0], tokyo.listeners[1].bind);
  const LinkConfig& back = mirror.links.at("tokyo-seoul");
  EXPECT_EQ(back.source.bootstrap_servers[0], tokyo.listeners[1].bind);
  EXPECT_EQ(back.target.bootstrap_servers[0], seoul.listeners[1].bind);
}

TEST(ConfigFiles, router_knows_both_sites) {
  const auto router = load<RouterConfig>("config/router.yaml");
  const auto seoul = load<BrokerConfig>("config/seoul.yaml");
  const auto tokyo = load<BrokerConfig>("config/tokyo.yaml");
  for (const BrokerConfig* site : {&seoul, &tokyo}) {
    const RoutedCluster& cluster = router.clusters.at(site->cluster.name);
    EXPECT_EQ(cluster.bootstrap_servers[0], site->listeners[0].bind);
    EXPECT_EQ(cluster.inside[0], site->listeners[1].bind);
  }
}

// Every file that a user copies.
TEST(ConfigFiles, each_is_known_for_what_it_is_and_survives_printing) {
  size_t seen = 0;
  for (const auto& file : std::filesystem::recursive_directory_iterator(SOURCE_DIR "/config")) {
    const std::filesystem::path& path = file.path();
    if (!file.is_regular_file()) continue;
    ++seen;
    const std::string name = path.lexically_relative(SOURCE_DIR);
    const std::string stem = path.stem();
    const Product wanted = stem == "mirror"   ? Product::mirror
                           : stem == "router" ? Product::router
                                              : Product::broker;
    const std::string text = read(name);
    const Result<Product> product = product_of(text, name);
    ASSERT_TRUE(product) << name << ": " << product.error().text;
    EXPECT_EQ(*product, wanted) << name;
    // Those name certificates, which have to be there: demo/secure starts everything from them.
    if (path.parent_path().filename() == "secure") continue;
    Result<std::string> printed = print_config(wanted, text, name);
    ASSERT_TRUE(printed) << printed.error().text;
    Result<std::string> again = print_config(wanted, *printed, "printed");
    ASSERT_TRUE(again) << again.error().text;
    EXPECT_EQ(*again, *printed);
  }
  EXPECT_EQ(seen, 16u);
}

TEST(ConfigFiles, a_file_for_nobody_is_refused) {
  Result<Product> product = product_of("a: 1\n", "f.yaml");
  ASSERT_FALSE(product);
  EXPECT_TRUE(product.error().text.starts_with("f.yaml:1:1: has neither broker"))
      << product.error().text;
}

TEST(ConfigFiles, a_file_that_is_not_there_is_named) {
  for (const char* path : {"/no/such/file.yaml", "/tmp"}) {
    Result<std::string> text = read_config_file(path);
    ASSERT_FALSE(text) << path;
    EXPECT_TRUE(text.error().text.starts_with(std::string(path) + ": ")) << text.error().text;
  }
}

TEST(ConfigReference, is_up_to_date) {
  EXPECT_TRUE(read("docs/configuration.md") == config_reference())
      << "run: isthmus config reference > docs/configuration.md";
}

TEST(MetricsReference, is_up_to_date) {
  EXPECT_TRUE(read("docs/metrics.md") == metrics_reference())
      << "run: isthmus metrics > docs/metrics.md";
}

}  // namespace
}  // namespace isthmus::process
