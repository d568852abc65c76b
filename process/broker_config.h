// BrokerConfig: one site, as its YAML says it (config/seoul.yaml is an example). Plain values, read
// once at start-up; which keys exist, their bounds and meaning stand in broker_config.cc.
//
// Fields under dotted keys have Kafka's unit and default. Where two keys of Kafka say the same
// thing in different units, a function here decides as Kafka does: ms before minutes before hours.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "io/stream.h"
#include "process/admin_config.h"
#include "process/audit_config.h"
#include "process/logging_config.h"
#include "process/options.h"
#include "process/security_config.h"
#include "process/zookeeper_config.h"

namespace isthmus::process {

struct ClusterIdentity {
  std::string name;
  ClusterNumber number = 0;
};

enum class Durability : uint8_t {
  fsync,       // an acknowledged record survives the loss of power
  page_cache,  // it survives the loss of the process
};

enum class AuthorizerKind : uint8_t {
  none,  // everyone may do everything
  acls,
};

enum class TimestampType : uint8_t {
  create_time,  // as the producer says
  log_append_time,
};

enum class ReplicaSelector : uint8_t {
  leader,
  rack_aware,
};

struct BrokerSettings {
  NodeId node_id = 0;
  std::vector<std::string> log_dirs;
  std::optional<ZookeeperConfig> zookeeper;  // not: the metadata are in log_dirs.front()
  Durability durability = Durability::fsync;
  int32_t loops = 1;

  int32_t num_partitions = 4;
  std::optional<int64_t> default_replication_factor;  // not: the number of brokers
  std::optional<int64_t> min_insync_replicas;         // of new topics; not: the majority
  int64_t replica_lag_time_max_ms = 30'000;
  std::string rack;
  ReplicaSelector replica_selector = ReplicaSelector::leader;
  bool auto_create_topics = true;
  int32_t message_max_bytes = 1'048'588;

  int32_t log_segment_bytes = 1 << 30;
  int64_t log_roll_hours = 168;
  std::optional<int64_t> log_roll_ms;
  int64_t log_retention_hours = 168;
  std::optional<int64_t> log_retention_minutes;
  std::optional<int64_t> log_retention_ms;
  int64_t log_retention_bytes = -1;  // per partition; -1 = no limit
  int64_t log_retention_check_interval_ms = 300'000;
  TimestampType log_message_timestamp_type = TimestampType::create_time;
  int64_t log_message_timestamp_before_max_ms = INT64_MAX;
  int64_t log_message_timestamp_after_max_ms = 3'600'000;
  int64_t storage_reserve = 256 << 20;

  int64_t group_initial_rebalance_delay_ms = 3000;
  int64_t group_min_session_timeout_ms = 6000;
  int64_t group_max_session_timeout_ms = 1'800'000;
  int32_t group_max_size = INT32_MAX;
  int32_t group_max_member_bytes = 1 << 20;
  int32_t group_max_bytes = 8 << 20;
  int32_t offsets_topic_num_partitions = 50;
  int64_t offsets_retention_minutes = 10'080;
  int64_t producer_id_expiration_ms = 86'400'000;

  int32_t max_connections = 10'000;
  int64_t connections_max_idle_ms = 600'000;
  int64_t connections_max_reauth_ms = 0;
  std::string oauthbearer_jwks_url;
  int64_t oauthbearer_jwks_refresh_ms = 3'600'000;
  std::string oauthbearer_issuer;
  std::vector<std::string> oauthbearer_audience;
  std::string oauthbearer_sub_claim = "sub";
  int32_t oauthbearer_clock_skew_s = 30;
  int32_t socket_request_max_bytes = 100 << 20;
  int64_t queued_max_request_bytes = 64 << 20;

  AuthorizerKind authorizer = AuthorizerKind::none;
  std::vector<std::string> super_users;  // "User:alice"
  bool allow_everyone_if_no_acl_found = false;

  bool auto_leader_rebalance = true;
  int32_t leader_imbalance_percentage = 10;
  int64_t leader_imbalance_check_interval_s = 300;
  int32_t reassignment_partitions_max = 100;
  int64_t reassignment_bandwidth = 50 << 20;  // bytes in a second; 0 = no limit

  std::string inter_broker_listener;       // empty: the first that is for brokers
  std::optional<DialSecurity> colleagues;  // not: as the own listener for brokers is dialled

  int64_t effective_roll_ms() const;
  int64_t effective_retention_ms() const;  // -1 = for ever
  int64_t effective_replica_lag_ms() const;
};

enum class Peer : uint8_t { brokers, mirrors, routers };

struct ListenerConfig {
  std::string name;
  io::Address bind;
  io::Address advertised;   // no host: not set
  std::vector<Peer> peers;  // not empty: this listener serves the private API to them
  ListenerSecurity security = {};

  // What clients are told.
  const io::Address& reachable_at() const { return advertised.host.empty() ? bind : advertised; }
  bool serves_private_api() const { return !peers.empty(); }
};

struct BrokerConfig {
  ClusterIdentity cluster;
  BrokerSettings broker;
  std::vector<ListenerConfig> listeners;
  TlsConfigs tls;
  LoggingConfig log;
  AuditConfig audit;
  AdminConfig admin;
};

void describe(Options& o, DialSecurity& c);  // of broker.colleagues
void describe(Options& o, BrokerConfig& c);
std::optional<Problem> validate(const BrokerConfig& c);

// Why a name cannot be a cluster's, or nothing. A link is called <source>-<target>, so the names of
// clusters hold no dash.
std::optional<std::string> cluster_name_problem(const std::string& name);

}  // namespace isthmus::process
