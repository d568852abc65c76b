// SaslServer: one log-in, as the server sees it. A state machine without I/O, clock and randomness;
// its owner (a connection, on its loop) feeds it with the bytes of SaslAuthenticate and does what
// each step asks for:
//
//               step(bytes)
//   message ──────────────────► SaslAnswer        send it; then the next message, or done
//      ▲  │
//      │  ├──► CredentialWanted ── look the user up ──────────────► give_credential()  SCRAM, PLAIN
//      │  ├──► PasswordDerivation ── run() it on the workers ─────► give_derived()     PLAIN
//      │  └──► TokenCheckWanted ── verify_jwt() ──────────────────► give_identity()    OAUTHBEARER
//      └─────────────────────────────────────────────────────────── each leads to a step again
//
// An error is the answer to the client: SASL_AUTHENTICATION_FAILED, or ILLEGAL_SASL_STATE for a
// message that was not asked for, and nothing follows it. Its text does not say whether it was the
// name or the password that was wrong; why_refused() does, for the log and the audit. An unknown
// user takes the same steps as a known one, with a ScramDecoy for a credential.
//
// Authenticating again (KIP-368) is a new SaslServer; that it is the same user, by the same
// mechanism, is for the owner to check.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "kafka/sasl/credential.h"
#include "kafka/sasl/jwt.h"
#include "kafka/sasl/mechanism.h"

namespace isthmus::kafka {

struct SaslAnswer {
  std::vector<uint8_t> bytes;
  bool done = false;  // the client is who session() says
};
struct CredentialWanted {
  std::string user;
  std::optional<HashAlgorithm> algorithm;  // nothing: any will do, the strongest is best
};
struct TokenCheckWanted {
  std::string token;
};
using SaslServerStep =
    std::variant<SaslAnswer, CredentialWanted, PasswordDerivation, TokenCheckWanted>;

// Who has logged in.
struct SaslSession {
  std::string user;
  // When the token expires, in milliseconds since 1970; passwords do not.
  std::optional<int64_t> expires_ms;
  // A SCRAM client sent more than the one nonce (librdkafka 0.0.99 to 2.6.0); count and name such.
  bool nonce_repeated = false;
};

class SaslServer {
 public:
  virtual ~SaslServer() = default;

  // The client's next message, of any bytes and length.
  Result<SaslServerStep> step(Bytes message);

  // REQUIRES of each: the last step asked for it. A credential is nothing if there is no such user;
  // an identity is an error if the token is not accepted.
  Result<SaslServerStep> give_credential(std::optional<ScramCredential> credential);
  Result<SaslServerStep> give_derived(const SaltedPassword& salted);
  Result<SaslServerStep> give_identity(Result<TokenIdentity> identity);

  bool done() const { return stage_ == Stage::done; }
  // REQUIRES: done().
  const SaslSession& session() const;

  // For the log and the audit, both from outside: who the client says that it is, and why it was
  // refused. Empty as long as nobody has said so.
  const std::string& claimed_user() const { return session_.user; }
  const std::string& why_refused() const { return why_refused_; }

 protected:
  virtual Result<SaslServerStep> on_message(Bytes message) = 0;
  virtual Result<SaslServerStep> on_credential(std::optional<ScramCredential> credential);
  virtual Result<SaslServerStep> on_derived(const SaltedPassword& salted);
  virtual Result<SaslServerStep> on_identity(Result<TokenIdentity> identity);

  // `why` is for us, the client is told the same of every name, password and token.
  std::unexpected<Error> wrong_credentials(std::string why);
  // Of what the client itself has written wrong, which it may know.
  std::unexpected<Error> wrong_message(std::string what);

  SaslSession session_;

 private:
  enum class Stage : uint8_t { message, credential, derivation, identity, done, refused };

  Result<SaslServerStep> enter(Result<SaslServerStep> step);

  Stage stage_ = Stage::message;
  std::string why_refused_;
};

// `nonce` is the server's own, as make_nonce() (kafka/sasl/scram.h) makes it; only SCRAM needs it.
std::unique_ptr<SaslServer> make_sasl_server(Mechanism mechanism, const ScramDecoy& decoy,
                                             std::string nonce);

}  // namespace isthmus::kafka
