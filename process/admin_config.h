// AdminConfig: where a process tells about itself (process/admin.h), and who may look. The same
// section stands in every role's file.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "process/options.h"
#include "process/security_config.h"

namespace isthmus::process {

enum class AdminRole : uint8_t {
  viewer,         // reads every page
  administrator,  // changes things, too ("operator" in the file)
};

// What may be open to everybody.
enum class OpenPage : uint8_t { metrics, healthz, readyz };

struct AdminUserConfig {
  Secret password;  // not set: he comes with a certificate
  AdminRole role = AdminRole::viewer;
};

struct AdminConfig {
  std::optional<io::Address> bind;  // not set: none is served
  ListenerSecurity security = {};   // its tls, client_auth and rules; see listener()
  std::map<std::string, AdminUserConfig> users;
  std::vector<OpenPage> open;

  // How it is spoken to: by TLS where a certificate is named.
  ListenerSecurity listener() const;
};

void describe(Options& o, AdminConfig& c);

// Whoever reaches the port from another machine is told apart, and heard by nobody else.
std::optional<Problem> problem_of(const AdminConfig& c, const TlsConfigs& tls);

inline constexpr const char* admin_text =
    "What this process tells about itself. At an address that other machines reach it wants `tls` "
    "and `users`.";

}  // namespace isthmus::process
