// isthmus: one program for all roles and all commands.
#include "cli/commands.h"

namespace {

using isthmus::cli::Command;

// In the order of --help.
constexpr void (*commands[])(Command) = {
    isthmus::cli::add_roles,         isthmus::cli::add_quickstart,
    isthmus::cli::add_config,        isthmus::cli::add_metrics,
    isthmus::cli::add_cluster_group, isthmus::cli::add_topic,
    isthmus::cli::add_partition,     isthmus::cli::add_consumer_group,
    isthmus::cli::add_link,          isthmus::cli::add_switchover,
    isthmus::cli::add_failover,      isthmus::cli::add_route,
    isthmus::cli::add_tls,           isthmus::cli::add_user,
    isthmus::cli::add_metadata,      isthmus::cli::add_log,
    isthmus::cli::add_top,           isthmus::cli::add_debug,
};

}  // namespace

int main(int argc, char** argv) {
  isthmus::cli::CommandLine line(
      "isthmus",
      "Kafka on two sites: a broker per site, a mirror between them, a router in front.");
  for (auto add : commands) add(line.root());
  return static_cast<int>(line.run(argc, argv));
}
