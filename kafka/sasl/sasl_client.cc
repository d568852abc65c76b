#include "kafka/sasl/sasl_client.h"

#include "base/check.h"
#include "kafka/errors.h"
#include "kafka/sasl/oauthbearer.h"
#include "kafka/sasl/plain.h"
#include "kafka/sasl/scram.h"

namespace isthmus::kafka {

Result<SaslClientStep> SaslClient::next(Bytes challenge) {
  CHECK(stage_ != Stage::derivation, "a derivation is under way");
  if (stage_ != Stage::challenge) {
    return refuse(ErrorCode::illegal_sasl_state, "the log-in is over");
  }
  if (challenge.size() > longest_sasl_message) {
    return enter(sasl_failed("the server's message has " + std::to_string(challenge.size()) +
                             " bytes; at most " + std::to_string(longest_sasl_message)));
  }
  return enter(on_challenge(challenge));
}

Result<SaslClientStep> SaslClient::give_derived(const SaltedPassword& salted) {
  CHECK(stage_ == Stage::derivation, "nobody asked for a derivation");
  return enter(on_derived(salted));
}

Result<SaslClientStep> SaslClient::on_derived(const SaltedPassword&) {
  return sasl_failed("no derivation is asked for");
}

Result<SaslClientStep> SaslClient::enter(Result<SaslClientStep> step) {
  if (!step) {
    stage_ = Stage::failed;
  } else if (std::holds_alternative<SaslSend>(*step)) {
    stage_ = Stage::challenge;
  } else if (std::holds_alternative<PasswordDerivation>(*step)) {
    stage_ = Stage::derivation;
  } else {
    stage_ = Stage::done;
  }
  return step;
}

std::unexpected<Error> sasl_failed(std::string why) {
  return refuse(ErrorCode::sasl_authentication_failed, std::move(why));
}

Result<std::unique_ptr<SaslClient>> make_sasl_client(Mechanism mechanism,
                                                     const SaslCredentials& credentials,
                                                     std::string nonce) {
  if (mechanism == Mechanism::oauthbearer) {
    auto first = encode_oauthbearer_first({"", credentials.token, credentials.extensions});
    if (!first) return fail(first.error());
    return std::make_unique<OauthBearerClient>(*std::move(first));
  }
  if (!is_user_name(credentials.username)) {
    return fail("the user name is empty, longer than " + std::to_string(longest_user_name) +
                " bytes, or no printable text");
  }
  if (!is_password(credentials.password)) {
    return fail("the password is empty, longer than " + std::to_string(longest_password) +
                " bytes, or no text");
  }
  if (mechanism == Mechanism::plain) {
    return std::make_unique<PlainClient>(credentials.username, credentials.password);
  }
  return std::make_unique<ScramClient>(*scram_hash(mechanism), credentials.username,
                                       credentials.password, std::move(nonce));
}

}  // namespace isthmus::kafka
