// isthmus log: what a process logs, seen and changed at its admin port, while it runs.
#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/crypto.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/table.h"
#include "io/stream.h"
#include "process/fetch_url.h"
#include "process/logging.h"
#include "process/security_config.h"

namespace isthmus::cli {
namespace {

using nlohmann::json;

constexpr size_t longest_answer = 64 * 1024;

struct LogOptions {
  std::vector<std::string> changes;
  std::string admin;
  std::string user;
  std::string password_file;
  std::string ca;
};

// Where the port is, and as whom it is asked.
struct AdminPort {
  std::string url;  // without a path
  std::string authorization;
  std::string ca;
};

Result<std::string> url_of(const LogOptions& options) {
  constexpr std::string_view https = "https://";
  const bool encrypted = options.admin.starts_with(https);
  auto address = io::Address::parse(encrypted ? options.admin.substr(https.size()) : options.admin);
  if (!address) return fail("--admin: " + address.error().text);
  return fmt::format("{}://{}", encrypted || !options.ca.empty() ? "https" : "http",
                     address->to_string());
}

Result<AdminPort> port_of(const LogOptions& options) {
  auto url = url_of(options);
  if (!url) return fail(url.error());
  AdminPort port{.url = std::move(*url), .authorization = {}, .ca = options.ca};
  if (options.user.empty() != options.password_file.empty()) {
    return fail("--admin-user and --admin-password-file go together");
  }
  if (options.user.empty()) return port;
  auto password = process::Secret{.file = options.password_file, .env = {}}.read();
  if (!password) return fail("--admin-password-file: " + password.error().text);
  const std::string login = options.user + ":" + *password;
  port.authorization = "Basic " + encode_base64(as_bytes(login));
  return port;
}

Result<std::string> ask(const AdminPort& port, const char* method, const std::string& path) {
  auto answer = process::ask_http({.method = method,
                                   .url = port.url + path,
                                   .authorization = port.authorization,
                                   .ca = port.ca},
                                  longest_answer);
  if (!answer) return fail(answer.error());
  std::string text = std::move(answer->text);
  if (text.ends_with('\n')) text.pop_back();
  if (answer->status == 200) return text;
  const bool stranger = answer->status == 401 && port.authorization.empty();
  return fail(fmt::format("{} answers {}: {}{}", port.url, answer->status, text,
                          stranger ? " (--admin-user, --admin-password-file)" : ""));
}

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
  auto answer = ask(port, "GET", "/log");
  if (!answer) return fail_with(answer.error());
  const json levels = json::parse(*answer, nullptr, false);
  if (!levels.is_object()) return fail_with(Error::message(port.url + ": /log is no JSON"));
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
  auto port = port_of(options);
  if (!port) return fail_with(port.error());
  for (const std::string& change : options.changes) {
    auto answer = ask(*port, "POST", "/log/" + change);
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
  level.option("--admin", options->admin,
               "The process's admin.bind; https://HOST:PORT where a public authority signs for it",
               {.required = true, .type_name = "HOST:PORT"});
  level.option("--admin-user", options->user,
               "One of its admin.users; to set something, with the role operator");
  level.option("--admin-password-file", options->password_file, "The file with his password",
               {.type_name = "FILE"});
  level.option("--admin-ca", options->ca,
               "Whom to trust (PEM), of a port that has tls; the line is then HTTPS",
               {.type_name = "FILE"});
  group.command({"components", "Lists what may have a level of its own, and what it speaks of",
                 "isthmus log components"},
                [](const Common& common) { return show_components(common.json); });
}

}  // namespace isthmus::cli
