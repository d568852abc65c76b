#include "process/zookeeper_config.h"

#include <fmt/core.h>

namespace isthmus::process {

void describe(Options& o, ZookeeperConfig& c) {
  o.add_custom(
       "zookeeper.connect", "host:port, ..., and a folder",
       [&c](const std::string& text) -> Result<void> {
         auto parsed = zookeeper::ConnectString::parse(text);
         if (!parsed) return fail(parsed.error());
         c.connect = std::move(*parsed);
         return {};
       },
       [&c] { return c.connect.to_string(); },
       "The servers, and behind the last one the folder of this cluster (chroot): "
       "`zk1:2181,zk2:2181,zk3:2181/isthmus`. The same for all brokers of the cluster. The folder "
       "is made if it is not there; without one the metadata lie at the top, as Kafka's.")
      .required();
  o.add("zookeeper.session.timeout.ms", c.session_timeout_ms, {1000, 300'000},
        "After so long without a word from a broker ZooKeeper takes it for dead, within the limits "
        "that its servers set (by default 4 to 40 s).");
  o.add("username", c.username,
        "Whom to log in as (digest). What the cluster keeps in ZooKeeper can then be read and "
        "changed by this user alone; the same for all brokers of the cluster, and from their first "
        "start on.");
  o.section("password", c.password, "The password, as `{file: PATH}` or `{env: NAME}`.");
}

std::optional<Problem> problem_of(const ZookeeperConfig& c, const std::string& path) {
  if (!c.password.file.empty() && !c.password.env.empty()) {
    return Problem{path + ".password", "says both file and env; keep one"};
  }
  if (c.username.empty() != !c.password.is_set()) {
    return Problem{path,
                   "logs in by a name and a password: add both, username: NAME and "
                   "password: {file: PATH}, or none"};
  }
  if (c.username.find(':') == std::string::npos) return std::nullopt;
  return Problem{path + ".username", "must not hold a colon: it ends the name for ZooKeeper"};
}

Result<std::string> digest_of(const ZookeeperConfig& c) {
  if (c.username.empty()) return std::string();
  auto password = c.password.read();
  if (!password) return fail("broker.metadata.password: " + password.error().text);
  return c.username + ":" + *password;
}

std::vector<Problem> exposed_lines(const ZookeeperConfig& c, const std::string& path) {
  std::vector<Problem> found;
  for (const io::Address& server : c.connect.servers) {
    if (io::is_loopback(server.host)) continue;
    found.push_back({path + ".zookeeper.connect",
                     fmt::format("{} is not on this machine, and what goes there is not encrypted",
                                 server.to_string())});
  }
  return found;
}

}  // namespace isthmus::process
