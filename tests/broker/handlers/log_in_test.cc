// What a log-in tells a stranger about who exists: nothing that changes with a restart.
#include "broker/decoy_secret.h"
#include "kafka/gen/sasl_authenticate.h"
#include "kafka/gen/sasl_handshake.h"
#include "kafka/sasl/scram_messages.h"
#include "tests/broker/handlers/broker_world.h"

namespace isthmus::broker {
namespace {

class LogInWorld : public BrokerWorld {
 protected:
  LogInWorld() {
    config.listeners[0].security.protocol = process::SecurityProtocol::sasl_plaintext;
    config.listeners[0].security.mechanisms = {kafka::Mechanism::scram_sha_256};
  }

  std::vector<uint8_t> salt_of(const std::string& user) {
    connect();
    EXPECT_EQ(ask(kafka::SaslHandshakeRequest{.mechanism = "SCRAM-SHA-256"}).error_code,
              ErrorCode::none);
    const std::string first = "n,,n=" + user + ",r=a-nonce-of-ours";
    const auto answer = ask(kafka::SaslAuthenticateRequest{Slice::copy_of(first)});
    EXPECT_EQ(answer.error_code, ErrorCode::none);
    auto parsed = kafka::parse_scram_server_first(answer.auth_bytes);
    EXPECT_TRUE(parsed);
    return parsed ? parsed->salt : std::vector<uint8_t>();
  }
  void restart() {
    stop();
    kill();
    start();
  }
};

TEST_P(LogInWorld, AnUnknownUserHasOneSaltBeforeAndAfterARestart) {
  start();
  const auto ghost = salt_of("ghost");
  const auto phantom = salt_of("phantom");
  EXPECT_FALSE(ghost.empty());
  EXPECT_NE(ghost, phantom);
  EXPECT_EQ(salt_of("ghost"), ghost);
  restart();
  EXPECT_EQ(salt_of("ghost"), ghost);
  EXPECT_EQ(salt_of("phantom"), phantom);
  lose_power();
  EXPECT_EQ(salt_of("ghost"), ghost);
}

TEST_P(LogInWorld, ASecretThatIsNotWholeIsDrawnAnew) {
  start();
  const auto ghost = salt_of("ghost");
  stop();
  const std::string path = config.broker.log_dirs.front() + "/" + decoy_secret_file;
  kill();
  const auto file = site.disk().find(path);
  ASSERT_TRUE(file);
  ASSERT_EQ(file->data().size(), 32u);
  file->truncate(31);
  start();
  EXPECT_NE(salt_of("ghost"), ghost);
}

TEST_P(LogInWorld, WhereNobodyLogsInNoSecretIsKept) {
  config.listeners[0].security = {};
  start();
  EXPECT_FALSE(site.disk().find(config.broker.log_dirs.front() + "/" + decoy_secret_file));
}

ON_ONE_LOOP_AND_ON_TWO(LogInWorld);

}  // namespace
}  // namespace isthmus::broker
