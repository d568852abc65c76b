// How brokers of a cluster reach one another where they prove who they are: by mutual TLS over the
// simulated network, with an authorizer.
#include "broker/colleagues/dial.h"

#include <gtest/gtest.h>

#include "broker/as_broker.h"
#include "io/throwaway_ca.h"
#include "tests/broker/replication/cluster_world.h"
#include "tests/broker/security/acl_of.h"

namespace isthmus::broker {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

TEST(DialTrouble, IsToldOnceForEachReasonAndNowAndThen) {
  DialTrouble trouble;
  io::Instant now{};
  EXPECT_TRUE(trouble.is_due("expired", false, now));
  EXPECT_FALSE(trouble.is_due("expired", false, now += seconds(1)));
  EXPECT_FALSE(trouble.is_due("another name", false, now += seconds(1))) << "they may alternate";
  EXPECT_TRUE(trouble.is_due("another name", false, now += DialTrouble::pause));
  EXPECT_FALSE(trouble.is_due("another name", false, now += minutes(9)));
  EXPECT_TRUE(trouble.is_due("another name", false, now += minutes(1)));
  trouble.ended();
  EXPECT_TRUE(trouble.is_due("another name", false, now));
}

TEST(DialTrouble, OfALineThatIsCutOnlyWhatLastsIsTold) {
  DialTrouble trouble;
  io::Instant now{};
  EXPECT_FALSE(trouble.is_due("reset", true, now));
  EXPECT_FALSE(trouble.is_due("reset", true, now += seconds(4)));
  trouble.interrupted();
  EXPECT_FALSE(trouble.is_due("reset", true, now += seconds(4)));
  EXPECT_TRUE(trouble.is_due("reset", true, now += DialTrouble::passes_within));
}

TEST(AsBroker, IsWarnedWhereNeitherASuperUserNorAnAclLetsItIn) {
  process::BrokerConfig config;
  config.broker.zookeeper.emplace();
  config.broker.authorizer = process::AuthorizerKind::acls;
  config.listeners = {{"INSIDE", {"127.0.0.1", 9093}, {}, {process::Peer::brokers}}};
  Image image;
  const auto refusal = [&] {
    const Authorizer authorizer({.enabled = true, .super_users = config.broker.super_users});
    return refusal_by_others(config, authorizer, image);
  };
  EXPECT_NE(refusal().find("will refuse this one: User:ANONYMOUS, whom"), std::string::npos)
      << refusal();
  config.broker.super_users = {"User:ANONYMOUS"};
  EXPECT_EQ(refusal(), "");
  config.broker.super_users.clear();
  auto acls = std::make_shared<AclImage>();
  acls->set.add(
      allow(Op::cluster_action, Type::cluster, kafka::cluster_resource, "User:ANONYMOUS"));
  image.acls = acls;
  EXPECT_EQ(refusal(), "");
}

class SecureCluster : public ClusterWorld {
 protected:
  using Identity = std::shared_ptr<Published<io::TlsContext>>;
  using Clock = std::chrono::system_clock;

  SecureCluster() {
    for (NodeId id : {a, b, c}) super_users.push_back("User:CN=" + host_of(id));
    certify(ca_);
  }
  // What all of them show and trust from now on.
  void certify(const io::ThrowawayCa& ca) {
    for (NodeId id : {a, b, c}) {
      const auto issued = ca.issue({name_of(id), {}}, now_s(), 10);
      const io::TlsMaterial material{issued.pem.certificate, issued.pem.key, ca.pem().certificate};
      put(listeners_[id],
          io::TlsContext::listener(material, io::ClientAuth::required, Clock::now()));
      put(dialers_[id], io::TlsContext::dialer(material, true, Clock::now()));
    }
  }
  static int64_t now_s() { return Clock::to_time_t(Clock::now()); }
  static void put(Identity& identity, io::TlsContext::Made made) {
    ASSERT_TRUE(made) << made.error().text;
    if (identity) return identity->store(std::move(*made));
    identity = std::make_shared<Published<io::TlsContext>>(std::move(*made));
  }
  std::string name_of(NodeId id) const { return id == misnamed ? "elsewhere" : host_of(id); }
  Inside inside_of(NodeId id) override {
    Inside inside;
    inside.dialer.connection.security.tls = dialers_.at(id);
    inside.dialer.listener = listener;
    inside.listener = listeners_.at(id);
    inside.authorizer = {.enabled = true, .super_users = super_users};
    inside.authorizer.super_users.push_back("User:ANONYMOUS");  // at the listener for clients
    return inside;
  }
  // Why `from` does not reach `to`; empty: it does.
  std::string trouble(NodeId from, NodeId to) {
    auto& dialer = processes[from]->make<Dialer>(processes[from]->env(), inside_of(from).dialer);
    auto& gate = processes[from]->make<io::Gate>(processes[from]->env().main_loop());
    auto opened =
        run_in(world, *processes[from],
               dialer.dial(gate, members[from]->image.load(), to, world.now() + seconds(5)));
    return opened ? "" : opened.error().text;
  }
  bool has(NodeId id, const std::vector<std::string>& values) {
    return eventually([&] { return log_of(id, "orders") == values; });
  }

  NodeId misnamed = -1;
  std::string listener;
  std::vector<std::string> super_users;

 private:
  const io::ThrowawayCa ca_ = io::ThrowawayCa::create(now_s(), 30);
  std::map<NodeId, Identity> listeners_, dialers_;
};

TEST_F(SecureCluster, ThoseWhoAreNamedFollowByTheirCertificates) {
  create("orders", 1);
  start_all();
  EXPECT_EQ(produce(a, "orders", "one").responses.at(0).partition_responses.at(0).error_code,
            kafka::ErrorCode::none);
  EXPECT_TRUE(has(b, {"one"}));
  EXPECT_TRUE(has(c, {"one"}));
}

TEST_F(SecureCluster, WhoIsNotNamedIsGivenNothing) {
  super_users.pop_back();  // c
  create("orders", 1);
  start_all();
  produce(a, "orders", "one");
  EXPECT_TRUE(has(b, {"one"}));
  EXPECT_EQ(trouble(c, a), "") << "it is known";
  world.run_for(seconds(10));
  EXPECT_EQ(log_of(c, "orders"), std::vector<std::string>());
}

TEST_F(SecureCluster, ACertificateOfAnotherNameIsRefused) {
  misnamed = c;
  certify(io::ThrowawayCa::create(now_s(), 30));
  create("orders", 1);
  start_all();
  EXPECT_NE(trouble(a, c).find("(it does not name broker-3)"), std::string::npos) << trouble(a, c);
  EXPECT_EQ(trouble(a, b), "");
}

TEST_F(SecureCluster, NewCertificatesHoldFromTheNextDialOn) {
  create("orders", 1);
  start_all();
  produce(a, "orders", "one");
  ASSERT_TRUE(has(c, {"one"}));
  certify(io::ThrowawayCa::create(now_s(), 30));
  produce(a, "orders", "two");
  EXPECT_TRUE(has(c, {"one", "two"})) << "what is open goes on";
  dies(c);
  comes_back(c);
  produce(a, "orders", "three");
  EXPECT_TRUE(has(c, {"one", "two", "three"}));
}

// Only where brokers are expected; there is a certificate at none but this listener.
TEST_F(SecureCluster, AListenerForBrokersIsDialledWhateverItsName) {
  create("orders", 1);
  start_all();
  for (const char* name : {"peers", "another", "clients"}) {
    listener = name;
    EXPECT_EQ(trouble(a, b), "") << name;
  }
}

}  // namespace
}  // namespace isthmus::broker
