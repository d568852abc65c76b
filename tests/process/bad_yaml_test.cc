// Each kind of bad YAML gives one line: file, line, column, key, what is wrong, what would be
// right.
#include <gtest/gtest.h>

#include "process/broker_config.h"
#include "process/mirror_config.h"
#include "process/options.h"
#include "process/router_config.h"

namespace isthmus::process {
namespace {

struct Case {
  const char* name;
  const char* yaml;  // of a mirror, as it has maps, lists and every kind of value
  const char* line;
};

constexpr const char* good =
    "links:\n"
    "  a-b:\n"
    "    source: {bootstrap.servers: \"h:1\"}\n"
    "    target: {bootstrap.servers: \"h:2\"}\n";

const Case cases[] = {
    {"unknown_key_with_a_neighbour", "lniks: {}\n",
     "f.yaml:1:1: lniks: unknown key; did you mean links?"},
    {"unknown_key_deep_down", "links:\n  a-b:\n    source: {bootstrap.server: x}\n    target: {}\n",
     "f.yaml:3:14: links.a-b.source.bootstrap.server: unknown key; did you mean "
     "bootstrap.servers?"},
    {"unknown_key_that_lives_elsewhere", "admin:\n  bootstrap.servers: \"h:1\"\n",
     "f.yaml:2:3: admin.bootstrap.servers: unknown key here; it belongs under links.source"},
    {"unknown_key_like_no_other", "admin: {xyzzy: 1}\n",
     "f.yaml:1:9: admin.xyzzy: unknown key; known here: bind, tls, ssl.client.auth, "
     "ssl.principal.mapping.rules, users, open"},
    {"unknown_component_of_the_log", "log: {levels: {xyzzy: debug}}\n",
     "f.yaml:1:16: log.levels.xyzzy: unknown key; known here: process, admin, tls, audit, server, "
     "login, broker, metadata, zookeeper, controller, partitions, replication, colleagues, groups, "
     "link, switchover, mirror, router, client"},
    {"key_that_is_the_name_of_a_component", "admin: {router: 1}\n",
     "f.yaml:1:9: admin.router: unknown key; known here: bind, tls, ssl.client.auth, "
     "ssl.principal.mapping.rules, users, open"},
    {"misspelt_component_of_the_log", "log: {levels: {mirorr: debug}}\n",
     "f.yaml:1:16: log.levels.mirorr: unknown key; did you mean mirror?"},
    {"no_level_of_the_log", "log: {levels: {mirror: loud}}\n",
     "f.yaml:1:24: log.levels.mirror: \"loud\" is not known; one of trace, debug, info, warn, "
     "error is right"},
    {"key_given_twice", "admin: {}\nadmin: {}\n",
     "f.yaml:2:1: admin: given twice; it already stands in line 1"},
    {"name_given_twice", "links:\n  a-b: {}\n  a-b: {}\n",
     "f.yaml:3:3: links.a-b: given twice; it already stands in line 2"},
    {"key_that_is_a_list", "[a, b]: 1\n", "f.yaml:1:1: a key must be a single word"},
    {"missing_key", "admin: {}\n", "f.yaml:1:1: links: missing; it takes: maps by name"},
    {"missing_inside_a_section_that_is_missing", "links:\n  a-b: {}\n",
     "f.yaml:2:3: links.a-b.source.bootstrap.servers: missing; it takes: list of host:port"},
    {"nothing_at_all", "", "f.yaml:1:1: links: missing; it takes: maps by name"},
    {"map_where_a_scalar_belongs", "admin: {bind: {}}\n",
     "f.yaml:1:15: admin.bind: wrong kind of value; it takes: host:port"},
    {"nothing_where_a_scalar_belongs", "admin:\n  bind:\n",
     "f.yaml:2:3: admin.bind: wrong kind of value; it takes: host:port"},
    {"scalar_where_a_map_belongs", "admin: 9645\n",
     "f.yaml:1:8: admin: must be a map of keys and values"},
    {"scalar_where_named_maps_belong", "links: all\n",
     "f.yaml:1:8: links: must be a map: under each name its keys"},
    {"list_at_the_top", "- a\n", "f.yaml:1:1: must be a map of keys and values"},
    {"no_address", "admin: {bind: \"9645\"}\n",
     "f.yaml:1:15: admin.bind: \"9645\" is not an address; write host:port, as 127.0.0.1:9092"},
    {"no_yaml", "admin: {bind: \n", nullptr},
    {"nothing_begins_with_a_comma", ",!  x\n",
     "f.yaml:1:1: not valid YAML: nothing begins like this"},
    {"second_document", "admin: {}\n---\nadmin: {}\n",
     "f.yaml:3:1: a second YAML document; one file holds one"},
};

class BadYaml : public testing::TestWithParam<Case> {};

TEST_P(BadYaml, is_one_clear_line) {
  Result<MirrorConfig> config = parse_config<MirrorConfig>(GetParam().yaml, "f.yaml");
  ASSERT_FALSE(config);
  const std::string& line = config.error().text;
  EXPECT_EQ(line.find('\n'), std::string::npos);
  if (GetParam().line != nullptr) {
    EXPECT_EQ(line, GetParam().line);
  } else {
    EXPECT_TRUE(line.starts_with("f.yaml:2:1: not valid YAML: ")) << line;  // yaml-cpp's words
  }
}

INSTANTIATE_TEST_SUITE_P(All, BadYaml, testing::ValuesIn(cases),
                         [](const auto& info) { return info.param.name; });

struct BadValue {
  const char* name;
  const char* key_and_value;  // under broker, in line 4
  const char* what;           // after the place
};

const BadValue bad_values[] = {
    {"no_number", "num.partitions: four", "\"four\" is not a whole number; 1 to 10000 is right"},
    {"half_a_number", "num.partitions: 4x", "\"4x\" is not a whole number; 1 to 10000 is right"},
    {"too_low", "num.partitions: 0", "0 is out of bounds; 1 to 10000 is right"},
    {"too_high", "num.partitions: 10001", "10001 is out of bounds; 1 to 10000 is right"},
    {"beyond_its_type", "message.max.bytes: 3GiB",
     "3GiB is out of bounds; 1 to 2147483647 is right"},
    {"beyond_every_type", "log.retention.ms: 99999999999999999999",
     "\"99999999999999999999\" is not a whole number; at least -1 is right"},
    {"no_size", "log.segment.bytes: big",
     "\"big\" is not a size; write for example 1048576, 64KiB or 1GiB"},
    {"no_choice", "durability: paranoid",
     "\"paranoid\" is not known; one of fsync, page_cache is right"},
    {"no_metadata", "metadata: zookeeper",
     "\"zookeeper\" is not known; embedded is right, or a map of keys"},
    {"no_bool", "auto.create.topics.enable: maybe", "\"maybe\" is neither true nor false"},
};

class BadBrokerValue : public testing::TestWithParam<BadValue> {};

TEST_P(BadBrokerValue, says_what_is_right) {
  const std::string pair = GetParam().key_and_value;
  const std::string key = pair.substr(0, pair.find(':'));
  const std::string yaml =
      "cluster: {name: a, number: 1}\n"
      "broker:\n  node.id: 1\n  " +
      pair +
      "\n  log.dirs: /d\n"
      "listeners: [{name: C, bind: \"127.0.0.1:1\"}]\n";
  Result<BrokerConfig> config = parse_config<BrokerConfig>(yaml, "f.yaml");
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().text, "f.yaml:4:" + std::to_string(key.size() + 5) + ": broker." + key +
                                     ": " + GetParam().what);
}

INSTANTIATE_TEST_SUITE_P(All, BadBrokerValue, testing::ValuesIn(bad_values),
                         [](const auto& info) { return info.param.name; });

// What stands behind `metadata:` in line 2, and what is said of it after the file and the line.
TEST(BadZookeeper, is_shown_where_it_stands) {
  const std::pair<const char*, const char*> wrong[] = {
      {"{zookeper.connect: \"zk1:2181\"}",
       "35: broker.metadata.zookeper.connect: unknown key; did you mean zookeeper.connect?"},
      {"{zookeeper.connect: \"zk1:2181/a,zk2:2181/a\"}",
       "54: broker.metadata.zookeeper.connect: the folder stands once, behind the last server: "
       "zk1:2181,zk2:2181/isthmus"},
      {"{zookeeper.connect: \"zk1:2181/a//b\"}",
       "54: broker.metadata.zookeeper.connect: the folder /a//b has a folder without a name"},
      {"{zookeeper.connect: \"zk1:x\"}",
       "54: broker.metadata.zookeeper.connect: \"zk1:x\" is no server; write host:port, as "
       "zk1:2181"},
      {"{zookeeper.connect: zk1, zookeeper.session.timeout.ms: 1}",
       "89: broker.metadata.zookeeper.session.timeout.ms: 1 is out of bounds; 1000 to 300000 is "
       "right"},
      {"{username: isthmus}",
       "34: broker.metadata.zookeeper.connect: missing; it takes: host:port, ..., and a folder"},
      {"{zookeeper.connect: zk1, username: isthmus}",
       "24: broker.metadata: logs in by a name and a password: add both, username: NAME and "
       "password: {file: PATH}, or none"},
      {"{zookeeper.connect: zk1, username: isthmus, password: secret}",
       "88: broker.metadata.password: must be a map of keys and values"},
  };
  for (const auto& [value, what] : wrong) {
    const std::string yaml =
        "cluster: {name: a, number: 1}\n"
        "broker: {log.dirs: /d, metadata: " +
        std::string(value) +
        ", node.id: 1}\n"
        "listeners: [{name: C, bind: \"127.0.0.1:1\"}]\n";
    const auto config = parse_config<BrokerConfig>(yaml, "f.yaml");
    ASSERT_FALSE(config) << value;
    EXPECT_EQ(config.error().text, std::string("f.yaml:2:") + what);
  }
}

TEST(BadDuration, needs_a_unit) {
  Result<MirrorConfig> config =
      parse_config<MirrorConfig>(std::string(good) + "    fence: 24\n", "f.yaml");
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().text,
            "f.yaml:5:12: links.a-b.fence: \"24\" is not a duration; write for example "
            "250ms, 5s, 10m or 24h");
}

TEST(BadYamlLimits, hostile_files_are_refused) {
  std::string deep(100'000, '[');
  EXPECT_FALSE(parse_config<MirrorConfig>(deep, "f.yaml"));
  std::string large((1 << 20) + 1, ' ');
  Result<MirrorConfig> config = parse_config<MirrorConfig>(large, "f.yaml");
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().text, "f.yaml:1:1: larger than 1048576 bytes");
  std::string many = "links: {a-b: {topics: [";
  for (int i = 0; i < 1001; ++i) many += "x,";
  many += "]}}";
  EXPECT_FALSE(parse_config<MirrorConfig>(many, "f.yaml"));
}

TEST(GoodYaml, names_a_zookeeper) {
  const char* yaml =
      "cluster: {name: a, number: 1}\n"
      "broker:\n"
      "  node.id: 1\n"
      "  log.dirs: /d\n"
      "  metadata:\n"
      "    zookeeper.connect: zk1,zk2:2182/kafka/a\n"
      "    username: isthmus\n"
      "    password: {env: ZK}\n"
      "listeners: [{name: C, bind: \"127.0.0.1:1\", for: brokers}]\n";
  const auto config = parse_config<BrokerConfig>(yaml, "f.yaml");
  ASSERT_TRUE(config) << config.error().text;
  ASSERT_TRUE(config->broker.zookeeper);
  const ZookeeperConfig& zookeeper = *config->broker.zookeeper;
  EXPECT_EQ(zookeeper.connect.to_string(), "zk1:2181,zk2:2182/kafka/a");
  EXPECT_EQ(zookeeper.session_timeout_ms, 18'000);
  EXPECT_EQ(zookeeper.password.env, "ZK");
  EXPECT_FALSE(digest_of(zookeeper)) << "the variable is not set";
}

TEST(GoodYaml, loads) {
  Result<MirrorConfig> config = parse_config<MirrorConfig>(good, "f.yaml");
  ASSERT_TRUE(config) << config.error().text;
  EXPECT_EQ(config->links.at("a-b").fence, std::chrono::seconds(5));
  EXPECT_EQ(config->links.at("a-b").delete_delay, std::chrono::hours(24));
}

}  // namespace
}  // namespace isthmus::process
