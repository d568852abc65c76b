// SCRAM-SHA-256 and -512 (RFC 5802, RFC 7677, KIP-84): client and server show each other that they
// know the password, or what is kept of it, and neither sends it. See sasl_server.h and
// sasl_client.h for owners and loops, scram_messages.h for the messages.
//
// What the server holds a client to:
// - Channel binding (c=) has to be the header of its first message again: "biws" for "n,,", which
//   is what Kafka's clients send. "y,," is taken too, as RFC 5802 has it for a server that binds
//   nothing; then c= is "eSws".
// - The nonce in its last message has to end in the whole nonce that it was sent. Not "be it":
//   librdkafka 0.0.99 to 2.6.0 sends its own part twice, and Kafka 4 locks those clients out. The
//   end alone keeps an old log-in from being played again (CVE-2024-56128), for it ends in what
//   this server has drawn. SaslSession::nonce_repeated says when there was more.
// - An authorization id is the user's own, or none.
//
// What the client holds a server to: the nonce begins with its own, iterations are at least 4,096
// (RFC 7677) and at most `most_iterations_of_a_server`, and the last message is signed with the
// server's key.
#pragma once

#include <array>
#include <string>

#include "kafka/sasl/sasl_client.h"
#include "kafka/sasl/sasl_server.h"
#include "kafka/sasl/scram_messages.h"

namespace isthmus::kafka {

// Kafka stores up to 16,384; services that are not Kafka may follow OWASP's 600,000. A million cost
// half a second of one worker for one attempt, and that is what a hostile server may take.
constexpr int32_t most_iterations_of_a_server = 1'000'000;

// A nonce of its own for every log-in: from bytes that nobody can guess (io::Random).
std::string make_nonce(const std::array<uint8_t, 18>& random);

class ScramServer final : public SaslServer {
 public:
  // REQUIRES: is_nonce(nonce), never used before.
  ScramServer(HashAlgorithm algorithm, const ScramDecoy& decoy, std::string nonce);

 protected:
  Result<SaslServerStep> on_message(Bytes message) override;
  Result<SaslServerStep> on_credential(std::optional<ScramCredential> credential) override;

 private:
  Result<SaslServerStep> on_first(Bytes message);
  Result<SaslServerStep> on_final(Bytes message);

  HashAlgorithm algorithm_;
  ScramDecoy decoy_;
  std::string own_nonce_;
  ScramClientFirst first_;
  std::string nonce_;  // both parts
  std::string server_first_;
  ScramCredential credential_;
  bool is_known_ = false;
};

class ScramClient final : public SaslClient {
 public:
  // REQUIRES: is_nonce(nonce), never used before.
  ScramClient(HashAlgorithm algorithm, std::string user, std::string password, std::string nonce);

 protected:
  Result<SaslClientStep> on_challenge(Bytes challenge) override;
  Result<SaslClientStep> on_derived(const SaltedPassword& salted) override;

 private:
  enum class Stage : uint8_t { first, salting, signature };

  Result<SaslClientStep> on_server_first(Bytes challenge);
  Result<SaslClientStep> on_server_final(Bytes challenge);

  HashAlgorithm algorithm_;
  std::string password_;
  std::string own_nonce_;
  Stage stage_ = Stage::first;
  std::string first_bare_;
  std::string nonce_;  // both parts
  std::string server_first_;
  std::vector<uint8_t> expected_signature_;
};

}  // namespace isthmus::kafka
