// isthmus: one program for all roles and all commands.
#include <fmt/core.h>

#include <CLI/CLI.hpp>

#include "cli/commands.h"

namespace {

using isthmus::cli::Chosen;
using isthmus::cli::Exit;

// In the order of --help.
constexpr void (*commands[])(CLI::App&, Chosen&) = {
    isthmus::cli::add_roles,          isthmus::cli::add_config, isthmus::cli::add_topic,
    isthmus::cli::add_consumer_group, isthmus::cli::add_link,   isthmus::cli::add_switchover,
    isthmus::cli::add_failover,       isthmus::cli::add_route,
};

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Kafka on two sites: a broker per site, a mirror between them, a router in front.",
               "isthmus");
  app.require_subcommand(1);
  Chosen chosen;
  for (auto add : commands) add(app, chosen);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& said) {
    // --help comes this way too, as a success.
    return static_cast<int>(app.exit(said) == 0 ? Exit::done : Exit::failed);
  }
  return static_cast<int>(isthmus::cli::run_chosen(chosen));
}
