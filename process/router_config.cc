#include "process/router_config.h"

#include <fmt/core.h>

#include <charconv>

#include "process/broker_config.h"
#include "process/tls_store.h"

namespace isthmus::process {
namespace {

constexpr size_t max_ports = 1000;

std::optional<uint16_t> parse_port(std::string_view text) {
  uint16_t port = 0;
  auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || rest != text.data() + text.size() || port == 0) return std::nullopt;
  return port;
}

}  // namespace

kafka::CompressionSettings RouteCompression::settings() const {
  kafka::CompressionSettings settings{type, kafka::levels_of(type).usual};
  for (const auto& level : {gzip_level, lz4_level, zstd_level})
    if (level) settings.level = static_cast<int>(*level);
  return settings;
}

std::string PortRange::to_string() const {
  return first == last ? std::to_string(first) : fmt::format("{}-{}", first, last);
}

Result<PortRange> PortRange::parse(const std::string& text) {
  const size_t dash = text.find('-');
  if (dash == std::string::npos) {
    if (const auto only = parse_port(text)) return PortRange{*only, *only};
  } else {
    const std::optional<uint16_t> first = parse_port(std::string_view(text).substr(0, dash));
    const std::optional<uint16_t> last = parse_port(std::string_view(text).substr(dash + 1));
    if (first && last && *first < *last && *last - *first < static_cast<int>(max_ports))
      return PortRange{*first, *last};
  }
  return fail(fmt::format("\"{}\" is no range of ports; write up to {} of them, as 19092-19191",
                          text, max_ports));
}

void describe(Options& o, VirtualCluster& c) {
  o.add("name", c.name, "The cluster that clients believe to talk to.").required();
  o.add("advertise", c.advertise, "The host name at which clients reach this router.").required();
  o.add("bind", c.bind, "The host to listen on.");
  o.add_custom(
       "ports", "range of ports",
       [&c](const std::string& text) -> Result<void> {
         Result<PortRange> range = PortRange::parse(text);
         if (!range) return fail(range.error());
         c.ports = *range;
         return {};
       },
       [&c] { return c.ports.size() == 0 ? std::string() : c.ports.to_string(); },
       "Where clients connect. The first port is for bootstrapping; each broker behind the router "
       "gets one of the others, so there must be one more port than brokers. With `sni` it is one.")
      .required();
  o.add("sni", c.sni,
        "Brokers are told apart by name instead of by port: broker 101 is advertised as "
        "`b101.<advertise>`, and by the name that a client asks TLS for (SNI) the router knows "
        "which one it means. Any other name, and none, is the bootstrap. All of these names have "
        "to lead here, and the certificate to hold for `<advertise>` and `*.<advertise>`.");
  describe_security(o, c.security);
}

void describe(Options& o, RoutedCluster& c) {
  o.add("bootstrap.servers", c.bootstrap_servers, "Brokers to ask first; they name the others.")
      .required();
  o.add("inside", c.inside,
        "The cluster's listeners with `for: [routers]`, where a router learns of switchovers. "
        "Leave it out for a cluster that is not Isthmus; it then cannot be switched.");
  describe_security(o, c.security);
  o.add("clients_act_as_router", c.clients_act_as_router,
        "Of a cluster without `inside`, where the router knows its clients: whether they may do "
        "there what the router may. Nothing else can be told to such a cluster.");
}

namespace {

void add_level(Options& o, kafka::Compression codec, std::optional<int64_t>& level,
               const char* more) {
  const kafka::Levels levels = kafka::levels_of(codec);
  o.add(fmt::format("compression.{}.level", kafka::compression_name(codec)), level,
        {levels.least, levels.most},
        fmt::format("With `compression.type: {}`; {} without it.{}", kafka::compression_name(codec),
                    levels.usual, more));
}

void describe(Options& o, RouteCompression& c) {
  using kafka::Compression;
  o.choice("compression.type", c.type,
           {{"none", Compression::none},
            {"gzip", Compression::gzip},
            {"lz4", Compression::lz4},
            {"zstd", Compression::zstd}},
           "Of a topic, or of `default`: what producers send uncompressed goes on to the cluster "
           "compressed, whichever has taken the route over. Batches that are compressed already "
           "pass as they are.");
  add_level(o, Compression::gzip, c.gzip_level, "");
  add_level(o, Compression::lz4, c.lz4_level,
            " As in Kafka, 9 is the fast compressor; any other, also a lower one, takes several "
            "times as long.");
  add_level(o, Compression::zstd, c.zstd_level, "");
}

}  // namespace

void describe(Options& o, Route& c) {
  o.add("topic", c.topic, "Exact name of a topic.");
  o.add("group", c.group, "Exact name of a consumer group.");
  o.add("cluster", c.cluster, "Where the topic or group lives.");
  o.add("default", c.fallback, "The cluster of everything that no other route names.");
  describe(o, c.compression);
}

void describe(Options& o, SwitchoverConfig& c) {
  o.add("max_lag", c.max_lag, {0, 600'000},
        "A switchover is not begun while the mirror is further behind.");
}

void describe(Options& o, RouterConfig& c) {
  o.section("virtual_cluster", c.virtual_cluster, "What clients see.");
  o.map("clusters", c.clusters, "The clusters behind it, by name.").required();
  o.list("routes", c.routes,
         "What lives where. Each element has `topic` or `group` with `cluster`, or `default` "
         "without it; the order does not matter, and no name stands twice.")
      .required();
  o.section("switchover", c.switchover, "Limits of a planned switchover.");
  describe_tls(o, c.tls);
  o.section("log", c.log, logging_text);
  o.section(
      "audit", c.audit,
      "Who came, as a line of JSON each: log-ins by SASL, with the address of the client, and "
      "whom TLS has turned away. What they then do stands in the audit of the sites. Without "
      "a key of this section nothing is written.");
  o.section("admin", c.admin, admin_text);
}

namespace {

std::optional<Problem> names(const RouterConfig& c) {
  if (auto problem = cluster_name_problem(c.virtual_cluster.name))
    return Problem{"virtual_cluster.name", *problem};
  for (const auto& [name, cluster] : c.clusters)
    if (auto problem = cluster_name_problem(name)) return Problem{"clusters." + name, *problem};
  return std::nullopt;
}

std::optional<Problem> reachable_address(const RouterConfig& c) {
  const std::string& host = c.virtual_cluster.advertise;
  if (host != "0.0.0.0" && host != "::") return std::nullopt;
  return Problem{"virtual_cluster.advertise",
                 fmt::format("clients cannot connect to {}; write the host that they use", host)};
}

std::optional<Problem> nodes_by_port(const VirtualCluster& c) {
  if (c.ports.size() > 1) return std::nullopt;
  return Problem{"virtual_cluster.ports",
                 fmt::format("{} is one port, and each broker needs one of its own; write several, "
                             "as 19092-19191, or add sni: true",
                             c.ports.to_string())};
}

// Names are told by TLS alone, and made by a label before the host.
std::optional<Problem> nodes_by_name(const VirtualCluster& c) {
  if (!c.security.is_encrypted()) {
    return Problem{"virtual_cluster.sni",
                   "needs security.protocol: SSL or SASL_SSL; without TLS no client says which "
                   "name it wants"};
  }
  if (c.ports.size() != 1) {
    return Problem{
        "virtual_cluster.ports",
        fmt::format("with sni: true all brokers share one port; write ports: {}", c.ports.first)};
  }
  if (!io::canonical_ip(c.advertise)) return std::nullopt;
  return Problem{"virtual_cluster.advertise",
                 fmt::format("with sni: true brokers are named under it, and {} is an address; "
                             "write a host name",
                             c.advertise)};
}

std::optional<Problem> told_apart_nodes(const RouterConfig& c) {
  return c.virtual_cluster.sni ? nodes_by_name(c.virtual_cluster)
                               : nodes_by_port(c.virtual_cluster);
}

std::optional<Problem> route_shapes(const RouterConfig& c) {
  for (size_t i = 0; i < c.routes.size(); ++i) {
    const Route& route = c.routes[i];
    const std::string path = fmt::format("routes[{}]", i);
    const int kinds = !route.topic.empty() + !route.group.empty() + !route.fallback.empty();
    if (kinds != 1) return Problem{path, "a route has exactly one of topic, group and default"};
    if (route.fallback.empty() && route.cluster.empty())
      return Problem{path, "names no cluster; add cluster: NAME"};
    if (!route.fallback.empty() && !route.cluster.empty())
      return Problem{path + ".cluster", "default already names the cluster; leave this out"};
  }
  return std::nullopt;
}

std::optional<Problem> route_targets(const RouterConfig& c) {
  for (size_t i = 0; i < c.routes.size(); ++i) {
    const Route& route = c.routes[i];
    const bool is_default = !route.fallback.empty();
    const std::string& cluster = is_default ? route.fallback : route.cluster;
    if (c.clusters.contains(cluster)) continue;
    return Problem{
        fmt::format("routes[{}].{}", i, is_default ? "default" : "cluster"),
        fmt::format("\"{}\" is not among clusters; add it there or name one of them", cluster)};
  }
  return std::nullopt;
}

std::optional<Problem> route_compression(const RouterConfig& c) {
  using kafka::Compression;
  for (size_t i = 0; i < c.routes.size(); ++i) {
    const RouteCompression& compression = c.routes[i].compression;
    const std::string path = fmt::format("routes[{}].compression.", i);
    if (!c.routes[i].group.empty() && compression.type != Compression::none)
      return Problem{path + "type", "a group has no batches; write it at a topic or at default"};
    const std::pair<Compression, bool> levels[] = {
        {Compression::gzip, compression.gzip_level.has_value()},
        {Compression::lz4, compression.lz4_level.has_value()},
        {Compression::zstd, compression.zstd_level.has_value()}};
    for (const auto& [codec, is_set] : levels) {
      if (!is_set || codec == compression.type) continue;
      const auto name = kafka::compression_name(codec);
      return Problem{fmt::format("{}{}.level", path, name),
                     fmt::format("says nothing unless compression.type is {}, and it is {}", name,
                                 kafka::compression_name(compression.type))};
    }
  }
  return std::nullopt;
}

// Two routes for one name would make the order of the list decide.
std::optional<Problem> route_overlaps(const RouterConfig& c) {
  std::map<std::string, size_t> seen;
  for (size_t i = 0; i < c.routes.size(); ++i) {
    const Route& route = c.routes[i];
    const char* kind = !route.topic.empty() ? "topic" : !route.group.empty() ? "group" : "default";
    const std::string what =
        route.fallback.empty() ? fmt::format("{} {}", kind, route.topic + route.group) : "default";
    auto [first, added] = seen.emplace(what, i);
    if (added) continue;
    return Problem{
        fmt::format("routes[{}].{}", i, kind),
        fmt::format("{} is already routed by routes[{}]; keep one of them", what, first->second)};
  }
  if (!seen.contains("default"))
    return Problem{"routes", "have no default; add - {default: CLUSTER}"};
  return std::nullopt;
}

std::optional<Problem> secured(const RouterConfig& c) {
  auto problem = problem_of(c.virtual_cluster.security, false, c.tls, "virtual_cluster");
  for (const auto& [name, cluster] : c.clusters) {
    if (!problem) problem = problem_of(cluster.security, c.tls, "clusters." + name);
  }
  return problem;
}

// The router must be able to say for whom it asks, and to be told who somebody is.
std::optional<Problem> known_persons(const RouterConfig& c) {
  const ListenerSecurity& edge = c.virtual_cluster.security;
  const bool knows =
      edge.asks_for_log_in() || edge.effective_client_auth(false) != io::ClientAuth::none;
  if (!knows) return std::nullopt;
  for (const auto& [name, cluster] : c.clusters) {
    const std::string path = "clusters." + name;
    if (cluster.inside.empty() && !cluster.clients_act_as_router) {
      return Problem{path,
                     "has no inside, so whoever comes through the router would do there what "
                     "the router may; add inside, or clients_act_as_router: true"};
    }
    if (!cluster.inside.empty() && edge.asks_for_log_in() && cluster.security.logs_in()) {
      return Problem{path + ".security.protocol",
                     "log-ins of clients are passed on to this cluster, so the router itself must "
                     "not log in there: SSL, with a certificate"};
    }
  }
  return std::nullopt;
}

std::optional<Problem> one_audit(const RouterConfig& c) { return problem_of(c.audit); }

std::optional<Problem> usable_certificates(const RouterConfig& c) { return problem_of(c.tls); }

std::optional<Problem> guarded_admin(const RouterConfig& c) { return problem_of(c.admin, c.tls); }

}  // namespace

std::optional<Problem> validate(const RouterConfig& c) {
  constexpr std::optional<Problem> (*rules[])(const RouterConfig&) = {
      names,         reachable_address, told_apart_nodes,    route_shapes,
      route_targets, route_compression, route_overlaps,      secured,
      known_persons, guarded_admin,     usable_certificates, one_audit};
  for (auto rule : rules)
    if (auto problem = rule(c)) return problem;
  return std::nullopt;
}

}  // namespace isthmus::process
