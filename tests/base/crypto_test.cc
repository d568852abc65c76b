// Hashes and base64, held against the vectors of their RFCs and of FIPS 180-2.
#include "base/crypto.h"

#include <gtest/gtest.h>

namespace isthmus {
namespace {

constexpr HashAlgorithm both[] = {HashAlgorithm::sha256, HashAlgorithm::sha512};

std::vector<uint8_t> repeated(uint8_t byte, size_t times) {
  return std::vector<uint8_t>(times, byte);
}

TEST(Crypto, Hash) {
  EXPECT_EQ(hex(hash_of(HashAlgorithm::sha256, as_bytes("abc"))),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hex(hash_of(HashAlgorithm::sha256, {})),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hex(hash_of(HashAlgorithm::sha512, as_bytes("abc"))),
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
            "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
  for (HashAlgorithm algorithm : both) {
    EXPECT_EQ(hash_of(algorithm, as_bytes("abc")).size(), hash_size(algorithm));
  }
}

// RFC 4231, cases 1, 2, 3 and 6 (a key that is longer than a block is hashed first).
TEST(Crypto, Hmac) {
  struct Case {
    std::vector<uint8_t> key;
    std::vector<uint8_t> data;
    const char* sha256;
    const char* sha512;
  };
  const auto bytes = [](std::string_view text) {
    return std::vector<uint8_t>(text.begin(), text.end());
  };
  const Case cases[] = {
      {repeated(0x0b, 20), bytes("Hi There"),
       "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
       "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde"
       "daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854"},
      {bytes("Jefe"), bytes("what do ya want for nothing?"),
       "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
       "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
       "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"},
      {repeated(0xaa, 20), repeated(0xdd, 50),
       "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
       "fa73b0089d56a284efb0f0756c890be9b1b5dbdd8ee81a3655f83e33b2279d39"
       "bf3e848279a722c806b485a47e67c807b946a337bee8942674278859e13292fb"},
      {repeated(0xaa, 131), bytes("Test Using Larger Than Block-Size Key - Hash Key First"),
       "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
       "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352"
       "6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(hex(hmac(HashAlgorithm::sha256, c.key, c.data)), c.sha256);
    EXPECT_EQ(hex(hmac(HashAlgorithm::sha512, c.key, c.data)), c.sha512);
  }
}

TEST(Crypto, HmacOfNothingUnderNothing) {
  EXPECT_EQ(hex(hmac(HashAlgorithm::sha256, {}, {})),
            "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
  hmac(HashAlgorithm::sha256, as_bytes("another key"), as_bytes("in between"));
  EXPECT_EQ(hex(hmac(HashAlgorithm::sha256, {}, {})),
            "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

// The inputs of RFC 6070, whose outputs are for SHA-1; these are what Python's hashlib makes of
// them.
TEST(Crypto, DeriveKey) {
  const auto derived = [](HashAlgorithm algorithm, std::string_view password, std::string_view salt,
                          int32_t iterations) {
    return hex(derive_key(algorithm, as_bytes(password), as_bytes(salt), iterations));
  };
  EXPECT_EQ(derived(HashAlgorithm::sha256, "password", "salt", 1),
            "120fb6cffcf8b32c43e7225256c4f837a86548c92ccc35480805987cb70be17b");
  EXPECT_EQ(derived(HashAlgorithm::sha256, "password", "salt", 2),
            "ae4d0c95af6b46d32d0adff928f06dd02a303f8ef3c251dfd6e2d85a95474c43");
  EXPECT_EQ(derived(HashAlgorithm::sha256, "password", "salt", 4096),
            "c5e478d59288c841aa530db6845c4c8d962893a001ce4e11a4963873aa98134a");
  EXPECT_EQ(derived(HashAlgorithm::sha512, "password", "salt", 4096),
            "d197b1b33db0143e018b12f3d1d1479e6cdebdcc97c5c0f87f6902e072f457b5"
            "143f30602641b3d55cd335988cb36b84376060ecd532e039b742a239434af2d5");
  EXPECT_EQ(derived(HashAlgorithm::sha256, "", "", 1),
            "f7ce0b653d2d72a4108cf5abe912ffdd777616dbbb27a70e8204f3ae2d0f6fad");
}

TEST(Crypto, ComparesWholly) {
  EXPECT_TRUE(equal_in_constant_time({}, {}));
  EXPECT_TRUE(equal_in_constant_time(as_bytes("secret"), as_bytes("secret")));
  EXPECT_FALSE(equal_in_constant_time(as_bytes("secret"), as_bytes("secreT")));
  EXPECT_FALSE(equal_in_constant_time(as_bytes("secret"), as_bytes("Secret")));
  EXPECT_FALSE(equal_in_constant_time(as_bytes("secret"), as_bytes("secre")));
  EXPECT_FALSE(equal_in_constant_time(as_bytes("secret"), {}));
}

// RFC 4648, section 10.
TEST(Base64, Vectors) {
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (auto [text, encoded] : vectors) {
    EXPECT_EQ(encode_base64(as_bytes(text)), encoded);
    const auto decoded = decode_base64(encoded);
    ASSERT_TRUE(decoded) << encoded;
    EXPECT_EQ(as_text(*decoded), text);
  }
  EXPECT_EQ(encode_base64(as_bytes("fo"), Base64::url), "Zm8");
  const uint8_t high[] = {0xfb, 0xff, 0xbf};
  EXPECT_EQ(encode_base64(high), "+/+/");
  EXPECT_EQ(encode_base64(high, Base64::url), "-_-_");
}

TEST(Base64, EveryByteAtEveryPlace) {
  for (Base64 form : {Base64::padded, Base64::url}) {
    for (size_t size = 1; size <= 4; ++size) {
      for (int byte = 0; byte < 256; ++byte) {
        std::vector<uint8_t> bytes = repeated(0x5a, size);
        bytes.back() = static_cast<uint8_t>(byte);
        const auto back = decode_base64(encode_base64(bytes, form), form);
        ASSERT_TRUE(back) << size << " " << byte;
        EXPECT_EQ(*back, bytes);
      }
    }
  }
}

TEST(Base64, WhatNobodyWritesIsRefused) {
  for (const char* text : {"Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "Zm9v=", "Zm9v====", "=", "====",
                           "Z===", "Zg==Zg==", " Zg==", "Zg==\n", "Zm 9v", "Zm8-", "Zm8_", "Zm9"}) {
    EXPECT_FALSE(decode_base64(text)) << text;
  }
  for (const char* text : {"Z", "Zg==", "Zh", "Zm9v=", "Zm8+", "Zm8/", "Zm9vY"}) {
    EXPECT_FALSE(decode_base64(text, Base64::url)) << text;
  }
  EXPECT_FALSE(decode_base64(std::string_view("Zm9\0", 4)));
}

}  // namespace
}  // namespace isthmus
