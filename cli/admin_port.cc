#include "cli/admin_port.h"

#include <fmt/core.h>

#include "base/crypto.h"
#include "process/security_config.h"

namespace isthmus::cli {

void add_admin_options(Command& command, AdminPortOptions& options, const char* user_text) {
  command.option(
      "--admin", options.admin,
      "The process's admin.bind; https://HOST:PORT where a public authority signs for it",
      {.required = true, .type_name = "HOST:PORT"});
  command.option("--admin-user", options.user, user_text);
  command.option("--admin-password-file", options.password_file, "The file with his password",
                 {.type_name = "FILE"});
  command.option("--admin-ca", options.ca,
                 "Whom to trust (PEM), of a port that has tls; the line is then HTTPS",
                 {.type_name = "FILE"});
}

Result<AdminPort> AdminPort::of(const AdminPortOptions& options) {
  constexpr std::string_view https = "https://";
  const bool encrypted = options.admin.starts_with(https);
  auto address = io::Address::parse(encrypted ? options.admin.substr(https.size()) : options.admin);
  if (!address) return fail("--admin: " + address.error().text);
  AdminPort port(fmt::format("{}://{}", encrypted || !options.ca.empty() ? "https" : "http",
                             address->to_string()),
                 *address);
  port.ca_ = options.ca;
  if (options.user.empty() != options.password_file.empty()) {
    return fail("--admin-user and --admin-password-file go together");
  }
  if (options.user.empty()) return port;
  auto password = process::Secret{.file = options.password_file, .env = {}}.read();
  if (!password) return fail("--admin-password-file: " + password.error().text);
  const std::string login = options.user + ":" + *password;
  port.authorization_ = "Basic " + encode_base64(as_bytes(login));
  return port;
}

Result<process::HttpAnswer> AdminPort::look(const char* method, const std::string& path,
                                            size_t at_most) const {
  return process::ask_http(
      {.method = method, .url = url_ + path, .authorization = authorization_, .ca = ca_}, at_most);
}

Result<std::string> AdminPort::ask(const char* method, const std::string& path,
                                   size_t at_most) const {
  auto answer = look(method, path, at_most);
  if (!answer) return fail(answer.error());
  std::string text = std::move(answer->text);
  if (text.ends_with('\n')) text.pop_back();
  if (answer->status == 200) return text;
  const bool stranger = answer->status == 401 && authorization_.empty();
  return fail(fmt::format("{} answers {}: {}{}", url_, answer->status, text,
                          stranger ? " (--admin-user, --admin-password-file)" : ""));
}

}  // namespace isthmus::cli
