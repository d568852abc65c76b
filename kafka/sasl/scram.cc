#include "kafka/sasl/scram.h"

#include <algorithm>
#include <functional>

#include "base/check.h"
#include "base/printable.h"

namespace isthmus::kafka {
namespace {

using Octets = std::vector<uint8_t>;

// REQUIRES: the sizes are equal.
Octets exclusive_or(const Octets& one, const Octets& other) {
  Octets out(one.size());
  std::ranges::transform(one, other, out.begin(), std::bit_xor<uint8_t>());
  return out;
}

// What both sides sign: all that was said, but for the proof.
std::string auth_message(const std::string& first_bare, const std::string& server_first,
                         const std::string& final_without_proof) {
  return first_bare + "," + server_first + "," + final_without_proof;
}

Octets octets_of(std::string_view text) { return {text.begin(), text.end()}; }

}  // namespace

std::string make_nonce(const std::array<uint8_t, 18>& random) { return encode_base64(random); }

ScramServer::ScramServer(HashAlgorithm algorithm, const ScramDecoy& decoy, std::string nonce)
    : algorithm_(algorithm), decoy_(decoy), own_nonce_(std::move(nonce)) {
  CHECK(is_nonce(own_nonce_) && own_nonce_.size() <= longest_nonce, "a nonce that can be sent");
}

Result<SaslServerStep> ScramServer::on_message(Bytes message) {
  return server_first_.empty() ? on_first(message) : on_final(message);
}

Result<SaslServerStep> ScramServer::on_first(Bytes message) {
  auto first = parse_scram_client_first(message);
  if (!first) return wrong_message(first.error().text);
  first_ = *std::move(first);
  session_.user = first_.user;
  const std::string& wanted = first_.header.authorization_id;
  if (!wanted.empty() && wanted != first_.user) {
    return wrong_message("the authorization id is another than the user name");
  }
  return CredentialWanted{first_.user, algorithm_};
}

Result<SaslServerStep> ScramServer::on_credential(std::optional<ScramCredential> credential) {
  CHECK(!credential || credential->algorithm == algorithm_, "the credential that was asked for");
  is_known_ = credential.has_value();
  credential_ = is_known_ ? *std::move(credential) : decoy_.of(algorithm_, first_.user);
  nonce_ = first_.nonce + own_nonce_;
  server_first_ = encode_scram_server_first({nonce_, credential_.salt, credential_.iterations});
  return SaslAnswer{octets_of(server_first_), false};
}

Result<SaslServerStep> ScramServer::on_final(Bytes message) {
  auto final = parse_scram_client_final(message);
  if (!final) return wrong_message(final.error().text);
  if (final->channel_binding != first_.header.text) {
    return wrong_message("the channel binding is another than that of the first message");
  }
  if (!final->nonce.ends_with(nonce_)) {
    return wrong_message("the nonce does not end in the one that was sent");
  }
  session_.nonce_repeated = final->nonce.size() != nonce_.size();
  const std::string said = auth_message(first_.bare, server_first_, final->without_proof);
  const auto signature = hmac(algorithm_, credential_.stored_key, as_bytes(said));
  if (final->proof.size() != signature.size()) return wrong_message("a proof of another hash");
  const auto client_key = exclusive_or(final->proof, signature);
  const bool fits = equal_in_constant_time(hash_of(algorithm_, client_key), credential_.stored_key);
  if (!is_known_) return wrong_credentials("no such user");
  if (!fits) return wrong_credentials("wrong password");
  const auto ours = hmac(algorithm_, credential_.server_key, as_bytes(said));
  return SaslAnswer{octets_of("v=" + encode_base64(ours)), true};
}

ScramClient::ScramClient(HashAlgorithm algorithm, std::string user, std::string password,
                         std::string nonce)
    : algorithm_(algorithm), password_(std::move(password)), own_nonce_(std::move(nonce)) {
  CHECK(is_nonce(own_nonce_) && own_nonce_.size() <= longest_nonce, "a nonce that can be sent");
  first_bare_ = encode_scram_client_first_bare(user, own_nonce_);
}

Result<SaslClientStep> ScramClient::on_challenge(Bytes challenge) {
  switch (stage_) {
    case Stage::first:
      if (!challenge.empty()) return sasl_failed("the server speaks before it is spoken to");
      stage_ = Stage::salting;
      return SaslSend{octets_of(encode_gs2_header("") + first_bare_)};
    case Stage::salting: return on_server_first(challenge);
    case Stage::signature: return on_server_final(challenge);
  }
  return sasl_failed("the log-in is over");
}

Result<SaslClientStep> ScramClient::on_server_first(Bytes challenge) {
  auto first = parse_scram_server_first(challenge);
  if (!first) return sasl_failed(first.error().text);
  if (!first->nonce.starts_with(own_nonce_) || first->nonce.size() == own_nonce_.size()) {
    return sasl_failed("the server's nonce does not begin with ours, or adds nothing to it");
  }
  if (first->iterations < least_iterations || first->iterations > most_iterations_of_a_server) {
    return sasl_failed("the server wants " + std::to_string(first->iterations) +
                       " iterations; we do " + std::to_string(least_iterations) + " to " +
                       std::to_string(most_iterations_of_a_server));
  }
  nonce_ = std::move(first->nonce);
  server_first_ = as_text(challenge);
  return PasswordDerivation{algorithm_, std::move(password_), std::move(first->salt),
                            first->iterations};
}

Result<SaslClientStep> ScramClient::on_derived(const SaltedPassword& salted) {
  const std::string without_proof =
      encode_scram_client_final_without_proof(encode_gs2_header(""), nonce_);
  const std::string said = auth_message(first_bare_, server_first_, without_proof);
  const auto client_key = hmac(algorithm_, salted, as_bytes("Client Key"));
  const auto keys = scram_keys(algorithm_, salted, {}, 0);
  const auto signature = hmac(algorithm_, keys.stored_key, as_bytes(said));
  expected_signature_ = hmac(algorithm_, keys.server_key, as_bytes(said));
  stage_ = Stage::signature;
  return SaslSend{
      octets_of(without_proof + ",p=" + encode_base64(exclusive_or(client_key, signature)))};
}

Result<SaslClientStep> ScramClient::on_server_final(Bytes challenge) {
  const auto final = parse_scram_server_final(challenge);
  if (!final) return sasl_failed(final.error().text);
  if (!final->error.empty()) {
    return sasl_failed("the server refuses the log-in: " + printable(final->error));
  }
  if (!equal_in_constant_time(final->signature, expected_signature_)) {
    return sasl_failed("the server's signature is wrong: it does not know this user's password");
  }
  return SaslDone{};
}

}  // namespace isthmus::kafka
