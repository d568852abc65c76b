#include "router/status.h"

#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/json.h"

namespace isthmus::router {

namespace {

using Json = nlohmann::json;

Json describe_sites(const Picture& picture, io::Instant now) {
  Json sites = Json::object();
  for (const auto& [name, site] : picture.sites) {
    Json json = {{"reachable", site->reachable()},
                 {"cluster_id", site->cluster().metadata().cluster_id()},
                 {"route_version", site->takeovers().version()}};
    if (!site->trouble().empty()) json["trouble"] = site->trouble();
    if (site->last_contact() != io::Instant{}) {
      const auto age = std::chrono::duration_cast<io::milliseconds>(now - site->last_contact());
      json["age_ms"] = age.count();
    }
    sites[name] = std::move(json);
  }
  return sites;
}

Json describe_nodes(const Picture& picture,
                    const std::vector<std::unique_ptr<Endpoint>>& endpoints) {
  Json nodes = Json::array();
  for (const auto& [id, node] : picture.virtual_cluster.nodes()) {
    const auto serves = [id](const auto& endpoint) { return endpoint->serves(id); };
    const auto found = std::ranges::find_if(endpoints, serves);
    if (found == endpoints.end()) continue;
    const Endpoint& endpoint = **found;
    nodes.push_back({{"id", node.real.id},
                     {"cluster", node.cluster},
                     {"address", node.real.address.to_string()},
                     {"advertised", picture.virtual_cluster.advertised(node).to_string()},
                     {"up", node.listed},
                     {"connections", endpoint.connections(id)},
                     {"requests", endpoint.passed_on(id)}});
  }
  return nodes;
}

Json describe(kafka::CompressionSettings settings) {
  return {{"type", kafka::compression_name(settings.type)}, {"level", settings.level}};
}

// Topics are those with a route of their own.
Json describe_compression(const Routes& routes) {
  Json topics = Json::object();
  for (const auto& [topic, settings] : routes.topic_compressions())
    topics[topic] = describe(settings);
  return {{"default", describe(routes.default_compression())}, {"topics", topics}};
}

// The initial values, beside which stands who has taken over.
Json describe_routes(const Routes& routes) {
  Json versions = Json::object();
  for (const auto& [from, entry] : routes.takeovers().entries()) versions[from] = entry.version;
  return {{"version", routes.takeovers().version()},
          {"default_home", routes.default_home()},
          {"taken_over", routes.takeovers().moved()},
          {"versions", versions},
          {"compression", describe_compression(routes)}};
}

std::string why(const kafka::Takeovers& takeovers, const std::string& by_file) {
  const auto entry = takeovers.entries().find(by_file);
  if (entry == takeovers.entries().end()) return "as in the file";
  const auto& [to, version] = entry->second;
  if (to == by_file) return fmt::format("{} has its routes back (version {})", to, version);
  return fmt::format("{} has taken over the routes of {} (version {})", to, by_file, version);
}

// Each route of the file, and where it leads now.
Json describe_rules(const std::vector<process::Route>& rules, const kafka::Takeovers& takeovers) {
  Json list = Json::array();
  for (const process::Route& route : rules) {
    const bool is_default = !route.fallback.empty();
    const std::string& by_file = is_default ? route.fallback : route.cluster;
    std::string rule = "default: " + by_file;
    if (!is_default) {
      rule = fmt::format("{}, cluster: {}",
                         route.topic.empty() ? "group: " + route.group : "topic: " + route.topic,
                         by_file);
    }
    list.push_back({{"rule", std::move(rule)},
                    {"cluster_by_file", by_file},
                    {"cluster", takeovers.in_charge_of(by_file)},
                    {"why", why(takeovers, by_file)}});
  }
  return list;
}

std::string missing_home(const Picture& picture) {
  for (const auto& [name, site] : picture.sites) {
    if (!site->reachable() && picture.routes.is_home_of_something(name)) {
      return "cluster " + name + " does not answer: " + site->trouble();
    }
  }
  return "";
}

}  // namespace

process::Status status_of(const Picture& picture, const std::vector<process::Route>& rules,
                          const std::vector<std::unique_ptr<Endpoint>>& endpoints,
                          const Overview* overview, io::Instant now) {
  process::Status status;
  status.reason = missing_home(picture);
  status.ready = status.reason.empty();
  Json json = {{"role", "router"},
               {"name", picture.virtual_cluster.name()},
               {"virtual_cluster", picture.virtual_cluster.name()},
               {"cluster_id", picture.virtual_cluster.id()},
               {"clusters", describe_sites(picture, now)},
               {"nodes", describe_nodes(picture, endpoints)},
               {"routes", describe_routes(picture.routes)},
               {"route_rules", describe_rules(rules, picture.routes.takeovers())}};
  if (overview != nullptr) overview->add_to(json);
  status.json = write_json(json);
  return status;
}

}  // namespace isthmus::router
