// isthmus config check|reference: looking at configuration files without starting anything.
#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/commands.h"
#include "cli/config_findings.h"
#include "cli/output.h"
#include "cli/reports.h"
#include "io/real.h"
#include "process/broker_config.h"
#include "process/colleagues_config.h"
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

void list_targets(const process::BrokerConfig& config, Targets& targets) {
  if (!config.broker.zookeeper) return;
  targets.push_back({"broker.metadata", config.broker.zookeeper->connect.servers});
}

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

std::vector<process::Problem> lines_of(const process::BrokerConfig& config) {
  if (!config.broker.zookeeper) return {};
  return process::exposed_lines(*config.broker.zookeeper, "broker.metadata");
}
std::vector<process::Problem> lines_of(const process::MirrorConfig&) { return {}; }
std::vector<process::Problem> lines_of(const process::RouterConfig&) { return {}; }

std::optional<process::Problem> refusal_of(const process::BrokerConfig& config) {
  return process::unnamed_at_colleagues(config);
}
std::optional<process::Problem> refusal_of(const process::MirrorConfig&) { return std::nullopt; }
std::optional<process::Problem> refusal_of(const process::RouterConfig&) { return std::nullopt; }

struct Checked {
  Targets targets;
  std::vector<Finding> findings;
  std::optional<Error> problem;  // that would stop a start
};

// A certificate that has expired stops a start: its row stands among the others' all the same.
template <typename Config>
Result<Checked> check(const std::string& text, const std::string& file) {
  Config config;
  process::Options table;
  describe(table, config);
  Result<process::Places> places = load_yaml(table, text, file);
  if (!places) return fail(places.error());
  Checked checked;
  if (auto problem = validate(config)) checked.problem = places->at(*problem);
  list_targets(config, checked.targets);
  checked.findings = judge_certificates(process::certificate_ends(config.tls), io::wall_time());
  const auto secrets = judge_secrets(process::exposed_secrets(table));
  checked.findings.insert(checked.findings.end(), secrets.begin(), secrets.end());
  const auto lines = judge_lines(lines_of(config));
  checked.findings.insert(checked.findings.end(), lines.begin(), lines.end());
  if (!checked.problem) {
    if (auto refusal = refusal_of(config)) checked.findings.push_back(judge_refusal(*refusal));
  }
  return checked;
}

Result<Checked> check(process::Product product, const std::string& text, const std::string& file) {
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
  Result<Checked> checked = check(*product, *text, file);
  if (!checked) return fail_with(checked.error());

  const bool stops = std::ranges::count(checked->findings, Verdict::stop, &Finding::verdict) > 0;
  Exit outcome = stops ? Exit::failed : Exit::done;
  std::vector<Probe> probes;
  if (connect && !checked->problem) {
    const Exit dialled =
        run_task([&](io::Env& env) { return dial_all(env, std::move(checked->targets), probes); });
    if (!stops) outcome = dialled;
  }
  if (common.json) {
    nlohmann::json report{{"file", file}, {"role", process::to_string(*product)}};
    report["findings"] = json_of(checked->findings);
    if (checked->problem) report["problem"] = checked->problem->text;
    if (connect) report["connections"] = to_json(probes);
    show(report);
  } else {
    Lines out;
    if (!checked->problem && !stops) {
      out.say("{}: right, for a {}", file, process::to_string(*product));
    }
    say_findings(out, checked->findings);
    show(out);
    print_probes(probes);
  }
  return checked->problem ? fail_with(*checked->problem) : outcome;
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
