// isthmus route explain: why a topic or a group goes where it goes.
#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/output.h"
#include "cli/sites.h"
#include "process/config_file.h"

namespace isthmus::cli {
namespace {

using nlohmann::json;

struct ExplainOptions {
  std::string config_file;
  std::string topic;
  std::string group;
};
using Options = std::shared_ptr<ExplainOptions>;

struct Explanation {
  std::string what;     // "topic orders"
  std::string rule;     // "{topic: orders, cluster: tokyo}"
  std::string by_yaml;  // the cluster that the rule names
  std::string cluster;  // where it goes
};

// Which cluster has taken over the routes of which, by the newest record that any site has.
struct TakenOver {
  int64_t version = 0;
  std::string from_site;
  std::map<std::string, std::string> clusters;
};

Explanation explain(const process::RouterConfig& config, const TakenOver& taken_over,
                    std::string process::Route::* kind, const char* kind_name,
                    const std::string& name) {
  Explanation out;
  out.what = fmt::format("{} {}", kind_name, name);
  auto route = std::ranges::find(config.routes, name, kind);
  if (route != config.routes.end()) {
    out.by_yaml = route->cluster;
    out.rule = fmt::format("{{{}: {}, cluster: {}}}", kind_name, name, route->cluster);
  } else {
    auto fallback =
        std::ranges::find_if(config.routes, [](const auto& r) { return !r.fallback.empty(); });
    if (fallback != config.routes.end()) out.by_yaml = fallback->fallback;
    out.rule = fmt::format("{{default: {}}}", out.by_yaml);
  }
  auto taken = taken_over.clusters.find(out.by_yaml);
  out.cluster = taken == taken_over.clusters.end() ? out.by_yaml : taken->second;
  return out;
}

void print(const Explanation& e, const TakenOver& taken_over) {
  say("{} → {}", e.what, e.cluster);
  say("  rule    {}", e.rule);
  if (e.cluster == e.by_yaml) {
    say("  record  version {}: {} is in charge of its own routes", taken_over.version, e.by_yaml);
  } else {
    say("  record  version {}, kept at {}: {} has taken over the routes of {}", taken_over.version,
        taken_over.from_site, e.cluster, e.by_yaml);
  }
}

json to_json(const Explanation& e, const TakenOver& taken_over) {
  return {{"what", e.what},
          {"rule", e.rule},
          {"by_yaml", e.by_yaml},
          {"cluster", e.cluster},
          {"route_version", taken_over.version}};
}

io::Task<Exit> run_explain(Sites& sites, Options options, process::RouterConfig config,
                           bool as_json) {
  TakenOver taken_over;
  Exit outcome = Exit::done;
  for (const std::string& name : sites.names()) {
    auto site = co_await sites.describe(name, false, false, look_within);
    if (!site) {
      complain(site.error().text + "; its record of routes may be newer");
      outcome = Exit::degraded;
      continue;
    }
    if (site->route_version < taken_over.version) continue;
    taken_over = {site->route_version, name, {}};
    for (const auto& route : site->routes) taken_over.clusters[route.from] = route.to;
  }
  std::vector<Explanation> explained;
  using process::Route;
  if (!options->topic.empty()) {
    explained.push_back(explain(config, taken_over, &Route::topic, "topic", options->topic));
  }
  if (!options->group.empty()) {
    explained.push_back(explain(config, taken_over, &Route::group, "group", options->group));
  }
  json out = json::array();
  for (const Explanation& e : explained) {
    out.push_back(to_json(e, taken_over));
    if (!as_json) print(e, taken_over);
  }
  if (as_json) show(out);
  co_return outcome;
}

Exit explain_routes(const Options& options, bool as_json) {
  if (options->topic.empty() && options->group.empty()) {
    return fail_with(Error::message("explain what? --topic NAME, --group NAME, or both"));
  }
  Result<std::string> text = process::read_config_file(options->config_file);
  if (!text) return fail_with(text.error());
  auto config = process::parse_config<process::RouterConfig>(*text, options->config_file);
  if (!config) return fail_with(config.error());
  return with_sites({options->config_file, ""}, [&](Sites& sites) {
    return run_explain(sites, options, std::move(*config), as_json);
  });
}

}  // namespace

void add_route(Command line) {
  Command group = line.group("route", "Routes of a router");
  auto options = std::make_shared<ExplainOptions>();
  Command command = group.command(
      {"explain", "Says why a topic or a group goes where it goes",
       "isthmus route explain --topic orders --config config/router.yaml"},
      [options](const Common& common) { return explain_routes(options, common.json); });
  command.option("--config", options->config_file, "The router's YAML file",
                 {.required = true, .type_name = "FILE"});
  command.option("--topic", options->topic, "The topic to explain");
  command.option("--group", options->group, "The group to explain");
}

}  // namespace isthmus::cli
