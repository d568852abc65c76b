// PLAIN (RFC 4616): one message, "authorization id NUL user NUL password". The password travels as
// it is, so it belongs on TLS. Checked against the user's SCRAM credential; see sasl_server.h and
// sasl_client.h for owners and loops.
#pragma once

#include <string>

#include "kafka/sasl/sasl_client.h"
#include "kafka/sasl/sasl_server.h"

namespace isthmus::kafka {

struct PlainMessage {
  std::string authorization_id;  // empty: the user's own
  std::string user;
  std::string password;
  friend bool operator==(const PlainMessage&, const PlainMessage&) = default;
};

// An error says what is wrong with the message, and holds nothing of it.
Result<PlainMessage> parse_plain(Bytes message);
std::vector<uint8_t> encode_plain(const PlainMessage& message);

class PlainServer final : public SaslServer {
 public:
  explicit PlainServer(const ScramDecoy& decoy) : decoy_(decoy) {}

 protected:
  Result<SaslServerStep> on_message(Bytes message) override;
  Result<SaslServerStep> on_credential(std::optional<ScramCredential> credential) override;
  Result<SaslServerStep> on_derived(const SaltedPassword& salted) override;

 private:
  ScramDecoy decoy_;
  std::string password_;
  ScramCredential credential_;
  bool is_known_ = false;
};

class PlainClient final : public SaslClient {
 public:
  PlainClient(std::string user, std::string password)
      : message_{"", std::move(user), std::move(password)} {}

 protected:
  Result<SaslClientStep> on_challenge(Bytes challenge) override;

 private:
  PlainMessage message_;
  bool sent_ = false;
};

}  // namespace isthmus::kafka
