// docker/ holds together: what the Dockerfile copies and runs exists, and the compose file's
// services start roles with configurations that load, reach each other by name, and publish the
// ports that the configurations open.
#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <filesystem>
#include <fstream>
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

TEST(Compose, every_service_mounts_the_configuration_that_it_starts_with) {
  const YAML::Node services = compose()["services"];
  ASSERT_EQ(services.size(), 4u);
  for (const auto& service : services) {
    const auto name = service.first.as<std::string>();
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

TEST(Compose, sites_advertise_their_service_names) {
  std::set<int> numbers;
  for (const std::string name : {"seoul", "tokyo"}) {
    const auto site = load<BrokerConfig>(name + ".yaml");
    EXPECT_EQ(site.cluster.name, name);
    EXPECT_TRUE(numbers.insert(site.cluster.number).second);
    for (const ListenerConfig& listener : site.listeners) {
      EXPECT_EQ(listener.advertised.host, name);
      EXPECT_EQ(listener.bind.host, "0.0.0.0");
      EXPECT_EQ(listener.bind.port, listener.advertised.port);
    }
    EXPECT_EQ(site.broker.log_dirs[0].find("/var/lib/isthmus"), 0u) << "not on the volume";
  }
}

TEST(Compose, mirror_and_router_reach_listeners_that_exist) {
  std::set<io::Address> client, inside;
  for (const std::string name : {"seoul.yaml", "tokyo.yaml"}) {
    for (const ListenerConfig& listener : load<BrokerConfig>(name).listeners) {
      (listener.serves_private_api() ? inside : client).insert(listener.advertised);
    }
  }
  for (const auto& [name, link] : load<MirrorConfig>("mirror.yaml").links) {
    EXPECT_TRUE(inside.contains(link.source.bootstrap_servers[0])) << name;
    EXPECT_TRUE(inside.contains(link.target.bootstrap_servers[0])) << name;
  }
  for (const auto& [name, cluster] : load<RouterConfig>("router.yaml").clusters) {
    EXPECT_TRUE(client.contains(cluster.bootstrap_servers[0])) << name;
    EXPECT_TRUE(inside.contains(cluster.inside[0])) << name;
  }
}

TEST(Compose, router_publishes_the_ports_that_it_opens) {
  const auto router = load<RouterConfig>("router.yaml");
  const std::string ports = router.virtual_cluster.ports.to_string();
  const YAML::Node published = compose()["services"]["router"]["ports"];
  EXPECT_EQ(published[0].as<std::string>(), ports + ":" + ports);
  EXPECT_EQ(router.virtual_cluster.bind, "0.0.0.0");
}

TEST(Compose, image_is_built_from_this_repository) {
  const YAML::Node service = compose()["services"]["seoul"];
  const YAML::Node build = service["build"] ? service["build"] : service["<<"]["build"];
  ASSERT_TRUE(build);
  const auto context = docker_dir / build["context"].as<std::string>();
  EXPECT_TRUE(std::filesystem::equivalent(context, source_dir));
  EXPECT_TRUE(std::filesystem::exists(context / build["dockerfile"].as<std::string>()));
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
      EXPECT_NE(line.find("docker/runtime-packages"), std::string::npos) << line;
      EXPECT_TRUE(std::filesystem::exists(docker_dir / "runtime-packages"));
      ++runs;
    }
  }
  EXPECT_EQ(copies, 1);
  EXPECT_EQ(runs, 1);
}

}  // namespace
}  // namespace isthmus::process
