// isthmus broker|mirror|router: the services.
#include <fmt/core.h>

#include <memory>
#include <optional>

#include "base/log.h"
#include "broker/broker.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "io/real.h"
#include "mirror/mirror.h"
#include "process/broker_config.h"
#include "process/config_file.h"
#include "process/lifecycle.h"
#include "process/logging.h"
#include "process/mirror_config.h"
#include "process/router_config.h"
#include "router/router.h"
#include "zookeeper/session.h"

namespace isthmus::cli {
namespace {

template <typename Config>
using Make = std::unique_ptr<process::Role> (*)(io::Env&, Config);

struct RoleOptions {
  std::string config_file;
  bool print_config = false;
  size_t log_level = log_levels_by_name.size();  // an index there; beyond it: the file says

  std::optional<LogLevel> level() const {
    if (log_level >= log_levels_by_name.size()) return std::nullopt;
    return log_levels_by_name[log_level];
  }
};

size_t loops_of(const process::BrokerConfig& config) {
  return static_cast<size_t>(config.broker.loops);
}
size_t loops_of(const process::MirrorConfig&) { return 1; }
size_t loops_of(const process::RouterConfig&) { return 1; }

Exit print_config(process::Product product, const std::string& text, const std::string& file) {
  Result<std::string> printed = process::print_config(product, text, file);
  if (!printed) return fail_with(printed.error());
  show_document(*printed);
  return Exit::done;
}

// What can be read by others on the machine is no secret; whoever runs this may still want it so.
template <typename Config>
void warn_of_exposed_secrets(Config& config) {
  process::Options table;
  describe(table, config);
  for (const auto& [path, text] : process::exposed_secrets(table)) {
    Logger(LogComponent::process).warn("{}: {}", path, text);
  }
}

template <typename Config>
Exit run(process::Product product, Make<Config> make, const RoleOptions& options) {
  Result<std::string> text = process::read_config_file(options.config_file);
  if (!text) return fail_with(text.error());
  if (options.print_config) return print_config(product, *text, options.config_file);
  Result<Config> config = process::parse_config<Config>(*text, options.config_file);
  if (!config) return fail_with(config.error());

  process::Logging logging(product, config->log, options.level());
  warn_of_exposed_secrets(*config);
  io::Runtime runtime(loops_of(*config));
  const process::RunSettings settings{config->admin, config->tls, options.config_file};
  std::unique_ptr<process::Role> role = make(runtime.env(), std::move(*config));
  Result<void> ended = process::run_role(runtime, *role, logging, settings);
  if (ended) return Exit::done;
  if (logging.format() == LogFormat::text) return fail_with(ended.error());
  Logger(LogComponent::process).error("ends: {}", ended.error().text);
  return Exit::failed;
}

std::unique_ptr<process::Role> make_broker(io::Env& env, process::BrokerConfig config) {
  return broker::make_broker(env, std::move(config),
                             std::make_shared<zookeeper::SessionConnector>());
}

template <typename Config>
void add_role(Command line, process::Product product, const About& about, Make<Config> make) {
  auto options = std::make_shared<RoleOptions>();
  Command command =
      line.command(about, [=](const Common&) { return run<Config>(product, make, *options); });
  command.option("--config", options->config_file, "The YAML file; docs/configuration.md",
                 {.required = true, .type_name = "FILE"});
  command.flag("--print-config", options->print_config,
               "Print the file with all defaults filled in, and end");
  command.option("--log-level", options->log_level,
                 "From where on to log, in place of the file's log.level",
                 {"trace", "debug", "info", "warn", "error"});
}

}  // namespace

void add_roles(Command line) {
  add_role<process::BrokerConfig>(
      line, process::Product::broker,
      {"broker", "A site: keeps topics and groups", "isthmus broker --config config/seoul.yaml"},
      make_broker);
  add_role<process::MirrorConfig>(
      line, process::Product::mirror,
      {"mirror", "Copies between sites", "isthmus mirror --config config/mirror.yaml"},
      mirror::make_mirror);
  add_role<process::RouterConfig>(
      line, process::Product::router,
      {"router", "One address for both sites", "isthmus router --config config/router.yaml"},
      router::make_router);
}

}  // namespace isthmus::cli
