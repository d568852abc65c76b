// isthmus config check|reference: looking at configuration files without starting anything.
#include <fmt/core.h>

#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/output.h"
#include "process/broker_config.h"
#include "process/config_file.h"
#include "process/mirror_config.h"
#include "process/router_config.h"

namespace isthmus::cli {
namespace {

constexpr auto dial_within = std::chrono::seconds(3);

// Servers of which one has to answer.
struct Target {
  std::string what;
  std::vector<io::Address> servers;
};
using Targets = std::vector<Target>;

struct Probe {
  std::string what;
  std::string server;
  std::string failure;  // empty: it answers
};

void list_targets(const process::BrokerConfig&, Targets&) {}

void list_targets(const process::MirrorConfig& config, Targets& targets) {
  for (const auto& [name, link] : config.links) {
    targets.push_back({"links." + name + ".source", link.source.bootstrap_servers});
    targets.push_back({"links." + name + ".target", link.target.bootstrap_servers});
  }
}

void list_targets(const process::RouterConfig& config, Targets& targets) {
  for (const auto& [name, cluster] : config.clusters) {
    targets.push_back({"clusters." + name, cluster.bootstrap_servers});
    if (!cluster.inside.empty())
      targets.push_back({"clusters." + name + ".inside", cluster.inside});
  }
}

template <typename Config>
Result<Targets> check(const std::string& text, const std::string& file) {
  Result<Config> config = process::parse_config<Config>(text, file);
  if (!config) return fail(config.error());
  Targets targets;
  list_targets(*config, targets);
  return targets;
}

Result<Targets> check(process::Product product, const std::string& text, const std::string& file) {
  switch (product) {
    case process::Product::broker: return check<process::BrokerConfig>(text, file);
    case process::Product::mirror: return check<process::MirrorConfig>(text, file);
    case process::Product::router: return check<process::RouterConfig>(text, file);
  }
  return fail("no such role");
}

// Done if of each target at least one server takes a connection.
io::Task<Exit> dial_all(io::Env& env, Targets targets, std::vector<Probe>& probes) {
  Exit outcome = Exit::done;
  for (const Target& target : targets) {
    bool answered = false;
    for (const io::Address& server : target.servers) {
      const io::Instant deadline = env.main_loop().now() + dial_within;
      auto stream = co_await env.network.dial(server, deadline);
      answered = answered || stream.has_value();
      probes.push_back({target.what, server.to_string(), stream ? "" : stream.error().text});
    }
    if (!answered) outcome = Exit::failed;
  }
  co_return outcome;
}

void print_probes(const std::vector<Probe>& probes) {
  for (const Probe& probe : probes) {
    if (probe.failure.empty()) {
      say("{}: {} answers", probe.what, probe.server);
    } else {
      say("{}: {} does not answer: {}", probe.what, probe.server, probe.failure);
    }
  }
}

nlohmann::json to_json(const std::vector<Probe>& probes) {
  nlohmann::json list = nlohmann::json::array();
  for (const Probe& probe : probes) {
    nlohmann::json entry{{"what", probe.what}, {"server", probe.server}};
    entry["answers"] = probe.failure.empty();
    if (!probe.failure.empty()) entry["failure"] = probe.failure;
    list.push_back(std::move(entry));
  }
  return list;
}

Exit check_file(const std::string& file, bool connect, const Common& common) {
  Result<std::string> text = process::read_config_file(file);
  if (!text) return fail_with(text.error());
  Result<process::Product> product = process::product_of(*text, file);
  if (!product) return fail_with(product.error());
  Result<Targets> targets = check(*product, *text, file);
  if (!targets) return fail_with(targets.error());

  Exit outcome = Exit::done;
  std::vector<Probe> probes;
  if (connect)
    outcome = run_task([&](io::Env& env) { return dial_all(env, std::move(*targets), probes); });
  if (common.json) {
    nlohmann::json report{{"file", file}, {"role", process::to_string(*product)}};
    if (connect) report["connections"] = to_json(probes);
    show(report);
    return outcome;
  }
  say("{}: right, for a {}", file, process::to_string(*product));
  print_probes(probes);
  return outcome;
}

struct CheckOptions {
  std::string file;
  bool connect = false;
};

}  // namespace

void add_config(Command line) {
  Command group = line.group("config", "Looks at configuration files");
  auto options = std::make_shared<CheckOptions>();
  Command check = group.command({"check", "Says what is wrong with a file, without starting it",
                                 "isthmus config check config/mirror.yaml --connect"},
                                [options](const Common& common) {
                                  return check_file(options->file, options->connect, common);
                                });
  check.argument("FILE", options->file, "The YAML file of a broker, a mirror or a router");
  check.flag("--connect", options->connect,
             "Also connect to the clusters that it names; fails if one does not answer");
  group.command({"reference", "Prints every key of every file, as Markdown",
                 "isthmus config reference > docs/configuration.md"},
                [](const Common&) {
                  show_document(process::config_reference());
                  return Exit::done;
                });
}

}  // namespace isthmus::cli
