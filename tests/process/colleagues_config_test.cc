// How brokers of one cluster speak with one another, by the configuration of one of them.
#include "process/colleagues_config.h"

#include <gtest/gtest.h>

#include "io/real.h"
#include "io/throwaway_folder.h"
#include "process/tls_store.h"
#include "tests/io/real_world.h"

namespace isthmus::process {
namespace {

class ColleaguesConfig : public testing::Test {
 protected:
  ColleaguesConfig() {
    io::ThrowawayWish wish{.folder = folder / "tls", .names = {"seoul-1"}, .hosts = {}};
    wish.now_s = TlsStore::Time::clock::to_time_t(io::wall_time());
    auto made = io::make_throwaway_certificates(wish);
    EXPECT_TRUE(made) << made.error().text;
    const auto& pair = made->made.at(0);
    config.tls["inside"] = {pair.certificate, {.file = pair.key, .env = {}}, made->ca};
    config.broker.zookeeper.emplace();
    config.broker.authorizer = AuthorizerKind::acls;
    config.listeners = {{"CLIENT", {"127.0.0.1", 9092}, {}, {}},
                        {"INSIDE", {"127.0.0.1", 9093}, {}, {Peer::brokers, Peer::mirrors}}};
    inside().protocol = SecurityProtocol::ssl;
    inside().tls = "inside";
  }
  ListenerSecurity& inside() { return config.listeners[1].security; }
  void log_in_as(const std::string& user) {
    inside().protocol = SecurityProtocol::sasl_ssl;
    auto& dial = config.broker.colleagues.emplace();
    dial.protocol = SecurityProtocol::sasl_ssl;
    dial.mechanism = kafka::Mechanism::scram_sha_512;
    dial.username = user;
    dial.password.file = "/p";
  }
  std::string principal() {
    const auto who = principal_at_colleagues(config);
    return who ? who->to_string() : who.error().text;
  }

  const io::TemporaryFolder folder;
  BrokerConfig config;
};

TEST_F(ColleaguesConfig, the_own_listener_says_how_the_others_are_dialled) {
  EXPECT_FALSE(colleagues_problem(config));
  const DialSecurity dial = dial_security_of(config);
  EXPECT_EQ(dial.protocol, SecurityProtocol::ssl);
  EXPECT_EQ(dial.tls, "inside");
  EXPECT_TRUE(dial.verify_host);
  inside() = {};
  EXPECT_FALSE(dial_security_of(config).is_encrypted());
}

TEST_F(ColleaguesConfig, a_name_chooses_among_the_listeners_for_brokers) {
  config.listeners.push_back({"SECOND", {"127.0.0.1", 9094}, {}, {Peer::brokers}});
  EXPECT_EQ(listener_for_brokers(config)->name, "INSIDE");
  EXPECT_TRUE(dial_security_of(config).is_encrypted());
  config.broker.inter_broker_listener = "SECOND";
  EXPECT_EQ(listener_for_brokers(config)->name, "SECOND");
  EXPECT_FALSE(dial_security_of(config).is_encrypted());
  EXPECT_FALSE(colleagues_problem(config));
}

TEST_F(ColleaguesConfig, a_certificate_says_who_a_broker_is_by_the_rules_of_the_listener) {
  EXPECT_EQ(principal(), "User:CN=seoul-1");
  inside().principal_mapping_rules = "RULE:^CN=([^,]+).*$/$1/";
  EXPECT_EQ(principal(), "User:seoul-1");
  inside().client_auth = io::ClientAuth::none;
  EXPECT_EQ(principal(), "User:ANONYMOUS") << "nobody asks for it";
}

TEST_F(ColleaguesConfig, who_logs_in_is_his_user) {
  log_in_as("broker");
  EXPECT_EQ(principal(), "User:broker");
  EXPECT_FALSE(colleagues_problem(config));
}

TEST_F(ColleaguesConfig, a_broker_that_is_no_super_user_is_told_of) {
  auto found = unnamed_at_colleagues(config);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->path, "broker.super.users");
  EXPECT_TRUE(found->text.starts_with("does not name User:CN=seoul-1, whom")) << found->text;
  config.broker.super_users = {"User:admin", "User:CN=seoul-1"};
  EXPECT_FALSE(unnamed_at_colleagues(config));
  inside() = {};
  found = unnamed_at_colleagues(config);
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->text.starts_with("does not name User:ANONYMOUS, whom")) << found->text;
}

TEST_F(ColleaguesConfig, a_subject_that_fits_no_rule_is_told_of) {
  inside().principal_mapping_rules = "RULE:^CN=tokyo.*$/tokyo/";
  const auto found = unnamed_at_colleagues(config);
  ASSERT_TRUE(found);
  EXPECT_NE(found->text.find("will refuse this one: certificate of CN=seoul-1: "),
            std::string::npos)
      << found->text;
}

TEST_F(ColleaguesConfig, of_one_that_is_alone_or_has_no_authorizer_nothing_is_told) {
  config.broker.authorizer = AuthorizerKind::none;
  EXPECT_FALSE(unnamed_at_colleagues(config));
  config.broker.authorizer = AuthorizerKind::acls;
  config.broker.zookeeper.reset();
  EXPECT_FALSE(unnamed_at_colleagues(config));
}

struct Contradiction {
  const char* name;
  void (*damage)(BrokerConfig&);
  const char* path;
};
const Contradiction contradictions[] = {
    {"no such listener", [](BrokerConfig& c) { c.broker.inter_broker_listener = "CLIENT"; },
     "broker.inter.broker.listener.name"},
    {"none for brokers", [](BrokerConfig& c) { c.listeners[1].peers = {Peer::mirrors}; },
     "listeners"},
    {"nobody to log in as",
     [](BrokerConfig& c) { c.listeners[1].security.protocol = SecurityProtocol::sasl_ssl; },
     "broker"},
    {"a log-in that nobody asks for",
     [](BrokerConfig& c) {
       auto& dial = c.broker.colleagues.emplace();
       dial.protocol = SecurityProtocol::sasl_ssl;
       dial.mechanism = kafka::Mechanism::plain;
       dial.username = "broker";
       dial.password.file = "/p";
     },
     "broker.colleagues.security.protocol"},
    {"plain text to a port for TLS", [](BrokerConfig& c) { c.broker.colleagues.emplace(); },
     "broker.colleagues.security.protocol"},
    {"no certificate where one is wanted",
     [](BrokerConfig& c) { c.broker.colleagues.emplace().protocol = SecurityProtocol::ssl; },
     "broker.colleagues.tls"},
    {"an unknown certificate",
     [](BrokerConfig& c) {
       c.broker.colleagues.emplace().protocol = SecurityProtocol::ssl;
       c.broker.colleagues->tls = "insdie";
     },
     "broker.colleagues.tls"},
    {"colleagues of one that is alone",
     [](BrokerConfig& c) {
       c.broker.zookeeper.reset();
       c.broker.colleagues.emplace();
     },
     "broker.colleagues"},
    {"a listener of one that is alone",
     [](BrokerConfig& c) {
       c.broker.zookeeper.reset();
       c.broker.inter_broker_listener = "INSIDE";
     },
     "broker.inter.broker.listener.name"},
};

TEST_F(ColleaguesConfig, what_contradicts_itself_is_named) {
  for (const auto& [name, damage, path] : contradictions) {
    BrokerConfig broken = config;
    damage(broken);
    const auto problem = colleagues_problem(broken);
    ASSERT_TRUE(problem) << name;
    EXPECT_EQ(problem->path, path) << name;
  }
}

}  // namespace
}  // namespace isthmus::process
