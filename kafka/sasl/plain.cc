#include "kafka/sasl/plain.h"

namespace isthmus::kafka {

Result<PlainMessage> parse_plain(Bytes message) {
  const std::string_view text = as_text(message);
  const size_t first = text.find('\0');
  const size_t second = first == std::string_view::npos ? first : text.find('\0', first + 1);
  if (second == std::string_view::npos || text.find('\0', second + 1) != std::string_view::npos) {
    return fail("a PLAIN message has an authorization id, a user name and a password");
  }
  PlainMessage parsed{std::string(text.substr(0, first)),
                      std::string(text.substr(first + 1, second - first - 1)),
                      std::string(text.substr(second + 1))};
  if (!is_user_name(parsed.user)) {
    return fail("the user name is empty, too long, or no printable text");
  }
  if (!is_password(parsed.password)) return fail("the password is empty, too long, or no text");
  if (!parsed.authorization_id.empty() && parsed.authorization_id != parsed.user) {
    return fail("the authorization id is another than the user name");
  }
  return parsed;
}

std::vector<uint8_t> encode_plain(const PlainMessage& message) {
  std::string text = message.authorization_id;
  text += '\0';
  text += message.user;
  text += '\0';
  text += message.password;
  return {text.begin(), text.end()};
}

Result<SaslServerStep> PlainServer::on_message(Bytes message) {
  auto parsed = parse_plain(message);
  if (!parsed) return wrong_message(parsed.error().text);
  session_.user = std::move(parsed->user);
  password_ = std::move(parsed->password);
  return CredentialWanted{session_.user, std::nullopt};
}

Result<SaslServerStep> PlainServer::on_credential(std::optional<ScramCredential> credential) {
  is_known_ = credential.has_value();
  credential_ =
      is_known_ ? *std::move(credential) : decoy_.of(HashAlgorithm::sha512, session_.user);
  return derivation_for(credential_, std::move(password_));
}

Result<SaslServerStep> PlainServer::on_derived(const SaltedPassword& salted) {
  const bool fits = is_password_of(credential_, salted);
  if (!is_known_) return wrong_credentials("no such user");
  if (!fits) return wrong_credentials("wrong password");
  return SaslAnswer{{}, true};
}

Result<SaslClientStep> PlainClient::on_challenge(Bytes challenge) {
  if (!challenge.empty()) return sasl_failed("the server asks what PLAIN does not know");
  if (sent_) return SaslDone{};
  sent_ = true;
  auto bytes = encode_plain(message_);
  message_ = {};
  return SaslSend{std::move(bytes)};
}

}  // namespace isthmus::kafka
