// What stands in config/ and docs/configuration.md is what the tables say.
#include <gtest/gtest.h>

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

TEST(ConfigFiles, each_is_known_for_what_it_is_and_survives_printing) {
  const std::pair<const char*, Product> files[] = {
      {"config/seoul.yaml", Product::broker},
      {"config/tokyo.yaml", Product::broker},
      {"config/mirror.yaml", Product::mirror},
      {"config/router.yaml", Product::router},
  };
  for (const auto& [name, product] : files) {
    const std::string text = read(name);
    EXPECT_EQ(product_of(text, name), product);
    Result<std::string> printed = print_config(product, text, name);
    ASSERT_TRUE(printed) << printed.error().text;
    Result<std::string> again = print_config(product, *printed, "printed");
    ASSERT_TRUE(again) << again.error().text;
    EXPECT_EQ(*again, *printed);
  }
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
