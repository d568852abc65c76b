#include "process/broker_config.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "kafka/principal.h"
#include "process/colleagues_config.h"
#include "process/fetch_url.h"
#include "process/tls_store.h"

namespace isthmus::process {
namespace {

constexpr int64_t hour_ms = 3'600'000;
constexpr int64_t minute_ms = 60'000;
constexpr int64_t any = std::numeric_limits<int64_t>::max();
constexpr int64_t max_brokers = 1000;
constexpr int64_t any_int = std::numeric_limits<int32_t>::max();  // of a Java int

void describe_log(Options& o, BrokerSettings& c) {
  o.add_bytes("log.segment.bytes", c.log_segment_bytes, {.min = 1 << 20},
              "Size at which a log segment is closed and a new one started. A topic may set its "
              "own `segment.bytes`.");
  o.add("log.roll.hours", c.log_roll_hours, {1, any / hour_ms},
        "Age at which a segment is closed even if it is small.");
  o.add("log.roll.ms", c.log_roll_ms, {.min = 1}, "The same in milliseconds; wins over hours.");
  o.add("log.retention.hours", c.log_retention_hours, {-1, any / hour_ms},
        "How long records are kept; -1 is for ever. A topic may set its own `retention.ms`.");
  o.add("log.retention.minutes", c.log_retention_minutes, {-1, any / minute_ms},
        "The same in minutes; wins over hours.");
  o.add("log.retention.ms", c.log_retention_ms, {.min = -1},
        "The same in milliseconds; wins over minutes.");
  o.add_bytes("log.retention.bytes", c.log_retention_bytes, {.min = -1},
              "How much of a partition is kept; -1 is no limit. Whole segments are deleted, the "
              "oldest first.");
  o.add("log.retention.check.interval.ms", c.log_retention_check_interval_ms, {.min = 1},
        "How often the broker looks for segments to delete.");
  o.choice("log.message.timestamp.type", c.log_message_timestamp_type,
           {{"CreateTime", TimestampType::create_time},
            {"LogAppendTime", TimestampType::log_append_time}},
           "Whether records keep the timestamp of their producer or get the time at which they are "
           "appended. A topic may set its own `message.timestamp.type`.");
  o.add("log.message.timestamp.before.max.ms", c.log_message_timestamp_before_max_ms, {.min = 0},
        "How far behind this broker's clock a producer's timestamp may lie; INVALID_TIMESTAMP "
        "beyond it. A topic may set its own `message.timestamp.before.max.ms`.");
  o.add("log.message.timestamp.after.max.ms", c.log_message_timestamp_after_max_ms, {.min = 0},
        "The same ahead of this broker's clock. A segment with a record far in the future would "
        "outlive any retention.");
  o.add_bytes("storage.reserve", c.storage_reserve, {.min = 0, .max = int64_t{1} << 50},
              "Space of each log directory's file system that records of clients and links leave "
              "free, at most a tenth of it: for metadata, offsets of groups, checkpoints and "
              "deletion. Below it they are answered KAFKA_STORAGE_ERROR until there is more.");
}

void describe_placement(Options& o, BrokerSettings& c) {
  o.add("auto.leader.rebalance.enable", c.auto_leader_rebalance,
        "Whether partitions go back to their preferred leaders, the first of their replicas, once "
        "those are in sync again.");
  o.add("leader.imbalance.check.interval.seconds", c.leader_imbalance_check_interval_s, {1, 86'400},
        "How often the controller looks for that.");
  o.add(
      "leader.imbalance.per.broker.percentage", c.leader_imbalance_percentage, {0, 100},
      "How many of the partitions that a broker should lead others may lead before they go back.");
  o.add("reassignment.partitions.max", c.reassignment_partitions_max, {1, 10'000},
        "Partitions that the controller moves at a time: to a broker that joins, or off one that "
        "is drained. Others wait for their turn.");
  o.add_bytes("reassignment.bandwidth", c.reassignment_bandwidth, {.min = 0},
              "Bytes in a second that this broker copies of partitions that are being added to it; "
              "0 is no limit. What replicas in sync copy is not held back.");
}

void describe_groups(Options& o, BrokerSettings& c) {
  o.add("group.initial.rebalance.delay.ms", c.group_initial_rebalance_delay_ms, {0, 600'000},
        "How long a new group waits for more members before its first assignment.");
  o.add("group.min.session.timeout.ms", c.group_min_session_timeout_ms, {1, any_int},
        "The shortest session that a group member may ask for.");
  o.add("group.max.session.timeout.ms", c.group_max_session_timeout_ms, {1, any_int},
        "The longest session that a group member may ask for.");
  o.add("group.max.size", c.group_max_size, {.min = 1},
        "Members that a group may have; who would be one more gets GROUP_MAX_SIZE_REACHED.");
  o.add_bytes("group.max.member.bytes", c.group_max_member_bytes, {1024, 16 << 20},
              "What a member may say of itself (subscriptions, names) when it joins; who says more "
              "gets GROUP_MAX_SIZE_REACHED. Kafka sets no limit.");
  o.add_bytes("group.max.bytes", c.group_max_bytes, {1024, 64 << 20},
              "What the members of a group and their assignments may take together. 32 times as "
              "much is the limit for all groups of a broker. Kafka's limit is its "
              "`message.max.bytes`.");
  o.add("offsets.topic.num.partitions", c.offsets_topic_num_partitions, {1, 1000},
        "Partitions of `__consumer_offsets`. Do not change it once groups exist: a group's "
        "partition follows from it.");
  o.add("offsets.retention.minutes", c.offsets_retention_minutes, {1, any / minute_ms},
        "How long the offsets of an empty group are kept.");
  o.add("producer.id.expiration.ms", c.producer_id_expiration_ms, {.min = 1},
        "How long an idle producer is remembered for finding duplicates.");
}

void describe_connections(Options& o, BrokerSettings& c) {
  o.add("max.connections", c.max_connections, {.min = 1},
        "Clients that may be connected at once; more are turned away. Lower than Kafka's default, "
        "to stay within the open files of one process; at most what its limit of open files "
        "(LimitNOFILE) leaves when 8,192 of them, or half if there are fewer, are for files.");
  o.add("connections.max.idle.ms", c.connections_max_idle_ms, {.min = 1},
        "A connection that is silent for so long is closed.");
  o.add("connections.max.reauth.ms", c.connections_max_reauth_ms, {.min = 0},
        "How long a log-in by SASL holds at most; a client that does not log in again on its "
        "connection by then (KIP-368) loses it. 0: for ever, but a token's for no longer than it "
        "says.");
  o.add_bytes("socket.request.max.bytes", c.socket_request_max_bytes, {.min = 1024},
              "The largest request; a connection that announces more is closed.");
  o.add_bytes("queued.max.request.bytes", c.queued_max_request_bytes, {.min = 1024},
              "Memory for requests under way, all connections together (Kafka sets no limit). When "
              "it is used up, connections are read again only as requests are answered. Up to half "
              "of it is for requests above 16 KiB of which a part has arrived: those wait for "
              "their turn before the rest is read, and one that does not go on loses its "
              "connection. Fetches and joins that wait, and answers that are not taken, are "
              "counted apart, up to four times as much each.");
}

void describe_colleagues(Options& o, BrokerSettings& c) {
  o.add("inter.broker.listener.name", c.inter_broker_listener,
        "By which of the listeners with `for: [brokers]` the brokers of this cluster reach one "
        "another. The same at all of them; by default the first.");
  o.word_or_section(
      "colleagues", "by_listener", c.colleagues,
      "How this broker speaks to the others of its cluster. `by_listener`: as its own listener "
      "for brokers is spoken to, which the others' are like; where that is by SSL, it shows the "
      "certificate of that listener and trusts its `ca`. A map says otherwise; a log-in by SASL "
      "needs it.",
      "How this broker speaks to the others of its cluster, where its listener for brokers does "
      "not say all of it. The keys are those of a mirror's ends and a router's clusters.");
}

void describe_security(Options& o, BrokerSettings& c) {
  o.choice("authorizer", c.authorizer,
           {{"none", AuthorizerKind::none}, {"acls", AuthorizerKind::acls}},
           "Who may do what. `none`: everyone everything. `acls`: what the cluster's ACLs say, "
           "which `kafka-acls` manages; the rules are those of Kafka's StandardAuthorizer.");
  o.add("super.users", c.super_users,
        "Who may do everything whatever ACLs say, as in `User:admin`. A YAML list where a name "
        "holds a comma (Kafka separates them by semicolons).");
  o.add("allow.everyone.if.no.acl.found", c.allow_everyone_if_no_acl_found,
        "Whether everyone may do everything to what no ACL is for.");
}

void describe_tokens(Options& o, BrokerSettings& c) {
  o.add("sasl.oauthbearer.jwks.endpoint.url", c.oauthbearer_jwks_url,
        "Where the keys are by which tokens are verified (OAUTHBEARER): `file:///PATH` or "
        "`https://HOST/PATH` of a JWKS. RS256 and ES256 count, nothing weaker.");
  o.add("sasl.oauthbearer.jwks.endpoint.refresh.ms", c.oauthbearer_jwks_refresh_ms,
        {10'000, any_int},
        "How often they are read again. A token that names an unknown key has them read sooner.");
  o.add("sasl.oauthbearer.expected.issuer", c.oauthbearer_issuer, "The `iss` of every token.");
  o.add("sasl.oauthbearer.expected.audience", c.oauthbearer_audience,
        "One of these is in the `aud` of every token.");
  o.add("sasl.oauthbearer.sub.claim.name", c.oauthbearer_sub_claim, "Which claim names the user.");
  o.add("sasl.oauthbearer.clock.skew.seconds", c.oauthbearer_clock_skew_s, {0, 3600},
        "How far the provider's clock may differ from ours.");
}

}  // namespace

int64_t BrokerSettings::effective_roll_ms() const {
  return log_roll_ms.value_or(log_roll_hours * hour_ms);
}

int64_t BrokerSettings::effective_retention_ms() const {
  if (log_retention_ms) return *log_retention_ms;
  if (log_retention_minutes)
    return *log_retention_minutes < 0 ? -1 : *log_retention_minutes * minute_ms;
  return log_retention_hours < 0 ? -1 : log_retention_hours * hour_ms;
}

int64_t BrokerSettings::effective_replica_lag_ms() const {
  constexpr int64_t longest_ms = 10'000;
  return std::min(replica_lag_time_max_ms, longest_ms);
}

void describe(Options& o, ClusterIdentity& c) {
  o.add("name", c.name,
        "How people and links call this cluster: letters, digits, dots and "
        "underscores.")
      .required();
  o.add("number", c.number, {1, 32767},
        "Unique among linked clusters and never used again for another: producer ids carry it.")
      .required();
}

void describe(Options& o, BrokerSettings& c) {
  o.add("node.id", c.node_id, {.min = 0}, "This broker's id, unique among all linked clusters.")
      .required();
  o.add("log.dirs", c.log_dirs,
        "Where the data lives: partitions are spread over the folders, metadata is in the first.")
      .required();
  o.word_or_section("metadata", "embedded", c.zookeeper,
                    "Where topics, configurations and epochs are kept. `embedded`: in the first of "
                    "`log.dirs`, for a cluster of one broker. A map names the ZooKeeper that keeps "
                    "them for a cluster of several.",
                    "Where several brokers keep what they have in common.");
  o.choice("durability", c.durability,
           {{"fsync", Durability::fsync}, {"page_cache", Durability::page_cache}},
           "`fsync`: with acks=all a record is on the disk before it is acknowledged (writes of "
           "many clients share one sync). `page_cache`: faster, and Kafka's way; what was "
           "acknowledged last, up to about a segment of each partition, can be lost with the "
           "power.");
  o.add("loops", c.loops, {1, 64},
        "Threads that serve requests: partitions and connections are spread over them.");
  o.add("num.partitions", c.num_partitions, {1, 10'000},
        "Partitions of a topic that is created without saying how many.");
  o.add("default.replication.factor", c.default_replication_factor, {1, max_brokers},
        "Replicas of a partition. By default the number of brokers; another number is not served "
        "yet, and warned of.");
  o.add("min.insync.replicas", c.min_insync_replicas, {1, max_brokers},
        "Replicas that must have a record before acks=all is answered: without it the majority of "
        "a partition's replicas. Topics that are created at this broker get it as their own "
        "`min.insync.replicas`.");
  o.add("replica.lag.time.max.ms", c.replica_lag_time_max_ms, {1, any_int},
        "How long a replica may be without the end of its leader's log before it is in sync no "
        "more, and nobody waits for it; 10 seconds at most count, so that a producer's "
        "`delivery.timeout.ms` does not pass meanwhile.");
  o.add("rack", c.rack,
        "Where this broker stands, as clients are told: a rack, a room, an availability zone.");
  o.choice(
      "replica.selector.class", c.replica_selector,
      {{"org.apache.kafka.common.replica.LeaderSelector", ReplicaSelector::leader},
       {"org.apache.kafka.common.replica.RackAwareReplicaSelector", ReplicaSelector::rack_aware}},
      "From which replica consumers read: from the leader; or, where one says by `client.rack` "
      "where it is, from a replica in sync in that `rack`, a moment behind the leader. The "
      "same at all brokers of the cluster.");
  o.add("auto.create.topics.enable", c.auto_create_topics,
        "Whether naming an unknown topic creates it.");
  o.add_bytes("message.max.bytes", c.message_max_bytes, {.min = 1},
              "The largest record batch. A topic may set its own `max.message.bytes`.");
  describe_placement(o, c);
  describe_log(o, c);
  describe_groups(o, c);
  describe_connections(o, c);
  describe_tokens(o, c);
  describe_colleagues(o, c);
  describe_security(o, c);
}

void describe(Options& o, DialSecurity& c) { describe_security(o, c); }

void describe(Options& o, ListenerConfig& c) {
  o.add("name", c.name, "How logs call it, by custom in capitals.").required();
  o.add("bind", c.bind, "The address to listen on.").required();
  o.add("advertised.listeners", c.advertised,
        "The address that clients are told to use. By default the one it binds.");
  o.choices("for", c.peers,
            {{"brokers", Peer::brokers}, {"mirrors", Peer::mirrors}, {"routers", Peer::routers}},
            "Who connects here besides clients. A listener with this key serves the private API "
            "(append at an offset, fence, promote) beside Kafka's, so bind it where only they can "
            "reach it.");
  describe_security(o, c.security);
}

void describe(Options& o, BrokerConfig& c) {
  o.section("cluster", c.cluster, "Who this cluster is among its linked clusters.");
  o.section("broker", c.broker, "This broker and the defaults of its topics.");
  o.list("listeners", c.listeners, "Where clients, mirrors and routers connect.").required();
  describe_tls(o, c.tls);
  o.section("log", c.log, logging_text);
  o.section("audit", c.audit,
            "Who did what, as a line of JSON each: log-ins, what was refused, and what changes the "
            "cluster. Without a key of this section nothing is written.");
  o.section("admin", c.admin, admin_text);
}

std::optional<std::string> cluster_name_problem(const std::string& name) {
  constexpr size_t longest = 100;
  const bool legal =
      !name.empty() && name.size() <= longest && std::ranges::all_of(name, [](unsigned char c) {
        return std::isalnum(c) || c == '.' || c == '_';
      });
  if (legal) return std::nullopt;
  return fmt::format(
      "\"{}\" is no name for a cluster; use up to {} letters, digits, dots and "
      "underscores (a dash separates the two names of a link)",
      name, longest);
}

namespace {

std::optional<Problem> cluster_name(const BrokerConfig& c) {
  if (auto problem = cluster_name_problem(c.cluster.name)) return Problem{"cluster.name", *problem};
  return std::nullopt;
}

std::optional<Problem> session_bounds(const BrokerConfig& c) {
  if (c.broker.group_min_session_timeout_ms <= c.broker.group_max_session_timeout_ms)
    return std::nullopt;
  return Problem{
      "broker.group.min.session.timeout.ms",
      fmt::format("{} is above group.max.session.timeout.ms, which is {}",
                  c.broker.group_min_session_timeout_ms, c.broker.group_max_session_timeout_ms)};
}

std::optional<Problem> member_fits_group(const BrokerConfig& c) {
  if (c.broker.group_max_member_bytes <= c.broker.group_max_bytes) return std::nullopt;
  return Problem{"broker.group.max.member.bytes",
                 fmt::format("{} is above group.max.bytes, which is {}",
                             c.broker.group_max_member_bytes, c.broker.group_max_bytes)};
}

std::optional<Problem> batch_fits_request(const BrokerConfig& c) {
  if (c.broker.message_max_bytes < c.broker.socket_request_max_bytes) return std::nullopt;
  return Problem{"broker.message.max.bytes",
                 fmt::format("{} must be below socket.request.max.bytes, which is {}: a batch "
                             "arrives inside a request",
                             c.broker.message_max_bytes, c.broker.socket_request_max_bytes)};
}

std::optional<Problem> batch_fits_segment(const BrokerConfig& c) {
  if (c.broker.message_max_bytes <= c.broker.log_segment_bytes) return std::nullopt;
  return Problem{"broker.message.max.bytes",
                 fmt::format("{} is above log.segment.bytes, which is {}: a batch lies in one "
                             "segment",
                             c.broker.message_max_bytes, c.broker.log_segment_bytes)};
}

std::optional<Problem> distinct_listeners(const BrokerConfig& c) {
  std::set<std::string> names;
  std::set<std::string> addresses;
  if (c.admin.bind && c.admin.bind->port != 0) addresses.insert(c.admin.bind->to_string());
  for (size_t i = 0; i < c.listeners.size(); ++i) {
    const ListenerConfig& listener = c.listeners[i];
    const std::string path = fmt::format("listeners[{}]", i);
    if (!names.insert(listener.name).second)
      return Problem{path + ".name", fmt::format("\"{}\" is taken by a listener above; give each "
                                                 "its own",
                                                 listener.name)};
    if (listener.bind.port == 0) continue;  // the system chooses
    if (!addresses.insert(listener.bind.to_string()).second)
      return Problem{path + ".bind", fmt::format("{} is taken by another listener or by admin; "
                                                 "give each its own",
                                                 listener.bind.to_string())};
  }
  return std::nullopt;
}

std::optional<Problem> reachable_addresses(const BrokerConfig& c) {
  for (size_t i = 0; i < c.listeners.size(); ++i) {
    const ListenerConfig& listener = c.listeners[i];
    const bool told = !listener.advertised.host.empty();
    const std::string& host = listener.reachable_at().host;
    if (host != "0.0.0.0" && host != "::") continue;
    return Problem{fmt::format("listeners[{}].{}", i, told ? "advertised.listeners" : "bind"),
                   fmt::format("clients cannot connect to {}; set advertised.listeners to the "
                               "host:port that they use",
                               host)};
  }
  return std::nullopt;
}

std::optional<Problem> secured_listeners(const BrokerConfig& c) {
  for (size_t i = 0; i < c.listeners.size(); ++i) {
    const ListenerConfig& listener = c.listeners[i];
    auto problem = problem_of(listener.security, listener.serves_private_api(), c.tls,
                              fmt::format("listeners[{}]", i));
    if (problem) return problem;
  }
  return std::nullopt;
}

std::optional<Problem> known_tokens(const BrokerConfig& c) {
  const auto& b = c.broker;
  const bool takes_tokens = std::ranges::any_of(c.listeners, [](const ListenerConfig& listener) {
    const auto& offered = listener.security.mechanisms;
    return std::ranges::find(offered, kafka::Mechanism::oauthbearer) != offered.end();
  });
  if (!takes_tokens) return std::nullopt;
  const auto missing = [](const char* key, const char* what) {
    return Problem{fmt::format("broker.{}", key),
                   fmt::format("is needed where OAUTHBEARER is enabled: {}", what)};
  };
  if (b.oauthbearer_jwks_url.empty())
    return missing("sasl.oauthbearer.jwks.endpoint.url", "the provider's keys");
  if (auto why = url_problem(b.oauthbearer_jwks_url); !why.empty())
    return Problem{"broker.sasl.oauthbearer.jwks.endpoint.url", why};
  if (b.oauthbearer_issuer.empty())
    return missing("sasl.oauthbearer.expected.issuer", "whose tokens count");
  if (b.oauthbearer_audience.empty())
    return missing("sasl.oauthbearer.expected.audience", "tokens for others must not");
  return std::nullopt;
}

std::optional<Problem> replicas_of_one(const BrokerConfig& c) {
  if (c.broker.zookeeper || c.broker.default_replication_factor.value_or(1) == 1)
    return std::nullopt;
  return Problem{"broker.default.replication.factor",
                 "a cluster whose metadata are embedded has one broker; leave it out"};
}

std::optional<Problem> usable_zookeeper(const BrokerConfig& c) {
  if (!c.broker.zookeeper) return std::nullopt;
  return problem_of(*c.broker.zookeeper, "broker.metadata");
}

std::optional<Problem> one_audit(const BrokerConfig& c) { return problem_of(c.audit); }
std::optional<Problem> usable_certificates(const BrokerConfig& c) { return problem_of(c.tls); }

std::optional<Problem> guarded_admin(const BrokerConfig& c) { return problem_of(c.admin, c.tls); }

std::optional<Problem> super_users(const BrokerConfig& c) {
  const auto& users = c.broker.super_users;
  for (size_t i = 0; i < users.size(); ++i) {
    const std::string path = fmt::format("broker.super.users[{}]", i);
    if (auto user = kafka::Principal::parse(users[i]); !user)
      return Problem{path, user.error().text};
    if (users[i].find(';') != std::string::npos)
      return Problem{path, fmt::format("\"{}\" is more than one; write a YAML list", users[i])};
  }
  if (users.empty() || c.broker.authorizer != AuthorizerKind::none) return std::nullopt;
  return Problem{"broker.super.users",
                 "without an authorizer everyone may do everything; set authorizer: acls"};
}

}  // namespace

std::optional<Problem> validate(const BrokerConfig& c) {
  constexpr std::optional<Problem> (*rules[])(const BrokerConfig&) = {
      cluster_name,       session_bounds,      member_fits_group,   batch_fits_request,
      batch_fits_segment, distinct_listeners,  reachable_addresses, secured_listeners,
      guarded_admin,      usable_certificates, super_users,         known_tokens,
      one_audit,          usable_zookeeper,    replicas_of_one,     colleagues_problem,
  };
  for (auto rule : rules)
    if (auto problem = rule(c)) return problem;
  return std::nullopt;
}

}  // namespace isthmus::process
