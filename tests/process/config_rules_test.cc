// The rules across keys: each is broken once, starting from a file that is right.
#include <gtest/gtest.h>

#include <functional>

#include "process/broker_config.h"
#include "process/mirror_config.h"
#include "process/router_config.h"

namespace isthmus::process {
namespace {

template <typename Config>
struct BrokenRule {
  const char* name;
  std::function<void(Config&)> damage;
  const char* path;
};

BrokerConfig good_broker() {
  BrokerConfig c;
  c.cluster = {"seoul", 1};
  c.broker.node_id = 1;
  c.broker.log_dirs = {"/d"};
  c.listeners = {{"CLIENT", {"127.0.0.1", 9092}, {}, {}},
                 {"INSIDE", {"0.0.0.0", 9093}, {"k1", 9093}, {Peer::mirrors}}};
  return c;
}

const BrokenRule<BrokerConfig> broker_cases[] = {
    {"dash_in_name", [](BrokerConfig& c) { c.cluster.name = "new-york"; }, "cluster.name"},
    {"session_bounds", [](BrokerConfig& c) { c.broker.group_min_session_timeout_ms = 1'800'001; },
     "broker.group.min.session.timeout.ms"},
    {"member_above_group", [](BrokerConfig& c) { c.broker.group_max_bytes = 1 << 10; },
     "broker.group.max.member.bytes"},
    {"batch_above_request", [](BrokerConfig& c) { c.broker.socket_request_max_bytes = 1000; },
     "broker.message.max.bytes"},
    {"batch_above_segment",
     [](BrokerConfig& c) {
       c.broker.message_max_bytes = 90 << 20;
       c.broker.log_segment_bytes = 80 << 20;
     },
     "broker.message.max.bytes"},
    {"same_listener_name", [](BrokerConfig& c) { c.listeners[1].name = "CLIENT"; },
     "listeners[1].name"},
    {"same_listener_address", [](BrokerConfig& c) { c.listeners[1].bind = c.listeners[0].bind; },
     "listeners[1].bind"},
    {"admin_on_a_listener", [](BrokerConfig& c) { c.admin.bind = c.listeners[0].bind; },
     "listeners[0].bind"},
    {"unreachable_bind", [](BrokerConfig& c) { c.listeners[0].bind.host = "0.0.0.0"; },
     "listeners[0].bind"},
    {"super_user_without_a_type",
     [](BrokerConfig& c) {
       c.broker.authorizer = AuthorizerKind::acls;
       c.broker.super_users = {"User:a", "alice"};
     },
     "broker.super.users[1]"},
    {"super_users_in_kafkas_way",
     [](BrokerConfig& c) {
       c.broker.authorizer = AuthorizerKind::acls;
       c.broker.super_users = {"User:a;User:b"};
     },
     "broker.super.users[0]"},
    {"super_users_of_nothing", [](BrokerConfig& c) { c.broker.super_users = {"User:a"}; },
     "broker.super.users"},
    {"replicas_of_one", [](BrokerConfig& c) { c.broker.default_replication_factor = 3; },
     "broker.default.replication.factor"},
    {"nobody_for_the_other_brokers", [](BrokerConfig& c) { c.broker.zookeeper.emplace(); },
     "listeners"},
    {"zookeeper_without_a_password",
     [](BrokerConfig& c) { c.broker.zookeeper = ZookeeperConfig{.username = "isthmus"}; },
     "broker.metadata"},
    {"zookeeper_without_a_user",
     [](BrokerConfig& c) { c.broker.zookeeper = ZookeeperConfig{.password = {.env = "PASSWORD"}}; },
     "broker.metadata"},
    {"zookeeper_user_with_a_colon",
     [](BrokerConfig& c) {
       c.broker.zookeeper = ZookeeperConfig{.username = "a:b", .password = {.env = "PASSWORD"}};
     },
     "broker.metadata.username"},
    {"zookeeper_with_two_passwords",
     [](BrokerConfig& c) {
       c.broker.zookeeper =
           ZookeeperConfig{.username = "a", .password = {.file = "/p", .env = "PASSWORD"}};
     },
     "broker.metadata.password"},
    {"two_audits", [](BrokerConfig& c) { c.audit = {"/var/log/audit", true}; }, "audit.to"},
    {"unreachable_advertised", [](BrokerConfig& c) { c.listeners[1].advertised.host = "0.0.0.0"; },
     "listeners[1].advertised.listeners"},
};

MirrorConfig good_mirror() {
  MirrorConfig c;
  c.links["seoul-tokyo"] = {.source = {{{"a", 1}}}, .target = {{{"b", 1}}}};
  return c;
}

// Its source is logged in at by tokens that an endpoint issues.
DialSecurity& asks_for_tokens(MirrorConfig& c) {
  DialSecurity& security = c.links["seoul-tokyo"].source.security;
  security.protocol = SecurityProtocol::sasl_plaintext;
  security.mechanism = kafka::Mechanism::oauthbearer;
  security.token_endpoint = {.url = "https://idp.example/token",
                             .client_id = "mirror",
                             .client_secret = {.file = "", .env = "SECRET"},
                             .scope = ""};
  return security;
}

const BrokenRule<MirrorConfig> mirror_cases[] = {
    {"a_secret_in_plain_text",
     [](MirrorConfig& c) { asks_for_tokens(c).token_endpoint.url = "http://idp.example/token"; },
     "links.seoul-tokyo.source.sasl.oauthbearer.token.endpoint.url"},
    {"tokens_without_a_secret",
     [](MirrorConfig& c) { asks_for_tokens(c).token_endpoint.client_secret = {}; },
     "links.seoul-tokyo.source"},
    {"tokens_for_nobody", [](MirrorConfig& c) { asks_for_tokens(c).token_endpoint.client_id = ""; },
     "links.seoul-tokyo.source"},
    {"a_token_beside_its_endpoint",
     [](MirrorConfig& c) { asks_for_tokens(c).token.file = "/run/secrets/token"; },
     "links.seoul-tokyo.source.token"},
    {"tokens_without_a_log_in",
     [](MirrorConfig& c) {
       DialSecurity& security = asks_for_tokens(c);
       security.protocol = SecurityProtocol::plaintext;
       security.mechanism.reset();
     },
     "links.seoul-tokyo.source"},
    {"tokens_beside_passwords",
     [](MirrorConfig& c) { asks_for_tokens(c).mechanism = kafka::Mechanism::plain; },
     "links.seoul-tokyo.source.sasl.oauthbearer.token.endpoint.url"},
    {"a_client_without_an_endpoint",
     [](MirrorConfig& c) { asks_for_tokens(c).token_endpoint.url = ""; },
     "links.seoul-tokyo.source"},
    {"admin_for_everybody", [](MirrorConfig& c) { c.admin.bind = {"0.0.0.0", 9644}; },
     "admin.bind"},
    {"admin_without_tls",
     [](MirrorConfig& c) {
       c.admin.bind = {"192.0.2.1", 9644};
       c.admin.users["ops"].password.file = "/p";
     },
     "admin.bind"},
    {"admin_without_users",
     [](MirrorConfig& c) {
       c.admin.bind = {"mirror.example", 9644};
       c.admin.security.tls = "edge";
       c.tls["edge"] = {.certificate = "/c", .key = {.file = "/k"}};
     },
     "admin.bind"},
    {"admin_with_an_unknown_certificate",
     [](MirrorConfig& c) {
       c.admin.bind = {"0.0.0.0", 9644};
       c.admin.security.tls = "egde";
       c.admin.users["ops"].password.file = "/p";
     },
     "admin.tls"},
    {"admin_user_without_a_password",
     [](MirrorConfig& c) {
       c.admin.bind = {"127.0.0.1", 9644};
       c.admin.users["ops"] = {};
     },
     "admin.users.ops"},
    {"admin_user_with_a_colon",
     [](MirrorConfig& c) {
       c.admin.bind = {"127.0.0.1", 9644};
       c.admin.users["o:ps"].password.file = "/p";
     },
     "admin.users.o:ps"},
    {"admin_user_with_two_passwords",
     [](MirrorConfig& c) {
       c.admin.bind = {"127.0.0.1", 9644};
       c.admin.users["ops"].password = {"/p", "P"};
     },
     "admin.users.ops.password"},
    {"admin_certificates_without_tls",
     [](MirrorConfig& c) {
       c.admin.bind = {"127.0.0.1", 9644};
       c.admin.security.client_auth = io::ClientAuth::requested;
     },
     "admin.ssl.client.auth"},
    {"admin_open_for_those_who_may_anyway",
     [](MirrorConfig& c) {
       c.admin.bind = {"127.0.0.1", 9644};
       c.admin.open = {OpenPage::metrics};
     },
     "admin.open"},
    {"admin_users_of_nothing", [](MirrorConfig& c) { c.admin.users["ops"].password.file = "/p"; },
     "admin"},
    {"name_without_dash", [](MirrorConfig& c) { c.links["seoul"] = c.links["seoul-tokyo"]; },
     "links.seoul"},
    {"name_with_two_dashes", [](MirrorConfig& c) { c.links["a-b-c"] = c.links["seoul-tokyo"]; },
     "links.a-b-c"},
    {"to_itself", [](MirrorConfig& c) { c.links["a-a"] = c.links["seoul-tokyo"]; }, "links.a-a"},
    {"same_server",
     [](MirrorConfig& c) { c.links["seoul-tokyo"].target.bootstrap_servers.push_back({"a", 1}); },
     "links.seoul-tokyo.target.bootstrap.servers"},
    {"bad_pattern", [](MirrorConfig& c) { c.links["seoul-tokyo"].groups_exclude = {"ok", "("}; },
     "links.seoul-tokyo.groups.exclude"},
};

RouterConfig good_router() {
  RouterConfig c;
  c.virtual_cluster = {"corp", "k.corp", "0.0.0.0", {100, 200}};
  c.clusters["seoul"] = {{{"a", 1}}, {}};
  c.clusters["tokyo"] = {{{"b", 1}}, {}};
  c.routes = {{"orders", "", "", "tokyo"}, {"", "orders", "", "tokyo"}, {"", "", "seoul", ""}};
  return c;
}

const BrokenRule<RouterConfig> router_cases[] = {
    {"virtual_name", [](RouterConfig& c) { c.virtual_cluster.name = ""; }, "virtual_cluster.name"},
    {"cluster_name", [](RouterConfig& c) { c.clusters["x-y"] = {}; }, "clusters.x-y"},
    {"unreachable", [](RouterConfig& c) { c.virtual_cluster.advertise = "0.0.0.0"; },
     "virtual_cluster.advertise"},
    {"topic_and_group", [](RouterConfig& c) { c.routes[0].group = "g"; }, "routes[0]"},
    {"neither", [](RouterConfig& c) { c.routes[0].topic = ""; }, "routes[0]"},
    {"no_cluster", [](RouterConfig& c) { c.routes[1].cluster = ""; }, "routes[1]"},
    {"default_with_cluster", [](RouterConfig& c) { c.routes[2].cluster = "tokyo"; },
     "routes[2].cluster"},
    {"unknown_cluster", [](RouterConfig& c) { c.routes[1].cluster = "osaka"; },
     "routes[1].cluster"},
    {"unknown_default", [](RouterConfig& c) { c.routes[2].fallback = "osaka"; },
     "routes[2].default"},
    {"topic_twice", [](RouterConfig& c) { c.routes.push_back(c.routes[0]); }, "routes[3].topic"},
    {"default_twice", [](RouterConfig& c) { c.routes.push_back({"", "", "tokyo", ""}); },
     "routes[3].default"},
    {"no_default", [](RouterConfig& c) { c.routes.pop_back(); }, "routes"},
    {"a_cluster_that_is_told_of_nobody",
     [](RouterConfig& c) {
       c.virtual_cluster.security.protocol = SecurityProtocol::sasl_plaintext;
       c.virtual_cluster.security.mechanisms = {kafka::Mechanism::scram_sha_512};
       c.clusters["seoul"].inside = {{"a", 2}};
     },
     "clusters.tokyo"},
    {"log_ins_over_a_log_in",
     [](RouterConfig& c) {
       c.virtual_cluster.security.protocol = SecurityProtocol::sasl_plaintext;
       c.virtual_cluster.security.mechanisms = {kafka::Mechanism::scram_sha_512};
       for (auto& [name, cluster] : c.clusters) {
         cluster.inside = {{name, 2}};
         cluster.security.protocol = SecurityProtocol::sasl_plaintext;
         cluster.security.mechanism = kafka::Mechanism::scram_sha_512;
         cluster.security.username = "router";
         cluster.security.password.env = "PASSWORD";
       }
     },
     "clusters.seoul.security.protocol"},
    {"compressed_group",
     [](RouterConfig& c) { c.routes[1].compression.type = kafka::Compression::lz4; },
     "routes[1].compression.type"},
    {"level_without_type", [](RouterConfig& c) { c.routes[0].compression.lz4_level = 9; },
     "routes[0].compression.lz4.level"},
    {"level_of_another_type",
     [](RouterConfig& c) {
       c.routes[2].compression = {.type = kafka::Compression::zstd, .gzip_level = 1};
     },
     "routes[2].compression.gzip.level"},
    {"level_of_a_group", [](RouterConfig& c) { c.routes[1].compression.zstd_level = 3; },
     "routes[1].compression.zstd.level"},
};

std::string router_with(const std::string& route) {
  return "virtual_cluster: {name: corp, advertise: k, ports: 100-200}\n"
         "clusters: {seoul: {bootstrap.servers: \"h:1\"}}\n"
         "routes:\n"
         "  - {default: seoul}\n"
         "  - {topic: orders, cluster: seoul" +
         route + "}\n";
}

TEST(RouteCompression, is_off_unless_a_route_says_otherwise) {
  const auto config = parse_config<RouterConfig>(router_with(""), "f.yaml");
  ASSERT_TRUE(config) << config.error().text;
  for (const Route& route : config->routes)
    EXPECT_EQ(route.compression.settings(), kafka::CompressionSettings{});
}

TEST(RouteCompression, each_type_has_kafkas_default_and_levels_of_its_own) {
  using kafka::Compression;
  const std::pair<const char*, kafka::CompressionSettings> cases[] = {
      {", compression.type: gzip", {Compression::gzip, 6}},
      {", compression.type: lz4", {Compression::lz4, 9}},
      {", compression.type: zstd", {Compression::zstd, 3}},
      {", compression.type: gzip, compression.gzip.level: 1", {Compression::gzip, 1}},
      {", compression.type: lz4, compression.lz4.level: 17", {Compression::lz4, 17}},
      {", compression.zstd.level: 19, compression.type: zstd", {Compression::zstd, 19}},
  };
  for (const auto& [route, settings] : cases) {
    const auto config = parse_config<RouterConfig>(router_with(route), "f.yaml");
    ASSERT_TRUE(config) << config.error().text;
    EXPECT_EQ(config->routes[1].compression.settings(), settings) << route;
    EXPECT_EQ(config->routes[0].compression.settings().type, Compression::none);
  }
}

TEST(RouteCompression, what_is_wrong_with_it_is_one_line) {
  const std::pair<const char*, const char*> cases[] = {
      {", compression.type: snappy",
       "f.yaml:5:55: routes[1].compression.type: \"snappy\" is not known; one of none, gzip, lz4, "
       "zstd is right"},
      {", compression.type: zstd, compression.zstd.level: 20",
       "f.yaml:5:85: routes[1].compression.zstd.level: 20 is out of bounds; 1 to 19 is right"},
      {", compression.type: lz4, compression.lz4.level: 0",
       "f.yaml:5:83: routes[1].compression.lz4.level: 0 is out of bounds; 1 to 17 is right"},
      {", compression.zstd.level: 3",
       "f.yaml:5:37: routes[1].compression.zstd.level: says nothing unless compression.type is "
       "zstd, and it is none"},
      {", compression.level: 3", nullptr},
  };
  for (const auto& [route, line] : cases) {
    const auto config = parse_config<RouterConfig>(router_with(route), "f.yaml");
    ASSERT_FALSE(config) << route;
    if (line != nullptr) {
      EXPECT_EQ(config.error().text, line);
    } else {
      EXPECT_NE(config.error().text.find("routes[1].compression.level: unknown key"),
                std::string::npos)
          << config.error().text;
    }
  }
}

template <typename Config>
void expect_found(Config config, const BrokenRule<Config>& broken) {
  ASSERT_FALSE(validate(config)) << validate(config)->text;
  broken.damage(config);
  std::optional<Problem> problem = validate(config);
  ASSERT_TRUE(problem);
  EXPECT_EQ(problem->path, broken.path);
  EXPECT_FALSE(problem->text.empty());
}

RouterConfig router_by_name() {
  RouterConfig config = good_router();
  config.virtual_cluster.sni = true;
  config.virtual_cluster.ports = {9093, 9093};
  config.virtual_cluster.security.protocol = SecurityProtocol::ssl;
  config.virtual_cluster.security.tls = "edge";
  config.tls["edge"].certificate = "edge.crt";
  return config;
}

TEST(VirtualCluster, tells_brokers_apart_by_port_or_by_name) {
  const auto path_after = [](auto damage) {
    RouterConfig config = router_by_name();
    damage(config.virtual_cluster);
    const auto problem = validate(config);
    return problem ? problem->path : "none";
  };
  const auto good = path_after([](auto&) {});
  EXPECT_TRUE(good == "none" || good.starts_with("tls.edge")) << good;  // there is no such file
  EXPECT_EQ(path_after([](auto& c) { c.sni = false; }), "virtual_cluster.ports");
  EXPECT_EQ(path_after([](auto& c) { c.ports.last += 1; }), "virtual_cluster.ports");
  EXPECT_EQ(path_after([](auto& c) { c.security = {}; }), "virtual_cluster.sni");
  EXPECT_EQ(path_after([](auto& c) { c.advertise = "10.0.0.1"; }), "virtual_cluster.advertise");
}

TEST(Proxies, are_networks) {
  const std::string listener =
      "cluster: {name: seoul, number: 1}\n"
      "broker: {node.id: 101, log.dirs: [/tmp/x]}\n"
      "listeners: [{name: C, bind: \"127.0.0.1:1\", proxy.protocol.from: ";
  const auto good = parse_config<BrokerConfig>(listener + "[10.0.0.0/8, \"fd00::1\"]}]\n", "f");
  ASSERT_TRUE(good) << good.error().text;
  EXPECT_TRUE(good->listeners[0].security.proxies[1].contains("fd00::1"));
  const auto bad = parse_config<BrokerConfig>(listener + "10.0.0.1/8}]\n", "f");
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().text,
            "f:3:65: listeners[0].proxy.protocol.from: \"10.0.0.1/8\" is no network: its address "
            "has bits behind its prefix; write an address, or a network as 10.0.0.0/8");
}

class BrokerRules : public testing::TestWithParam<BrokenRule<BrokerConfig>> {};
TEST_P(BrokerRules, are_kept) { expect_found(good_broker(), GetParam()); }
INSTANTIATE_TEST_SUITE_P(All, BrokerRules, testing::ValuesIn(broker_cases),
                         [](const auto& info) { return info.param.name; });

class MirrorRules : public testing::TestWithParam<BrokenRule<MirrorConfig>> {};
TEST_P(MirrorRules, are_kept) { expect_found(good_mirror(), GetParam()); }
INSTANTIATE_TEST_SUITE_P(All, MirrorRules, testing::ValuesIn(mirror_cases),
                         [](const auto& info) { return info.param.name; });

class RouterRules : public testing::TestWithParam<BrokenRule<RouterConfig>> {};
TEST_P(RouterRules, are_kept) { expect_found(good_router(), GetParam()); }
INSTANTIATE_TEST_SUITE_P(All, RouterRules, testing::ValuesIn(router_cases),
                         [](const auto& info) { return info.param.name; });

TEST(TokensOfAnEndpoint, are_enough_to_log_in) {
  MirrorConfig c = good_mirror();
  asks_for_tokens(c);
  EXPECT_FALSE(problem_of(c.links["seoul-tokyo"].source.security, {}, "source"));
}

TEST(BrokerTimes, the_finer_unit_wins) {
  BrokerSettings c;
  EXPECT_EQ(c.effective_retention_ms(), 168 * 3'600'000LL);
  c.log_retention_minutes = 1;
  EXPECT_EQ(c.effective_retention_ms(), 60'000);
  c.log_retention_ms = 5;
  EXPECT_EQ(c.effective_retention_ms(), 5);
  c.log_retention_ms = -1;
  EXPECT_EQ(c.effective_retention_ms(), -1);
  EXPECT_EQ(c.effective_roll_ms(), 168 * 3'600'000LL);
  c.log_roll_ms = 7;
  EXPECT_EQ(c.effective_roll_ms(), 7);
}

TEST(Listener, tells_clients_the_address_that_it_binds_unless_another_is_set) {
  ListenerConfig listener{"CLIENT", {"127.0.0.1", 9092}, {}, {}};
  EXPECT_EQ(listener.reachable_at(), listener.bind);
  listener.advertised = {"k1", 1};
  EXPECT_EQ(listener.reachable_at(), listener.advertised);
}

TEST(PortRange, is_one_port_or_several) {
  EXPECT_EQ(PortRange::parse("19092-19191")->size(), 100u);
  EXPECT_EQ(PortRange::parse("9093")->size(), 1u);
  EXPECT_EQ(PortRange::parse("9093")->to_string(), "9093");
  for (const char* text : {"", "0", "65536", "19092-", "-19092", "2-1", "1-1", "0-9", "1-65536",
                           "1-2000", "1 - 5", "a-b"})
    EXPECT_FALSE(PortRange::parse(text)) << text;
}

}  // namespace
}  // namespace isthmus::process
