// The keys that say where a broker of several keeps the cluster's metadata.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "process/options.h"
#include "process/security_config.h"
#include "zookeeper/connect_string.h"

namespace isthmus::process {

struct ZookeeperConfig {
  zookeeper::ConnectString connect;
  int64_t session_timeout_ms = 18'000;
  std::string username;  // of the digest scheme; empty: nobody logs in
  Secret password;
};

void describe(Options& o, ZookeeperConfig& c);
std::optional<Problem> problem_of(const ZookeeperConfig& c, const std::string& path);
// "user:password", read now; empty: nobody logs in.
Result<std::string> digest_of(const ZookeeperConfig& c);

// What an operator should know of a file that is right: servers beyond this machine, to which
// everything goes in the clear.
std::vector<Problem> exposed_lines(const ZookeeperConfig& c, const std::string& path);

}  // namespace isthmus::process
