// SaslClient: one log-in, as a client sees it (mirror, router, commands). A state machine without
// I/O, clock and randomness, owned by a connection:
//
//   for (auto step = client.next({}); step; ) {
//     SaslSend            send its bytes, and step = client.next(what the server answers)
//     PasswordDerivation  run() it on the workers, and step = client.give_derived(what it gives)
//     SaslDone            the server has accepted us, and by SCRAM it has shown that it knows us
//   }
//
// An error ends it: SASL_AUTHENTICATION_FAILED, and what the server has said or done. What the
// server refuses by an error code of SaslAuthenticate never comes here.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "kafka/sasl/credential.h"
#include "kafka/sasl/mechanism.h"
#include "kafka/sasl/token_keeper.h"

namespace isthmus::kafka {

struct SaslSend {
  std::vector<uint8_t> bytes;
};
struct SaslDone {};
using SaslClientStep = std::variant<SaslSend, PasswordDerivation, SaslDone>;

// What a client logs in with; each mechanism takes its part. Never to be shown.
struct SaslCredentials {
  std::string username;
  std::string password;
  std::string token;
  // What else goes with a token (KIP-342), as logicalCluster=... at some services.
  std::map<std::string, std::string> extensions;
};

// Where tokens come from that a provider issues on request. Shared by all connections to a cluster.
struct TokenSource {
  TokenKeeper keeper;
  // Asks the provider; blocks for seconds. The error is one line that names whom it asked.
  std::function<Result<IssuedToken>()> ask;
};

// What to log in with, asked for anew at each log-in: who changes a password restarts nothing.
struct SaslLogIn {
  Mechanism mechanism = Mechanism::scram_sha_512;
  std::function<Result<SaslCredentials>()> credentials;
  std::shared_ptr<TokenSource> tokens = nullptr;  // instead of a token among the credentials
};

class SaslClient {
 public:
  virtual ~SaslClient() = default;

  // What the server has sent; empty at first.
  Result<SaslClientStep> next(Bytes challenge);
  // REQUIRES: the last step was a derivation.
  Result<SaslClientStep> give_derived(const SaltedPassword& salted);

  bool done() const { return stage_ == Stage::done; }

 protected:
  virtual Result<SaslClientStep> on_challenge(Bytes challenge) = 0;
  virtual Result<SaslClientStep> on_derived(const SaltedPassword& salted);

 private:
  enum class Stage : uint8_t { challenge, derivation, done, failed };

  Result<SaslClientStep> enter(Result<SaslClientStep> step);

  Stage stage_ = Stage::challenge;
};

std::unexpected<Error> sasl_failed(std::string why);

// An error says which part of the credentials is missing or cannot be sent. `nonce` is the client's
// own, as make_nonce() (kafka/sasl/scram.h) makes it; only SCRAM needs it.
Result<std::unique_ptr<SaslClient>> make_sasl_client(Mechanism mechanism,
                                                     const SaslCredentials& credentials,
                                                     std::string nonce);

}  // namespace isthmus::kafka
