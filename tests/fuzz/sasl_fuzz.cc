// SASL messages. The first byte says to whom: a server or a client of one of the mechanisms. The
// rest is messages, each behind a byte that says how long it is; what the last one lacks it does
// without. Nobody is let in but alice, and no server is taken for one that knows her password.
// Beside it, what a parser takes is written and taken again.
#include "base/check.h"
#include "kafka/sasl/oauthbearer.h"
#include "kafka/sasl/plain.h"
#include "kafka/sasl/scram.h"
#include "tests/fuzz/input.h"

namespace {

using namespace isthmus;
using namespace isthmus::kafka;

const ScramDecoy decoy{ScramDecoy::Secret{}, 1};

// Salted once: what is fuzzed is not PBKDF2.
PasswordDerivation secret(HashAlgorithm algorithm) {
  return {algorithm, "secret", {'s', 'a', 'l', 't'}, 1};
}
ScramCredential alices(HashAlgorithm algorithm) {
  const auto derivation = secret(algorithm);
  return scram_keys(algorithm, derivation.run(), derivation.salt, derivation.iterations);
}

Result<SaslServerStep> serve(SaslServer& server, Bytes message) {
  auto step = server.step(message);
  while (step && !std::holds_alternative<SaslAnswer>(*step)) {
    if (const auto* wanted = std::get_if<CredentialWanted>(&*step)) {
      CHECK(is_user_name(wanted->user), "only names are looked up");
      const auto algorithm = wanted->algorithm.value_or(HashAlgorithm::sha512);
      step = server.give_credential(wanted->user == "alice" ? std::optional(alices(algorithm))
                                                            : std::nullopt);
    } else if (const auto* derivation = std::get_if<PasswordDerivation>(&*step)) {
      CHECK(is_password(derivation->password) && derivation->iterations == 1, "one that is ours");
      step = server.give_derived(derivation->run());
    } else {
      const std::string& token = std::get<TokenCheckWanted>(*step).token;
      step = server.give_identity(token == "a.b.c" ? Result<TokenIdentity>({"alice", 1})
                                                   : Result<TokenIdentity>(fail("no")));
    }
  }
  return step;
}

void feed_server(Mechanism mechanism, fuzz::Input& input) {
  const auto server = make_sasl_server(mechanism, decoy, "server-nonce");
  while (!input.empty()) {
    const size_t size = input.byte();
    const bool was_done = server->done();
    const auto step = serve(*server, input.bytes(size));
    CHECK(!was_done || !step, "nothing follows the end");
    if (!step) CHECK(was_done || !server->why_refused().empty(), "a refusal says why");
  }
  CHECK(!server->done() || server->session().user == "alice", "nobody else");
}

void feed_client(Mechanism mechanism, fuzz::Input& input) {
  const SaslCredentials credentials{"alice", "secret", "a.b.c", {}};
  const auto client = *make_sasl_client(mechanism, credentials, "client-nonce");
  while (!input.empty()) {
    const size_t size = input.byte();
    auto step = client->next(input.bytes(size));
    if (!step || !std::holds_alternative<PasswordDerivation>(*step)) continue;
    const auto& derivation = std::get<PasswordDerivation>(*step);
    CHECK(derivation.iterations >= least_iterations &&
              derivation.iterations <= most_iterations_of_a_server && !derivation.salt.empty(),
          "no server makes us burn");
    step = client->give_derived(secret(derivation.algorithm).run());
    CHECK(step, "with what was derived there is an answer");
  }
  CHECK(!scram_hash(mechanism) || !client->done(), "no server knows the password");
}

void parse(Bytes message) {
  if (const auto plain = parse_plain(message)) {
    CHECK(as_text(encode_plain(*plain)) == as_text(message), "one message, one text");
  }
  if (const auto bearer = parse_oauthbearer_first(message)) {
    const auto again = encode_oauthbearer_first(*bearer);
    CHECK(again && parse_oauthbearer_first(*again) == *bearer, "what is read can be written");
  }
  if (const auto first = parse_scram_client_first(message)) {
    const std::string bare = encode_scram_client_first_bare(first->user, first->nonce);
    CHECK(first->bare.starts_with(bare), "what is read is what is signed");
    CHECK(as_text(message) == first->header.text + first->bare, "and all of it");
  }
  if (const auto first = parse_scram_server_first(message)) {
    CHECK(as_text(message).starts_with(encode_scram_server_first(*first)), "one text");
  }
  if (const auto final = parse_scram_client_final(message)) {
    CHECK(as_text(message) == final->without_proof + ",p=" + encode_base64(final->proof),
          "what is signed is all but the proof");
  }
  if (const auto final = parse_scram_server_final(message)) {
    CHECK(final->error.empty() != final->signature.empty(), "one of both");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  const size_t who = input.byte() % (2 * std::size(all_mechanisms) + 1);
  if (who == 2 * std::size(all_mechanisms)) {
    parse(input.rest());
  } else if (who % 2 == 0) {
    feed_server(all_mechanisms[who / 2], input);
  } else {
    feed_client(all_mechanisms[who / 2], input);
  }
  return 0;
}
