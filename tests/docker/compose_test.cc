// docker/ holds together: what the Dockerfile copies and runs exists, and the compose file's
// services start roles with configurations that load, reach each other by name, and publish the
// ports that the configurations open.
#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "process/broker_config.h"
#include "process/config_file.h"
#include "process/mirror_config.h"
#include "process/router_config.h"

namespace isthmus::process {
namespace {

const std::filesystem::path source_dir = SOURCE_DIR;
const std::filesystem::path docker_dir = source_dir / "docker";

YAML::Node compose() { return YAML::LoadFile(docker_dir / "compose.yaml"); }

template <typename Config>
Config load(const std::string& name) {
  const std::string path = docker_dir / "config" / name;
  Result<std::string> text = read_config_file(path);
  EXPECT_TRUE(text) << text.error().text;
  Result<Config> config = parse_config<Config>(text.value_or(""), path);
  EXPECT_TRUE(config) << config.error().text;
  return config.value_or(Config{});
}

// The host side of "HOST:CONTAINER[:MODE]".
std::string before_colon(const std::string& text) { return text.substr(0, text.find(':')); }
std::string after_colon(const std::string& text) { return text.substr(text.find(':') + 1); }

// Of a service, its own or by its anchor.
YAML::Node build_of(const YAML::Node& service) {
  return service["build"] ? service["build"] : service["<<"]["build"];
}

const std::vector<std::string> sites = {"seoul", "tokyo"};
std::vector<std::string> brokers_of(const std::string& site) {
  return {site + "-1", site + "-2", site + "-3"};
}

TEST(Compose, every_service_mounts_the_configuration_that_it_starts_with) {
  const YAML::Node services = compose()["services"];
  ASSERT_EQ(services.size(), 10u);
  for (const auto& service : services) {
    const auto name = service.first.as<std::string>();
    if (name.ends_with("-zookeeper")) continue;
    const auto command = service.second["command"].as<std::vector<std::string>>();
    ASSERT_EQ(command.size(), 3u) << name;
    EXPECT_EQ(command[1], "--config");
    bool mounted = false;
    for (const YAML::Node& volume : service.second["volumes"]) {
      const auto text = volume.as<std::string>();
      if (!text.starts_with("./")) continue;
      const std::filesystem::path file = docker_dir / before_colon(text);
      EXPECT_TRUE(std::filesystem::exists(file)) << file;
      mounted |= after_colon(text).starts_with(command[2] + ":");

      std::stringstream yaml;
      yaml << std::ifstream(file).rdbuf();
      const Result<Product> product = product_of(yaml.str(), file);
      ASSERT_TRUE(product) << product.error().text;
      EXPECT_EQ(to_string(*product), command[0]) << name;
    }
    EXPECT_TRUE(mounted) << name << ": " << command[2] << " is mounted by no volume";
  }
}

TEST(Compose, named_volumes_are_declared) {
  const YAML::Node file = compose();
  for (const auto& service : file["services"]) {
    for (const YAML::Node& volume : service.second["volumes"]) {
      const std::string host = before_colon(volume.as<std::string>());
      if (!host.starts_with(".")) {
        bool declared = false;
        for (const auto& known : file["volumes"]) declared |= known.first.as<std::string>() == host;
        EXPECT_TRUE(declared) << host;
      }
    }
  }
}

TEST(Compose, brokers_advertise_their_service_names) {
  std::map<std::string, int> numbers;
  std::set<NodeId> nodes;
  for (const std::string& site : sites) {
    for (const std::string& name : brokers_of(site)) {
      const auto broker = load<BrokerConfig>(name + ".yaml");
      EXPECT_EQ(broker.cluster.name, site) << name;
      EXPECT_EQ(numbers.try_emplace(site, broker.cluster.number).first->second,
                broker.cluster.number);
      EXPECT_TRUE(nodes.insert(broker.broker.node_id).second) << name;
      for (const ListenerConfig& listener : broker.listeners) {
        EXPECT_EQ(listener.advertised.host, name);
        EXPECT_EQ(listener.bind.host, "0.0.0.0");
        EXPECT_EQ(listener.bind.port, listener.advertised.port);
      }
      EXPECT_EQ(broker.broker.log_dirs[0].find("/var/lib/isthmus"), 0u) << "not on the volume";
    }
  }
  EXPECT_NE(numbers["seoul"], numbers["tokyo"]);
}

// A site stands with its own ZooKeeper, or one site's loss would be both's.
TEST(Compose, each_site_has_a_zookeeper_of_its_own) {
  const YAML::Node services = compose()["services"];
  std::ifstream file(docker_dir / "Dockerfile");
  const std::string dockerfile(std::istreambuf_iterator<char>(file), {});
  for (const std::string& site : sites) {
    const std::string zookeeper = site + "-zookeeper";
    ASSERT_TRUE(services[zookeeper]);
    const auto target = build_of(services[zookeeper])["target"].as<std::string>();
    EXPECT_NE(dockerfile.find("FROM debian:12-slim AS " + target + "\n"), std::string::npos);
    const auto volume = services[zookeeper]["volumes"][0].as<std::string>();
    EXPECT_NE(dockerfile.find("VOLUME " + after_colon(volume) + "\n"), std::string::npos);
    for (const std::string& name : brokers_of(site)) {
      const auto broker = load<BrokerConfig>(name + ".yaml");
      ASSERT_TRUE(broker.broker.zookeeper) << name;
      const auto& servers = broker.broker.zookeeper->connect.servers;
      ASSERT_EQ(servers.size(), 1u);
      EXPECT_EQ(servers[0].host, zookeeper);
      EXPECT_NE(dockerfile.find("\"" + std::to_string(servers[0].port) + "\", \"" +
                                after_colon(volume) + "\""),
                std::string::npos);
      EXPECT_TRUE(services[name]["depends_on"][zookeeper]) << name;
    }
  }
}

TEST(Compose, mirror_and_router_name_all_brokers_at_listeners_that_exist) {
  std::map<std::string, std::set<io::Address>> client, inside;
  for (const std::string& site : sites) {
    for (const std::string& name : brokers_of(site)) {
      for (const ListenerConfig& listener : load<BrokerConfig>(name + ".yaml").listeners) {
        (listener.serves_private_api() ? inside : client)[site].insert(listener.advertised);
      }
    }
  }
  const auto set = [](const auto& addresses) {
    return std::set<io::Address>(addresses.begin(), addresses.end());
  };
  const auto links = load<MirrorConfig>("mirror.yaml").links;
  EXPECT_EQ(set(links.at("seoul-tokyo").source.bootstrap_servers), inside["seoul"]);
  EXPECT_EQ(set(links.at("seoul-tokyo").target.bootstrap_servers), inside["tokyo"]);
  EXPECT_EQ(set(links.at("tokyo-seoul").source.bootstrap_servers), inside["tokyo"]);
  EXPECT_EQ(set(links.at("tokyo-seoul").target.bootstrap_servers), inside["seoul"]);
  for (const auto& [name, cluster] : load<RouterConfig>("router.yaml").clusters) {
    EXPECT_EQ(set(cluster.bootstrap_servers), client[name]) << name;
    EXPECT_EQ(set(cluster.inside), inside[name]) << name;
  }
}

TEST(Compose, router_publishes_the_ports_that_it_opens) {
  const auto router = load<RouterConfig>("router.yaml");
  const std::string ports = router.virtual_cluster.ports.to_string();
  const YAML::Node published = compose()["services"]["router"]["ports"];
  // Where clients are told to come, and nowhere else: nobody is asked who it is.
  EXPECT_EQ(published[0].as<std::string>(),
            router.virtual_cluster.advertise + ":" + ports + ":" + ports);
  EXPECT_EQ(router.virtual_cluster.advertise, "127.0.0.1");
  EXPECT_GE(router.virtual_cluster.ports.size(), 1u + 6u) << "the bootstrap and each broker";
  EXPECT_EQ(router.virtual_cluster.bind, "0.0.0.0");
}

TEST(Compose, image_is_built_from_this_repository) {
  for (const auto& service : compose()["services"]) {
    const YAML::Node build = build_of(service.second);
    ASSERT_TRUE(build);
    const auto context = docker_dir / build["context"].as<std::string>();
    EXPECT_TRUE(std::filesystem::equivalent(context, source_dir));
    EXPECT_TRUE(std::filesystem::exists(context / build["dockerfile"].as<std::string>()));
  }
}

TEST(Dockerfile, copies_and_runs_what_exists) {
  std::ifstream dockerfile(docker_dir / "Dockerfile");
  int copies = 0, runs = 0;
  for (std::string line; std::getline(dockerfile, line);) {
    std::istringstream words(line);
    std::string verb, first, second;
    words >> verb >> first >> second;
    if (verb == "COPY" && !first.starts_with("--from=")) {
      EXPECT_TRUE(std::filesystem::exists(source_dir / first)) << line;
      ++copies;
    }
    if (verb == "RUN" && first.starts_with("./")) {
      EXPECT_TRUE(std::filesystem::exists(source_dir / first)) << line;
      EXPECT_EQ(line, "RUN ./dev package build/package");
      ++runs;
    }
  }
  EXPECT_EQ(copies, 1);
  EXPECT_EQ(runs, 1);
}

}  // namespace
}  // namespace isthmus::process
