// A configuration that is given away: no place of a secret is in it, whatever kind of secret.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "process/broker_config.h"
#include "process/config_file.h"
#include "process/mirror_config.h"
#include "process/router_config.h"
#include "tests/io/real_world.h"

namespace isthmus::process {
namespace {

const Secret in_a_file{.file = "planted-file", .env = {}};
const Secret in_a_variable{.file = {}, .env = "planted-variable"};

template <typename Config>
std::string to_give(Config& config) {
  Options table;
  describe(table, config);
  const std::string text = print_yaml_to_give(table);
  EXPECT_NE(print_yaml(table).find("planted"), std::string::npos) << "something was planted";
  return text;
}

void hold_nothing_planted(const std::string& text) {
  EXPECT_EQ(text.find("planted"), std::string::npos) << text;
  EXPECT_NE(text.find("(removed)"), std::string::npos) << text;
}

template <typename Config>
void plant_at_the_port(Config& config) {
  config.tls["edge"].key = in_a_file;
  config.tls["inside"].key = in_a_variable;
  config.admin.users["ops"].password = in_a_file;
  config.admin.users["eve"].password = in_a_variable;
}

DialSecurity planted_log_in(const Secret& secret) {
  DialSecurity dial;
  dial.protocol = SecurityProtocol::sasl_ssl;
  dial.username = "mirror";
  dial.password = secret;
  dial.token = secret;
  dial.token_endpoint.url = "https://provider/token?key=planted-in-a-query";
  dial.token_endpoint.client_id = "isthmus";
  dial.token_endpoint.client_secret = secret;
  return dial;
}

TEST(GivenConfig, OfABroker) {
  BrokerConfig config;
  plant_at_the_port(config);
  config.broker.zookeeper.emplace().username = "isthmus";
  config.broker.zookeeper->password = in_a_file;
  config.broker.colleagues = planted_log_in(in_a_variable);
  config.broker.oauthbearer_jwks_url = "https://provider/keys?key=planted-in-a-query";
  const std::string text = to_give(config);
  hold_nothing_planted(text);
  EXPECT_NE(text.find("https://provider/keys?(removed)"), std::string::npos) << text;
}

TEST(GivenConfig, OfAMirror) {
  MirrorConfig config;
  plant_at_the_port(config);
  config.links["seoul-tokyo"].source.security = planted_log_in(in_a_file);
  config.links["seoul-tokyo"].target.security = planted_log_in(in_a_variable);
  hold_nothing_planted(to_give(config));
}

TEST(GivenConfig, OfARouter) {
  RouterConfig config;
  plant_at_the_port(config);
  config.clusters["seoul"].security = planted_log_in(in_a_file);
  config.clusters["tokyo"].security = planted_log_in(in_a_variable);
  hold_nothing_planted(to_give(config));
}

// Whoever adds a secret of a new kind is reminded here.
void hold_private(const Options& table, const std::string& path) {
  for (const Options::Row& row : table.rows()) {
    const std::string here = path + "." + row.name;
    EXPECT_TRUE(!row.names_secret || row.is_private) << here;
    for (const char* word : {"password", "secret", "token"}) {
      const bool is_scalar = row.shape == Options::Shape::value;
      EXPECT_FALSE(is_scalar && !row.is_private && row.name.ends_with(word)) << here;
    }
    if (row.prototype) hold_private(row.prototype(), here);
  }
}

template <typename Config>
void hold_all_private(const char* name) {
  Config config;
  Options table;
  describe(table, config);
  hold_private(table, name);
}

TEST(GivenConfig, EveryPlaceOfASecretIsPrivate) {
  hold_all_private<BrokerConfig>("broker");
  hold_all_private<MirrorConfig>("mirror");
  hold_all_private<RouterConfig>("router");
}

TEST(LastLines, AreThoseAtTheEndFromTheBeginningOfALine) {
  const io::TemporaryFolder folder;
  const auto last = [&folder](const char* text, size_t lines, size_t at_most = 1000) {
    std::ofstream(folder / "log") << text;
    return read_last_lines(folder / "log", lines, at_most).value_or("failed");
  };
  EXPECT_EQ(last("a\nb\nc\n", 2), "b\nc\n");
  EXPECT_EQ(last("a\nb\nc", 2), "b\nc");
  EXPECT_EQ(last("a\nb\nc\n", 3), "a\nb\nc\n");
  EXPECT_EQ(last("a\nb\nc\n", 9), "a\nb\nc\n");
  EXPECT_EQ(last("", 2), "");
  EXPECT_EQ(last("long\nb\nc\n", 9, 6), "b\nc\n") << "no part of a line";
  EXPECT_FALSE(read_last_lines(folder / "none", 2, 10).has_value());
}

}  // namespace
}  // namespace isthmus::process
