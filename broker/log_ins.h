// LogIns: who clients are, where they say so by SASL: runs the exchanges of kafka/sasl/ on what the
// cluster knows of its users. PBKDF2 runs on the workers.
//
// One per broker; called on the loop of the connection, any of them.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "broker/image/image.h"
#include "broker/token_keys.h"
#include "io/env.h"
#include "io/mutex.h"
#include "kafka/sasl/sasl_server.h"
#include "server/service.h"

namespace isthmus::broker {

class LogIns {
 public:
  LogIns(io::Env& env, const PublishedImage& image, TokenKeys::Options tokens);

  // From which users who do not exist have their salts. REQUIRES: before anybody is served.
  void hide_unknown_users(const kafka::ScramDecoy::Secret& secret) { secret_ = secret; }

  struct Exchange : server::LogInExchange {
    explicit Exchange(std::unique_ptr<kafka::SaslServer> s) : server(std::move(s)) {}
    std::unique_ptr<kafka::SaslServer> server;
  };
  std::unique_ptr<Exchange> begin(kafka::Mechanism mechanism) const;

  // Whether who has logged in with a password still may: looks again when users have changed.
  bool still_may(server::LogIn& log_in) const;

  // The answer to one message; its error is for the client. `exchange` outlives the call.
  io::Task<Result<kafka::SaslAnswer>> step(Exchange& exchange, Slice message,
                                           const server::ConnectionContext& client);

 private:
  std::optional<kafka::ScramCredential> find(const kafka::CredentialWanted& wanted) const;

  kafka::ScramDecoy decoy() const;

  io::Env& env_;
  const PublishedImage& image_;
  std::optional<kafka::ScramDecoy::Secret> secret_;
  // Whoever comes may have a password derived, and others need the workers, too: one at a time for
  // each loop.
  std::map<io::Loop*, std::unique_ptr<io::Mutex>> deriving_;
  TokenKeys tokens_;
};

}  // namespace isthmus::broker
