// MirrorConfig: the links that a mirror keeps, as its YAML says them (config/mirror.yaml is an
// example). Plain values; a reload brings a new one. Keys, bounds and meaning: mirror_config.cc.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "io/stream.h"
#include "process/admin_config.h"
#include "process/logging_config.h"
#include "process/options.h"
#include "process/security_config.h"

namespace isthmus::process {

// One end of a link.
struct LinkEnd {
  std::vector<io::Address> bootstrap_servers;
  DialSecurity security = {};
};

enum class LinkMode : uint8_t {
  preserve,  // same topic ids, offsets and bytes; the target is Isthmus
};
enum class LinkStart : uint8_t { earliest, latest };
enum class LinkAcls : uint8_t {
  stay,    // each cluster's own
  follow,  // and users and quotas, from the source to the target
};

struct LinkConfig {
  LinkMode mode = LinkMode::preserve;
  LinkEnd source;
  LinkEnd target;
  // Regular expressions that must match whole names; MirrorMaker 2's names and defaults.
  std::vector<std::string> topics = {".*"};
  std::vector<std::string> topics_exclude;
  std::vector<std::string> groups = {".*"};
  std::vector<std::string> groups_exclude = {"console-consumer-.*", "connect-.*", "__.*"};
  LinkStart start = LinkStart::earliest;
  std::chrono::milliseconds fence = std::chrono::seconds(5);
  std::chrono::milliseconds delete_delay = std::chrono::hours(24);
  LinkAcls acls = LinkAcls::stay;
};

struct MirrorConfig {
  std::map<std::string, LinkConfig> links;  // by name, "<source>-<target>"
  TlsConfigs tls;
  LoggingConfig log;
  AdminConfig admin;
};

void describe(Options& o, MirrorConfig& c);
std::optional<Problem> validate(const MirrorConfig& c);

// The two cluster names of a link's name, or nothing if it is not of the form <source>-<target>.
struct LinkName {
  std::string source;
  std::string target;
};
std::optional<LinkName> parse_link_name(const std::string& name);

}  // namespace isthmus::process
