// SCRAM: the example of RFC 7677, byte by byte, and what each side holds the other to.
#include "kafka/sasl/scram.h"

#include <gtest/gtest.h>

#include "tests/kafka/sasl/logins.h"

namespace isthmus::kafka {
namespace {

const std::string client_nonce = "rOprNGfwEbeRWgbNEkqO";
const std::string server_nonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
const std::string both_nonces = client_nonce + server_nonce;
const std::string client_first = "n,,n=user,r=" + client_nonce;
const std::string server_first = "r=" + both_nonces + ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

struct Example {
  HashAlgorithm algorithm;
  std::string proof, signature;
};
const Example examples[] = {
    {HashAlgorithm::sha256, "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
     "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="},  // RFC 7677
    {HashAlgorithm::sha512,
     "gMGXRcevScNtxZ6/8lQYpGtnsNAc3mGcmNomv+xnoOMw+3R2xNJdMNnzMlTN8PPC6wdp6dybEmDYXYTxwnYPJQ==",
     "ZQnYEgWQMFmmsM8aQMF0nDDCy/AgCzkwk8CmMZYcMg0vSVlKDanekLtifDSeVGT4+5ZxXnJq199RVG2rR7N7Zw=="},
};

// Of the user "user", whose password is "pencil".
ScramCredential pencil_of_user(HashAlgorithm algorithm) {
  const PasswordDerivation derivation{algorithm, "pencil",
                                      *decode_base64("W22ZaJ0SNY7soEsUEjb6gQ=="), 4096};
  return *make_scram_credential(derivation);
}

// A server that has sent its first message.
struct Asked {
  explicit Asked(const std::string& first = client_first,
                 std::optional<ScramCredential> credential = pencil_of_user(HashAlgorithm::sha256),
                 const std::string& nonce = server_nonce)
      : server(HashAlgorithm::sha256, decoy, nonce) {
    wanted<CredentialWanted>(server.step(as_bytes(first)));
    answer = sent_by(server.give_credential(std::move(credential)));
  }
  // A client's last message that knows the password, whatever else it says.
  std::string final_with(const std::string& binding, const std::string& nonce,
                         const std::string& first_bare = client_first.substr(3)) const {
    const auto algorithm = HashAlgorithm::sha256;
    const auto salted =
        PasswordDerivation{algorithm, "pencil", *decode_base64("W22ZaJ0SNY7soEsUEjb6gQ=="), 4096}
            .run();
    const std::string without_proof = "c=" + binding + ",r=" + nonce;
    const auto key = hmac(algorithm, salted, as_bytes("Client Key"));
    auto proof = hmac(algorithm, hash_of(algorithm, key),
                      as_bytes(first_bare + "," + answer + "," + without_proof));
    for (size_t i = 0; i < proof.size(); ++i) proof[i] ^= key[i];
    return without_proof + ",p=" + encode_base64(proof);
  }
  ScramServer server;
  std::string answer;
};

TEST(Scram, ServerSaysWhatTheExampleSays) {
  for (const Example& example : examples) {
    ScramServer server(example.algorithm, decoy, server_nonce);
    const auto asks = server.step(as_bytes(client_first));
    EXPECT_EQ(wanted<CredentialWanted>(asks).user, "user");
    EXPECT_EQ(wanted<CredentialWanted>(asks).algorithm, example.algorithm);
    EXPECT_EQ(sent_by(server.give_credential(pencil_of_user(example.algorithm))), server_first);
    EXPECT_FALSE(server.done());
    const std::string final = "c=biws,r=" + both_nonces + ",p=" + example.proof;
    EXPECT_EQ(sent_by(server.step(as_bytes(final))), "v=" + example.signature);
    ASSERT_TRUE(server.done());
    EXPECT_EQ(server.session().user, "user");
    EXPECT_EQ(server.session().expires_ms, std::nullopt);
    EXPECT_FALSE(server.session().nonce_repeated);
  }
}

TEST(Scram, ClientSaysWhatTheExampleSays) {
  for (const Example& example : examples) {
    ScramClient client(example.algorithm, "user", "pencil", client_nonce);
    EXPECT_EQ(sent_by(client.next({})), client_first);
    const auto asks = client.next(as_bytes(server_first));
    const auto& derivation = wanted<PasswordDerivation>(asks);
    EXPECT_EQ(derivation.iterations, 4096);
    EXPECT_EQ(sent_by(client.give_derived(derivation.run())),
              "c=biws,r=" + both_nonces + ",p=" + example.proof);
    EXPECT_FALSE(client.done());
    wanted<SaslDone>(client.next(as_bytes("v=" + example.signature)));
    EXPECT_TRUE(client.done());
  }
}

// librdkafka 0.0.99 to 2.6.0.
TEST(Scram, AClientThatSendsItsNonceTwiceLogsInAndIsCounted) {
  Asked asked;
  const std::string final = asked.final_with("biws", client_nonce + both_nonces);
  EXPECT_TRUE(sent_by(asked.server.step(as_bytes(final))).starts_with("v="));
  ASSERT_TRUE(asked.server.done());
  EXPECT_TRUE(asked.server.session().nonce_repeated);
}

// CVE-2024-56128: whoever has heard an exchange cannot play it again.
TEST(Scram, ANonceThatDoesNotEndInTheServersWholeNonceIsRefused) {
  for (const std::string& nonce :
       {client_nonce, server_nonce, both_nonces + "x", both_nonces.substr(1),
        both_nonces.substr(0, both_nonces.size() - 1), both_nonces + client_nonce,
        server_nonce + client_nonce, client_nonce + "another%server$nonce"}) {
    Asked asked;
    const auto step = asked.server.step(as_bytes(asked.final_with("biws", nonce)));
    EXPECT_EQ(refusal(step),
              "Authentication failed: the nonce does not end in the one that was sent")
        << nonce;
  }
  Asked heard;
  const std::string final = heard.final_with("biws", both_nonces);
  EXPECT_TRUE(heard.server.step(as_bytes(final)));
  Asked again(client_first, pencil_of_user(HashAlgorithm::sha256), "now" + server_nonce);
  EXPECT_NE(refusal(again.server.step(as_bytes(final))), "");
}

TEST(Scram, ChannelBindingIsTheHeaderAgain) {
  const auto logs_in = [](const std::string& header, const std::string& binding) {
    Asked asked(header + "n=user,r=" + client_nonce);
    return asked.server.step(as_bytes(asked.final_with(binding, both_nonces))).has_value();
  };
  EXPECT_TRUE(logs_in("n,,", "biws"));
  EXPECT_TRUE(logs_in("y,,", "eSws"));
  EXPECT_FALSE(logs_in("y,,", "biws")) << "somebody has changed the header on the way";
  EXPECT_FALSE(logs_in("n,,", "eSws"));
  EXPECT_TRUE(logs_in("n,a=user,", encode_base64(as_bytes("n,a=user,"))));
  EXPECT_FALSE(logs_in("n,a=user,", "biws"));
  EXPECT_FALSE(logs_in("n,,", "biw"));
  EXPECT_FALSE(logs_in("n,,", ""));
}

TEST(Scram, FirstMessagesThatAreRefused) {
  const std::pair<std::string, const char*> cases[] = {
      {"", "no GS2 header"},
      {"x,,n=user,r=abc", "no GS2 header"},
      {"p=tls-unique,,n=user,r=abc", "channel binding is not supported"},
      {"n,a=root,n=user,r=abc", "another than the user name"},
      {"n,b=user,n=user,r=abc", "authorization id is no name"},
      {"n,a=,n=user,r=abc", "authorization id is no name"},
      {"n,,", "no name, or no nonce"},
      {"n,,r=abc,n=user", "no name, or no nonce"},
      {"n,,n=user", "no name, or no nonce"},
      {"n,,n=,r=abc", "user name"},
      {"n,,n=us=er,r=abc", "user name"},
      {"n,,n=us=2cer,r=abc", "user name"},
      {"n,,n=" + std::string(256, 'u') + ",r=abc", "user name"},
      {"n,,n=user,r=", "the nonce"},
      {"n,,n=user,r=a b", "the nonce"},
      {"n,,n=user,r=" + std::string(257, 'r'), "the nonce"},
      {"n,,n=user,r=abc,tokenauth=true", "delegation token is not supported"},
      {"n,,m=x,n=user,r=abc", "must be understood"},
      {"n,,n=user,r=abc,m=x", "must be understood"},
      {"n,,n=user,r=abc,", "no extension"},
      {"n,,n=user,r=abc,xx=1", "no extension"},
      {"n,,n=user,r=abc,n=root", "no extension"},
      {"n,,n=user,r=abc,1=1", "no extension"},
      {"n,,n=us\xff,r=abc", "no text"},
      {std::string("n,,n=us\0er,r=abc", 16), "no text"},
      {"n,,n=user,r=abc" + std::string(2 * 16, ','), "too many"},
      {"n,,n=user,r=abc,x=" + std::string(4096, 'x'), "4114 bytes; at most 4096"},
  };
  for (const auto& [message, why] : cases) {
    ScramServer server(HashAlgorithm::sha256, decoy, server_nonce);
    const std::string told = refusal(server.step(as_bytes(message)));
    EXPECT_NE(told.find(why), std::string::npos) << message << ": " << told;
    EXPECT_FALSE(server.done());
    EXPECT_FALSE(server.why_refused().empty());
  }
}

TEST(Scram, ExtensionsOfOneLetterArePassedOver) {
  const std::string first = client_first + ",x=of a later RFC";
  Asked asked(first);
  EXPECT_TRUE(asked.server.step(as_bytes(asked.final_with("biws", both_nonces, first.substr(3)))));
  EXPECT_TRUE(asked.server.done());
}

TEST(Scram, NamesAreEscapedAndComeBack) {
  EXPECT_EQ(encode_saslname("CN=a,b"), "CN=3Da=2Cb");
  EXPECT_EQ(decode_saslname("CN=3Da=2Cb"), "CN=a,b");
  EXPECT_EQ(decode_saslname("=3D2C"), "=2C") << "unescaped once";
  for (const char* name : {"a=", "a=2", "a=2c", "a=3d", "a,b", "=41"}) {
    EXPECT_EQ(decode_saslname(name), std::nullopt) << name;
  }
  ScramServer server(HashAlgorithm::sha256, decoy, server_nonce);
  const auto asks = server.step(as_bytes("n,,n=CN=3Da=2Cb,r=abc"));
  EXPECT_EQ(wanted<CredentialWanted>(asks).user, "CN=a,b");
  ScramClient client(HashAlgorithm::sha256, "CN=a,b", "pencil", "abc");
  EXPECT_EQ(sent_by(client.next({})), "n,,n=CN=3Da=2Cb,r=abc");
}

TEST(Scram, LastMessagesThatAreRefused) {
  const std::string good = Asked().final_with("biws", both_nonces);
  const size_t proof = good.find(",p=");
  const std::string short_proof = encode_base64(std::vector<uint8_t>(31));
  const std::string long_proof = encode_base64(std::vector<uint8_t>(65));
  const std::pair<std::string, const char*> cases[] = {
      {"", "no channel binding, nonce and proof"},
      {good.substr(0, proof), "no channel binding, nonce and proof"},
      {good + ",x=1", "no channel binding, nonce and proof"},
      {"p=AAAA", "no channel binding, nonce and proof"},
      {good.substr(0, proof) + ",p=", "a proof of another hash"},
      {good.substr(0, proof) + ",p=" + short_proof, "a proof of another hash"},
      {good.substr(0, proof) + ",p=" + long_proof, "too long"},
      {good.substr(0, proof) + ",p=AAA", "no base64"},
      {good.substr(0, proof) + ",p=AAAA,p=" + short_proof, "no extension"},
      {good.substr(0, proof) + ",m=1" + good.substr(proof), "must be understood"},
  };
  for (const auto& [message, why] : cases) {
    Asked asked;
    const std::string told = refusal(asked.server.step(as_bytes(message)));
    EXPECT_NE(told.find(why), std::string::npos) << message << ": " << told;
  }
  Asked asked;
  EXPECT_TRUE(asked.server.step(as_bytes(good))) << "the one that all others are made from";
}

TEST(Scram, AnUnknownUserSeesWhatAWrongPasswordSees) {
  Asked known(client_first, credential_of(HashAlgorithm::sha256, "another"));
  Asked unknown(client_first, std::nullopt);
  Asked unknown_again(client_first, std::nullopt);
  EXPECT_EQ(unknown.answer, unknown_again.answer) << "the same salt, whenever it is asked for";
  EXPECT_TRUE(unknown.answer.starts_with("r=" + both_nonces + ",s="));
  EXPECT_TRUE(unknown.answer.ends_with(",i=4096"));
  for (Asked* asked : {&known, &unknown}) {
    const auto step = asked->server.step(as_bytes(asked->final_with("biws", both_nonces)));
    EXPECT_EQ(refusal(step), told_of_wrong_credentials);
    EXPECT_EQ(asked->server.claimed_user(), "user");
  }
  EXPECT_EQ(known.server.why_refused(), "wrong password");
  EXPECT_EQ(unknown.server.why_refused(), "no such user");
}

// Even somebody who knew the decoy's keys would not be let in.
TEST(Scram, ADecoyIsNobodysCredential) {
  const auto algorithm = HashAlgorithm::sha256;
  const auto fake = decoy.of(algorithm, "user");
  Asked asked(client_first, std::nullopt);
  Asked real(client_first, fake);
  EXPECT_EQ(asked.answer, real.answer);
  EXPECT_EQ(refusal(asked.server.step(as_bytes(asked.final_with("biws", both_nonces)))),
            told_of_wrong_credentials);
}

// The client's side.
class ScramClientTest : public testing::Test {
 protected:
  Result<SaslClientStep> after_first(const std::string& message) {
    sent_by(client.next({}));
    return client.next(as_bytes(message));
  }
  ScramClient client{HashAlgorithm::sha256, "user", "pencil", client_nonce};
};

TEST_F(ScramClientTest, HoldsTheServerToItsNonceAndIterations) {
  const std::string salt = ",s=W22ZaJ0SNY7soEsUEjb6gQ==";
  const std::pair<std::string, const char*> cases[] = {
      {"r=" + server_nonce + salt + ",i=4096", "does not begin with ours"},
      {"r=" + client_nonce + salt + ",i=4096", "adds nothing"},
      {"r=x" + both_nonces + salt + ",i=4096", "does not begin with ours"},
      {"r=" + both_nonces + salt + ",i=4095", "4095 iterations; we do 4096 to 1000000"},
      {"r=" + both_nonces + salt + ",i=1000001", "1000001 iterations"},
      {"r=" + both_nonces + salt + ",i=2147483648", "no number"},
      {"r=" + both_nonces + salt + ",i=0", "no number"},
      {"r=" + both_nonces + salt + ",i=-4096", "no number"},
      {"r=" + both_nonces + salt + ",i=04096", "no number"},
      {"r=" + both_nonces + salt + ",i=4096x", "no number"},
      {"r=" + both_nonces + ",s=,i=4096", "salt"},
      {"r=" + both_nonces + ",s=***,i=4096", "salt"},
      {"r=" + both_nonces + ",s=" + encode_base64(std::vector<uint8_t>(1025)) + ",i=4096", "salt"},
      {"r=" + both_nonces + salt, "no nonce, salt and iterations"},
      {"m=x,r=" + both_nonces + salt + ",i=4096", "must be understood"},
      {"", "no nonce, salt and iterations"},
      {"e=other-error", "no nonce, salt and iterations"},
      {"r=" + client_nonce + std::string(600, 'x') + salt + ",i=4096", "too long"},
  };
  for (const auto& [message, why] : cases) {
    ScramClient each(HashAlgorithm::sha256, "user", "pencil", client_nonce);
    sent_by(each.next({}));
    const std::string told = refusal(each.next(as_bytes(message)));
    EXPECT_NE(told.find(why), std::string::npos) << message << ": " << told;
    EXPECT_TRUE(is(each.next({}).error(), ErrorCode::illegal_sasl_state)) << "it is over";
  }
  for (const char* fits : {"4096", "1000000"}) {
    ScramClient each(HashAlgorithm::sha256, "user", "pencil", client_nonce);
    sent_by(each.next({}));
    EXPECT_TRUE(each.next(as_bytes("r=" + both_nonces + salt + ",i=" + fits)));
  }
}

TEST_F(ScramClientTest, HoldsTheServerToItsSignature) {
  const std::string good = examples[0].signature;
  const std::pair<std::string, const char*> cases[] = {
      {"v=" + examples[1].signature, "signature is wrong"},
      {"v=7" + good.substr(1), "signature is wrong"},
      {"v=", "no signature"},
      {"", "no signature"},
      {"v=AAAA", "signature is wrong"},
      {"v=" + good + ",v=" + good, "no extension"},
      {"e=invalid-proof", "refuses the log-in: invalid-proof"},
      {"e=\x1b[2J", "refuses the log-in: \\x1b[2J"},
  };
  for (const auto& [message, why] : cases) {
    ScramClient each(HashAlgorithm::sha256, "user", "pencil", client_nonce);
    sent_by(each.next({}));
    const auto asks = each.next(as_bytes(server_first));
    sent_by(each.give_derived(wanted<PasswordDerivation>(asks).run()));
    const std::string told = refusal(each.next(as_bytes(message)));
    EXPECT_NE(told.find(why), std::string::npos) << message << ": " << told;
    EXPECT_FALSE(each.done());
  }
}

TEST_F(ScramClientTest, SpeaksFirst) {
  EXPECT_NE(refusal(client.next(as_bytes(server_first))), "");
}

TEST(Scram, NoncesCanBeSent) {
  std::array<uint8_t, 18> random{};
  for (int i = 0; i < 256; ++i) {
    random.fill(static_cast<uint8_t>(i));
    EXPECT_TRUE(is_nonce(make_nonce(random)));
    EXPECT_EQ(make_nonce(random).size(), 24u);
  }
}

}  // namespace
}  // namespace isthmus::kafka
