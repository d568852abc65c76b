// RouterConfig: a virtual cluster and the clusters behind it, as its YAML says it
// (config/router.yaml is an example). Plain values; a reload brings a new one. Keys, bounds and
// meaning: router_config.cc.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "io/stream.h"
#include "kafka/recompress.h"
#include "process/admin_config.h"
#include "process/audit_config.h"
#include "process/logging_config.h"
#include "process/options.h"
#include "process/security_config.h"

namespace isthmus::process {

struct PortRange {
  uint16_t first = 0;  // 0 = not set
  uint16_t last = 0;   // inclusive

  size_t size() const { return first == 0 ? 0 : size_t{last} - first + 1; }
  std::string to_string() const;
  static Result<PortRange> parse(const std::string& text);  // "19092-19191", "9093"
};

struct VirtualCluster {
  std::string name;
  std::string advertise;           // the host that clients are told
  std::string bind = "0.0.0.0";    // the host to listen on
  PortRange ports;                 // the first bootstraps, each of the others is one broker
  bool sni = false;                // brokers have names instead, and share the only port
  ListenerSecurity security = {};  // of all ports
};

struct RoutedCluster {
  std::vector<io::Address> bootstrap_servers;
  std::vector<io::Address> inside;  // where the private API is served
  DialSecurity security = {};       // of both
  bool clients_act_as_router = false;
};

// What a route's uncompressed batches cross as. A level may be set for the type alone.
struct RouteCompression {
  kafka::Compression type = kafka::Compression::none;
  std::optional<int64_t> gzip_level;
  std::optional<int64_t> lz4_level;
  std::optional<int64_t> zstd_level;

  kafka::CompressionSettings settings() const;  // REQUIRES: validated
};

// Exactly one of topic, group and fallback is set.
struct Route {
  std::string topic;
  std::string group;
  std::string fallback;               // the cluster of everything that no other route names
  std::string cluster;                // of the topic or group
  RouteCompression compression = {};  // of a topic or the fallback
};

struct SwitchoverConfig {
  std::chrono::milliseconds max_lag = std::chrono::seconds(1);
};

struct RouterConfig {
  VirtualCluster virtual_cluster;
  std::map<std::string, RoutedCluster> clusters;
  std::vector<Route> routes;
  SwitchoverConfig switchover;
  TlsConfigs tls;
  LoggingConfig log;
  AuditConfig audit;
  AdminConfig admin;
};

void describe(Options& o, RouterConfig& c);
std::optional<Problem> validate(const RouterConfig& c);

}  // namespace isthmus::process
