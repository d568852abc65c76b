// isthmus route explain: why a topic or a group goes where it goes.
#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/output.h"
#include "cli/sites.h"
#include "kafka/takeovers.h"
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
  std::string what;                             // "topic orders"
  std::string rule;                             // "{topic: orders, cluster: tokyo}"
  std::string by_yaml;                          // the cluster that the rule names
  std::string cluster;                          // where it goes
  kafka::CompressionSettings compression = {};  // of its batches on the way
};

// What all sites together know of the routes that were taken over.
struct Heard {
  kafka::Takeovers all;
  std::map<std::string, kafka::Takeovers> by_site;

  int64_t version_of(const std::string& cluster) const {
    auto entry = all.entries().find(cluster);
    return entry == all.entries().end() ? 0 : entry->second.version;
  }
  // A site that has the entry in force.
  std::string site_of(const std::string& cluster) const {
    for (const auto& [site, known] : by_site) {
      auto entry = known.entries().find(cluster);
      const bool has = entry != known.entries().end();
      if (has && entry->second == all.entries().at(cluster)) return site;
    }
    return "";
  }
};

std::string rule_of(const std::string& where, const kafka::CompressionSettings& compression) {
  if (compression.type == kafka::Compression::none) return fmt::format("{{{}}}", where);
  return fmt::format("{{{}, compression.type: {}}}", where,
                     kafka::compression_name(compression.type));
}

Explanation explain(const process::RouterConfig& config, const Heard& heard,
                    std::string process::Route::* kind, const char* kind_name,
                    const std::string& name) {
  Explanation out;
  out.what = fmt::format("{} {}", kind_name, name);
  auto route = std::ranges::find(config.routes, name, kind);
  if (route != config.routes.end()) {
    out.by_yaml = route->cluster;
    out.compression = route->compression.settings();
    out.rule = rule_of(fmt::format("{}: {}, cluster: {}", kind_name, name, route->cluster),
                       out.compression);
  } else {
    auto fallback =
        std::ranges::find_if(config.routes, [](const auto& r) { return !r.fallback.empty(); });
    if (fallback != config.routes.end()) {
      out.by_yaml = fallback->fallback;
      if (kind == &process::Route::topic) out.compression = fallback->compression.settings();
    }
    out.rule = rule_of(fmt::format("default: {}", out.by_yaml), out.compression);
  }
  out.cluster = heard.all.in_charge_of(out.by_yaml);
  return out;
}

void print(const Explanation& e, const Heard& heard) {
  say("{} → {}", e.what, e.cluster);
  say("  rule    {}", e.rule);
  if (e.compression.type != kafka::Compression::none) {
    say("  batches {}, level {}, where they come uncompressed",
        kafka::compression_name(e.compression.type), e.compression.level);
  }
  const int64_t version = heard.version_of(e.by_yaml);
  if (version == 0) {
    say("  record  none: nobody has ever taken over the routes of {}", e.by_yaml);
  } else if (e.cluster == e.by_yaml) {
    say("  record  version {}: {} is in charge of its own routes", version, e.by_yaml);
  } else {
    say("  record  version {}, kept at {}: {} has taken over the routes of {}", version,
        heard.site_of(e.by_yaml), e.cluster, e.by_yaml);
  }
}

json to_json(const Explanation& e, const Heard& heard) {
  return {{"what", e.what},
          {"rule", e.rule},
          {"by_yaml", e.by_yaml},
          {"cluster", e.cluster},
          {"compression",
           {{"type", kafka::compression_name(e.compression.type)}, {"level", e.compression.level}}},
          {"route_version", heard.version_of(e.by_yaml)}};
}

io::Task<Exit> run_explain(Sites& sites, Options options, process::RouterConfig config,
                           bool as_json) {
  Heard heard;
  Exit outcome = Exit::done;
  for (const std::string& name : sites.names()) {
    auto site = co_await sites.describe(name, false, false);
    if (!site) {
      complain(site.error().text + "; it may know of later routes");
      outcome = Exit::degraded;
      continue;
    }
    heard.by_site[name] = kafka::takeovers_in(site->routes, site->route_version, site->name);
    heard.all.merge(heard.by_site[name]);
  }
  std::vector<Explanation> explained;
  using process::Route;
  if (!options->topic.empty()) {
    explained.push_back(explain(config, heard, &Route::topic, "topic", options->topic));
  }
  if (!options->group.empty()) {
    explained.push_back(explain(config, heard, &Route::group, "group", options->group));
  }
  json out = json::array();
  for (const Explanation& e : explained) {
    out.push_back(to_json(e, heard));
    if (!as_json) print(e, heard);
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
