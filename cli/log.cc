// isthmus log: what a process logs, seen and changed at its admin port, while it runs.
#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/admin_port.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/table.h"
#include "process/logging.h"

namespace isthmus::cli {
namespace {

using nlohmann::json;

constexpr size_t longest_answer = 64 * 1024;

struct LogOptions {
  std::vector<std::string> changes;
  AdminPortOptions port;
};

// As /log shows it, which is asked for what an answer of another release may lack.
void show_levels(const json& levels) {
  const auto members = levels.value("levels", json::object());
  const auto set = levels.value("until_reload", std::vector<std::string>());
  Table table({{"COMPONENT"}, {"LEVEL"}, {"SET"}});
  for (const auto& [component, level] : members.items()) {
    const bool is_set = std::ranges::find(set, component) != set.end();
    table.add({component, level.get<std::string>(), is_set ? process::until_reload : ""});
  }
  show(table);
}

Exit show_log(const AdminPort& port, bool as_json) {
  auto answer = port.ask("GET", "/log", longest_answer);
  if (!answer) return fail_with(answer.error());
  const json levels = json::parse(*answer, nullptr, false);
  if (!levels.is_object()) return fail_with(Error::message(port.url() + ": /log is no JSON"));
  if (as_json) {
    show(levels);
  } else {
    show_levels(levels);
  }
  return Exit::done;
}

// Nothing is changed where one of the words is wrong.
Exit change_levels(const LogOptions& options, bool as_json) {
  for (const std::string& change : options.changes) {
    auto parsed = process::parse_log_change(change);
    if (!parsed) return fail_with(parsed.error());
  }
  auto port = AdminPort::of(options.port);
  if (!port) return fail_with(port.error());
  for (const std::string& change : options.changes) {
    auto answer = port->ask("POST", "/log/" + change, longest_answer);
    if (!answer) return fail_with(answer.error());
    if (!as_json) say("{}", *answer);
  }
  return options.changes.empty() || as_json ? show_log(*port, as_json) : Exit::done;
}

Exit show_components(bool as_json) {
  Table table({{"COMPONENT"}, {"SPEAKS OF"}});
  json list = json::array();
  for (const LogComponentText& each : log_component_texts()) {
    table.add({each.name, each.text});
    list.push_back({{"component", each.name}, {"text", each.text}});
  }
  if (as_json) {
    show(list);
  } else {
    show(table);
  }
  return Exit::done;
}

}  // namespace

void add_log(Command line) {
  Command group = line.group("log", "What a running process logs");
  auto options = std::make_shared<LogOptions>();
  Command level = group.command(
      {"level",
       "Shows the levels of a process's log, or sets some until its next reload or restart",
       "isthmus log level mirror=debug client=debug --admin 127.0.0.1:9645 --admin-user ops "
       "--admin-password-file ops.password"},
      [options](const Common& common) { return change_levels(*options, common.json); });
  level.arguments("LEVEL", options->changes,
                  "trace, debug, info, warn or error, for all components; COMPONENT=LEVEL for one");
  add_admin_options(level, options->port,
                    "One of its admin.users; to set something, with the role operator");
  group.command({"components", "Lists what may have a level of its own, and what it speaks of",
                 "isthmus log components"},
                [](const Common& common) { return show_components(common.json); });
}

}  // namespace isthmus::cli
