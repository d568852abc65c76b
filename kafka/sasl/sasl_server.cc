#include "kafka/sasl/sasl_server.h"

#include "base/check.h"
#include "kafka/errors.h"
#include "kafka/sasl/oauthbearer.h"
#include "kafka/sasl/plain.h"
#include "kafka/sasl/scram.h"

namespace isthmus::kafka {

Result<SaslServerStep> SaslServer::step(Bytes message) {
  if (stage_ != Stage::message) {
    return refuse(ErrorCode::illegal_sasl_state, "a SASL message that was not asked for");
  }
  if (message.size() > longest_sasl_message) {
    return enter(wrong_message("a SASL message of " + std::to_string(message.size()) +
                               " bytes; at most " + std::to_string(longest_sasl_message)));
  }
  return enter(on_message(message));
}

Result<SaslServerStep> SaslServer::give_credential(std::optional<ScramCredential> credential) {
  CHECK(stage_ == Stage::credential, "nobody asked for a credential");
  return enter(on_credential(std::move(credential)));
}

Result<SaslServerStep> SaslServer::give_derived(const SaltedPassword& salted) {
  CHECK(stage_ == Stage::derivation, "nobody asked for a derivation");
  return enter(on_derived(salted));
}

Result<SaslServerStep> SaslServer::give_identity(Result<TokenIdentity> identity) {
  CHECK(stage_ == Stage::identity, "nobody asked for an identity");
  return enter(on_identity(std::move(identity)));
}

const SaslSession& SaslServer::session() const {
  CHECK(done(), "nobody has logged in");
  return session_;
}

Result<SaslServerStep> SaslServer::on_credential(std::optional<ScramCredential>) {
  return wrong_message("no credential is asked for");
}
Result<SaslServerStep> SaslServer::on_derived(const SaltedPassword&) {
  return wrong_message("no derivation is asked for");
}
Result<SaslServerStep> SaslServer::on_identity(Result<TokenIdentity>) {
  return wrong_message("no identity is asked for");
}

std::unexpected<Error> SaslServer::wrong_credentials(std::string why) {
  why_refused_ = std::move(why);
  return refuse(ErrorCode::sasl_authentication_failed, "Authentication failed: wrong credentials");
}

std::unexpected<Error> SaslServer::wrong_message(std::string what) {
  why_refused_ = what;
  return refuse(ErrorCode::sasl_authentication_failed, "Authentication failed: " + what);
}

Result<SaslServerStep> SaslServer::enter(Result<SaslServerStep> step) {
  if (!step) {
    stage_ = Stage::refused;
  } else if (const auto* answer = std::get_if<SaslAnswer>(&*step)) {
    stage_ = answer->done ? Stage::done : Stage::message;
  } else if (std::holds_alternative<CredentialWanted>(*step)) {
    stage_ = Stage::credential;
  } else if (std::holds_alternative<PasswordDerivation>(*step)) {
    stage_ = Stage::derivation;
  } else {
    stage_ = Stage::identity;
  }
  CHECK(stage_ != Stage::done || is_user_name(session_.user), "who has logged in has a name");
  return step;
}

std::unique_ptr<SaslServer> make_sasl_server(Mechanism mechanism, const ScramDecoy& decoy,
                                             std::string nonce) {
  switch (mechanism) {
    case Mechanism::plain: return std::make_unique<PlainServer>(decoy);
    case Mechanism::oauthbearer: return std::make_unique<OauthBearerServer>();
    case Mechanism::scram_sha_256:
    case Mechanism::scram_sha_512: break;
  }
  return std::make_unique<ScramServer>(*scram_hash(mechanism), decoy, std::move(nonce));
}

}  // namespace isthmus::kafka
