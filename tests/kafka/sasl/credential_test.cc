// What is kept of passwords, and of those that nobody has.
#include "kafka/sasl/credential.h"

#include <gtest/gtest.h>

#include <set>

#include "kafka/sasl/mechanism.h"
#include "tests/kafka/sasl/logins.h"

namespace isthmus::kafka {
namespace {

PasswordDerivation pencil(HashAlgorithm algorithm, int32_t iterations = 4096) {
  return {algorithm, "pencil", {'s', 'a', 'l', 't'}, iterations};
}

TEST(ScramCredential, OfAPasswordIsThatOfWhatAClientHasSalted) {
  for (auto algorithm : {HashAlgorithm::sha256, HashAlgorithm::sha512}) {
    const auto made = make_scram_credential(pencil(algorithm));
    ASSERT_TRUE(made) << made.error().text;
    const auto from_salted =
        make_scram_credential(algorithm, pencil(algorithm).run(), {'s', 'a', 'l', 't'}, 4096);
    ASSERT_TRUE(from_salted);
    EXPECT_EQ(*made, *from_salted);
    EXPECT_EQ(made->stored_key.size(), hash_size(algorithm));
    EXPECT_EQ(made->server_key.size(), hash_size(algorithm));
    EXPECT_NE(made->stored_key, made->server_key);
    EXPECT_EQ(made->iterations, 4096);
  }
}

TEST(ScramCredential, WhatIsNotFitToBeStoredIsRefused) {
  const auto refuses = [](const PasswordDerivation& derivation, const char* why) {
    const auto made = make_scram_credential(derivation);
    ASSERT_FALSE(made) << why;
    EXPECT_TRUE(is(made.error(), ErrorCode::unacceptable_credential));
    EXPECT_NE(made.error().text.find(why), std::string::npos) << made.error().text;
  };
  const auto algorithm = HashAlgorithm::sha256;
  for (int32_t iterations : {-1, 0, 4095, 16385, INT32_MAX}) {
    refuses(pencil(algorithm, iterations), "4096 to 16384");
  }
  EXPECT_TRUE(make_scram_credential(pencil(algorithm, 4096)));
  EXPECT_TRUE(make_scram_credential(pencil(algorithm, 16384)));
  refuses({algorithm, "", {'s'}, 4096}, "empty password");
  refuses({algorithm, "pencil", {}, 4096}, "a salt of 0 bytes");
  refuses({algorithm, "pencil", std::vector<uint8_t>(1025), 4096}, "a salt of 1025 bytes");
  const SaltedPassword of_another_hash(32);
  EXPECT_FALSE(make_scram_credential(HashAlgorithm::sha512, of_another_hash, {'s'}, 4096));
}

TEST(ScramCredential, KnowsItsPlainPassword) {
  const auto credential = credential_of(HashAlgorithm::sha512, "pencil");
  const auto fits = [&](const std::string& password) {
    return is_password_of(credential, derivation_for(credential, password).run());
  };
  EXPECT_TRUE(fits("pencil"));
  EXPECT_FALSE(fits("pencil "));
  EXPECT_FALSE(fits("Pencil"));
  EXPECT_FALSE(fits(""));
}

TEST(ScramDecoy, OneNameHasOneSaltAndOthersHaveOthers) {
  const auto algorithm = HashAlgorithm::sha256;
  EXPECT_EQ(decoy.of(algorithm, "alice"), ScramDecoy(secret_of(7)).of(algorithm, "alice"));
  std::set<std::vector<uint8_t>> salts;
  for (const char* user : {"alice", "alicf", "", "0alice"}) {
    for (auto each : {HashAlgorithm::sha256, HashAlgorithm::sha512}) {
      const auto credential = decoy.of(each, user);
      EXPECT_EQ(credential.stored_key.size(), hash_size(each));
      salts.insert(credential.salt);
    }
  }
  salts.insert(ScramDecoy(secret_of(8)).of(algorithm, "alice").salt);
  EXPECT_EQ(salts.size(), 9u);
  EXPECT_EQ(ScramDecoy(secret_of(7), 8192).of(algorithm, "alice").iterations, 8192);
}

// As Kafka's tools make them, or nobody's salt would look like somebody's.
TEST(ScramDecoy, ItsSaltsLookLikeOthers) {
  size_t longer = 0;
  for (int i = 0; i < 1000; ++i) {
    const auto salt = decoy.of(HashAlgorithm::sha256, std::to_string(i)).salt;
    const std::string text(as_text(salt));
    EXPECT_EQ(text.find_first_not_of("0123456789abcdefghijklmnopqrstuvwxyz"), std::string::npos);
    ASSERT_TRUE(text.size() == 25 || text.size() == 26) << text;
    EXPECT_NE(text[0], '0') << "a number";
    if (text.size() == 26) {
      EXPECT_EQ(text[0], '1') << "a number of 130 bits";
      ++longer;
    }
  }
  EXPECT_GT(longer, 300u);
  EXPECT_LT(longer, 500u);
}

TEST(Mechanism, HasItsNameBothWays) {
  for (Mechanism each : all_mechanisms) EXPECT_EQ(find_mechanism(mechanism_name(each)), each);
  EXPECT_EQ(mechanism_name(Mechanism::scram_sha_512), "SCRAM-SHA-512");
  for (const char* name : {"", "plain", "SCRAM-SHA-1", "SCRAM-SHA-256-PLUS", "GSSAPI"}) {
    EXPECT_FALSE(find_mechanism(name)) << name;
  }
  EXPECT_EQ(scram_hash(Mechanism::scram_sha_256), HashAlgorithm::sha256);
  EXPECT_EQ(scram_hash(Mechanism::scram_sha_512), HashAlgorithm::sha512);
  EXPECT_EQ(scram_hash(Mechanism::plain), std::nullopt);
}

TEST(Mechanism, UsersHaveNamesThatCanBeSeen) {
  for (const char* name : {"a", "alice", "CN=alice,OU=x", "앨리스", "two words", "alice@corp"}) {
    EXPECT_TRUE(is_user_name(name)) << name;
  }
  EXPECT_TRUE(is_user_name(std::string(255, 'a')));
  for (const std::string& name :
       {std::string(), std::string(256, 'a'), std::string("a\0b", 3), std::string("a\nb"),
        std::string("a\xff"), std::string("alice\u202e"), std::string("al\u200bice")}) {
    EXPECT_FALSE(is_user_name(name)) << name;
  }
  EXPECT_TRUE(is_password("p\nq"));
  EXPECT_TRUE(is_password(std::string(4096, 'a')));
  EXPECT_FALSE(is_password(""));
  EXPECT_FALSE(is_password(std::string(4097, 'a')));
  EXPECT_FALSE(is_password(std::string("a\0b", 3)));
  EXPECT_FALSE(is_password("\xff"));
}

}  // namespace
}  // namespace isthmus::kafka
