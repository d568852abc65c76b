#include "process/admin_config.h"

#include <fmt/core.h>

#include "kafka/sasl/mechanism.h"

namespace isthmus::process {

namespace {

bool asks_for_certificates(const AdminConfig& c) {
  return c.security.client_auth.value_or(io::ClientAuth::none) != io::ClientAuth::none;
}

std::optional<Problem> user_problem(const AdminConfig& c, const std::string& name,
                                    const AdminUserConfig& user) {
  const std::string path = "admin.users." + name;
  if (!kafka::is_user_name(name)) return Problem{path, "is too long, or no printable text"};
  if (!user.password.file.empty() && !user.password.env.empty()) {
    return Problem{path + ".password", "says both file and env; keep one"};
  }
  // Of "name:password" the first colon parts the two (RFC 7617).
  if (user.password.is_set() && name.find(':') != std::string::npos) {
    return Problem{path, "who has a password has no colon in the name"};
  }
  if (user.password.is_set() || asks_for_certificates(c)) return std::nullopt;
  return Problem{path,
                 "has no password, and nobody is asked for a certificate here; add password: "
                 "{file: PATH}, or ssl.client.auth: requested"};
}

std::optional<Problem> exposed(const AdminConfig& c) {
  if (io::is_loopback(c.bind->host) || (!c.security.tls.empty() && !c.users.empty())) {
    return std::nullopt;
  }
  const char* lacks = c.security.tls.empty() && c.users.empty() ? "tls: NAME and users"
                      : c.security.tls.empty()                  ? "tls: NAME"
                                                                : "users";
  return Problem{"admin.bind",
                 fmt::format("{} is reached by other machines, so it needs {}, as in users: "
                             "{{ops: {{password: {{file: PATH}}, role: operator}}}}; or bind "
                             "127.0.0.1",
                             c.bind->to_string(), lacks)};
}

}  // namespace

ListenerSecurity AdminConfig::listener() const {
  ListenerSecurity listener = security;
  listener.protocol = security.tls.empty() ? SecurityProtocol::plaintext : SecurityProtocol::ssl;
  return listener;
}

void describe(Options& o, AdminUserConfig& c) {
  o.section("password", c.password,
            "The password, as `{file: PATH}` or `{env: NAME}`. A file that changes holds from a "
            "few seconds later on. Without one, the user comes with a certificate of this name.");
  o.choice("role", c.role, {{"viewer", AdminRole::viewer}, {"operator", AdminRole::administrator}},
           "`viewer` reads every page; `operator` may also change things (`POST /reload`, levels "
           "of the log).");
}

void describe(Options& o, AdminConfig& c) {
  o.add("bind", c.bind,
        "Where `/metrics`, `/healthz`, `/readyz`, `/status` and `/log` are served. Without it they "
        "are not "
        "served. What is not loopback needs `tls` and `users`.");
  describe_certificates(o, c.security,
                        "Whether who comes shows a certificate of its own, by whose name it is one "
                        "of `users`. `none` by default.");
  o.map("users", c.users,
        "Who may look, by name: HTTP's Basic authentication, or a certificate. Without any, "
        "everybody who reaches the port may look, and nobody may change anything.");
  o.choices("open", c.open,
            {{"metrics", OpenPage::metrics},
             {"healthz", OpenPage::healthz},
             {"readyz", OpenPage::readyz}},
            "Pages that need no user, where the others do.");
}

std::optional<Problem> problem_of(const AdminConfig& c, const TlsConfigs& tls) {
  const bool says_more = !c.security.tls.empty() || !c.users.empty() || !c.open.empty();
  if (!c.bind) {
    if (!says_more) return std::nullopt;
    return Problem{"admin", "says who may look, and not where; add bind: 127.0.0.1:9644"};
  }
  if (auto problem = exposed(c)) return problem;
  if (c.security.tls.empty() && asks_for_certificates(c)) {
    return Problem{"admin.ssl.client.auth", "certificates need TLS; add tls: NAME"};
  }
  if (auto problem = process::problem_of(c.listener(), false, tls, "admin")) return problem;
  for (const auto& [name, user] : c.users) {
    if (auto problem = user_problem(c, name, user)) return problem;
  }
  if (c.open.empty() || !c.users.empty()) return std::nullopt;
  return Problem{"admin.open", "without users every page is open; add users, or leave this out"};
}

}  // namespace isthmus::process
