// What the openssl command says of the certificates is held by tests/e2e/tls_create_test.py; here:
// what is refused, and what a folder looks like after an attempt.
#include "io/throwaway_ca.h"

#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "io/throwaway_folder.h"
#include "tests/io/real_world.h"

namespace isthmus::io {
namespace {

namespace fs = std::filesystem;

constexpr int64_t now_s = 1'700'000'000;
constexpr int64_t day_s = 24 * 3600;

std::string why_not(const PemPair& pem, int64_t at_s = now_s) {
  const auto ca = ThrowawayCa::load(pem, at_s);
  return ca ? "" : ca.error().text;
}

TEST(ThrowawayCa, IsReadAgainFromItsText) {
  const ThrowawayCa ca = ThrowawayCa::create(now_s, 10);
  EXPECT_EQ(ca.valid_until_s(), now_s + 10 * day_s);
  EXPECT_TRUE(ca.pem().key.starts_with("-----BEGIN PRIVATE KEY-----\n"));
  const auto again = ThrowawayCa::load(ca.pem(), now_s);
  ASSERT_TRUE(again) << again.error().text;
  EXPECT_EQ(again->valid_until_s(), ca.valid_until_s());
}

TEST(ThrowawayCa, SignsNothingWithWhatItDidNotMake) {
  const PemPair ours = ThrowawayCa::create(now_s, 10).pem();
  const PemPair other = ThrowawayCa::create(now_s, 10).pem();
  EXPECT_EQ(why_not({ours.certificate, other.key}), "the key is not this certificate's");
  EXPECT_EQ(why_not({"", ours.key}), "the certificate is no certificate in PEM");
  EXPECT_EQ(why_not({ours.key, ours.key}), "the certificate is no certificate in PEM");
  EXPECT_EQ(why_not({ours.certificate, ours.certificate}),
            "the key is no unencrypted private key in PEM");
  EXPECT_EQ(why_not(ours, now_s + 10 * day_s), "this CA has expired");
  EXPECT_EQ(why_not(ours, now_s + 10 * day_s - 1), "");
  const auto leaf = ThrowawayCa::create(now_s, 10).issue({"seoul", {}}, now_s, 10);
  EXPECT_EQ(why_not(leaf.pem), "this is not a throw-away CA: nothing is signed with another");
}

TEST(ThrowawayCa, DoesNotAskForThePasswordOfAKey) {
  const PemPair ours = ThrowawayCa::create(now_s, 10).pem();
  BIO* in = BIO_new_mem_buf(ours.key.data(), static_cast<int>(ours.key.size()));
  EVP_PKEY* key = PEM_read_bio_PrivateKey(in, nullptr, nullptr, nullptr);
  BIO* out = BIO_new(BIO_s_mem());
  ASSERT_EQ(
      PEM_write_bio_PKCS8PrivateKey(out, key, EVP_aes_128_cbc(), "secret", 6, nullptr, nullptr), 1);
  char* data = nullptr;
  const long size = BIO_get_mem_data(out, &data);
  EXPECT_EQ(why_not({ours.certificate, std::string(data, static_cast<size_t>(size))}),
            "the key is no unencrypted private key in PEM");
  BIO_free(in);
  BIO_free(out);
  EVP_PKEY_free(key);
}

TEST(ThrowawayCa, OutlivesWhatItSigns) {
  const ThrowawayCa ca = ThrowawayCa::create(now_s, 10);
  EXPECT_EQ(ca.issue({"seoul", {}}, now_s, 3).valid_until_s, now_s + 3 * day_s);
  EXPECT_EQ(ca.issue({"seoul", {}}, now_s + day_s, 100).valid_until_s, ca.valid_until_s());
}

bool holds_for(const ThrowawayCa::Issued& issued, const char* host) {
  BIO* in = BIO_new_mem_buf(issued.pem.certificate.data(),
                            static_cast<int>(issued.pem.certificate.size()));
  X509* certificate = PEM_read_bio_X509(in, nullptr, nullptr, nullptr);
  const bool holds = X509_check_host(certificate, host, 0, 0, nullptr) == 1 ||
                     X509_check_ip_asc(certificate, host, 0) == 1;
  X509_free(certificate);
  BIO_free(in);
  return holds;
}

TEST(ThrowawayCa, HoldsForItsNameThisMachineAndTheHosts) {
  const ThrowawayCa ca = ThrowawayCa::create(now_s, 10);
  const auto issued = ca.issue(
      {"seoul", {"k1.seoul", "*.wild.seoul", "10.1.2.3", "fd00::1", "localhost"}}, now_s, 1);
  for (const char* host : {"seoul", "localhost", "127.0.0.1", "::1", "k1.seoul", "a.wild.seoul",
                           "10.1.2.3", "fd00:0::1"})
    EXPECT_TRUE(holds_for(issued, host)) << host;
  for (const char* host : {"tokyo", "k2.seoul", "wild.seoul", "127.0.0.2", "::2", "10.1.2.4"})
    EXPECT_FALSE(holds_for(issued, host)) << host;
}

TEST(ThrowawayCa, TakesNoNameThatIsAPathOrNoHosts) {
  for (const char* name : {"seoul", "k1.seoul", "a_b-c", "7"})
    EXPECT_EQ(certificate_name_problem(name), "") << name;
  const std::string longest(63, 'a');
  EXPECT_EQ(certificate_name_problem(longest), "");
  for (const std::string& name :
       {std::string(""), std::string("."), std::string(".."), std::string("a/b"),
        std::string("../a"), std::string(".a"), std::string("a."), std::string("a..b"),
        std::string("-a"), std::string("a b"), std::string("서울"), std::string("a\0b", 3),
        std::string("ca"), std::string("*.a"), longest + "a"})
    EXPECT_NE(certificate_name_problem(name), "") << name;
  for (const char* host : {"seoul", "k1.seoul", "*.seoul", "10.0.0.1", "::1", "fd00::1"})
    EXPECT_EQ(host_problem(host), "") << host;
  for (const std::string& host :
       {std::string(""), std::string("*"), std::string("*."), std::string("a.*"),
        std::string("[::1]"), std::string("host:9092"), std::string("a,DNS:b"),
        std::string("fe80::1%eth0"), std::string(254, 'a')})
    EXPECT_NE(host_problem(host), "") << host;
}

class ThrowawayFolder : public testing::Test {
 protected:
  ThrowawayWish wish(std::vector<std::string> names) {
    return {.folder = folder_, .names = std::move(names), .hosts = {}, .now_s = now_s, .days = 10};
  }
  std::string refusal(const ThrowawayWish& wish) {
    const auto made = make_throwaway_certificates(wish);
    return made ? "" : made.error().text;
  }
  std::vector<std::string> files() {
    std::vector<std::string> names;
    if (fs::exists(folder_))
      for (const auto& entry : fs::directory_iterator(folder_))
        names.push_back(entry.path().filename().string());
    std::ranges::sort(names);
    return names;
  }
  std::string read(const std::string& name) {
    std::ostringstream text;
    text << std::ifstream(folder_ + "/" + name).rdbuf();
    return text.str();
  }

  TemporaryFolder parent_;
  std::string folder_ = parent_.path() + "/deep/out";
};

using Files = std::vector<std::string>;

TEST_F(ThrowawayFolder, GetsKeysThatOnlyTheirOwnerReads) {
  const auto made = make_throwaway_certificates(wish({"seoul", "tokyo"}));
  ASSERT_TRUE(made) << made.error().text;
  EXPECT_TRUE(made->is_new_ca);
  ASSERT_EQ(made->made.size(), 2u);
  EXPECT_EQ(made->made[1].key, folder_ + "/tokyo.key");
  EXPECT_EQ(files(),
            (Files{"ca.crt", "ca.key", "seoul.crt", "seoul.key", "tokyo.crt", "tokyo.key"}));
  for (const std::string& name : files()) {
    struct stat info{};
    ASSERT_EQ(::stat((folder_ + "/" + name).c_str(), &info), 0);
    EXPECT_EQ((info.st_mode & 077) != 0, name.ends_with(".crt")) << name;
  }
}

TEST_F(ThrowawayFolder, GetsMoreOfTheSameAuthority) {
  ASSERT_EQ(refusal(wish({"seoul"})), "");
  const std::string ca = read("ca.crt"), seoul = read("seoul.key");
  const auto made = make_throwaway_certificates(wish({"tokyo"}));
  ASSERT_TRUE(made) << made.error().text;
  EXPECT_FALSE(made->is_new_ca);
  EXPECT_EQ(read("ca.crt"), ca);
  EXPECT_EQ(read("seoul.key"), seoul);
  EXPECT_EQ(files().size(), 6u);
}

TEST_F(ThrowawayFolder, LosesNothingAndGetsNothingWhereAFileIsThere) {
  ASSERT_EQ(refusal(wish({"seoul"})), "");
  const std::string before = read("seoul.crt");
  EXPECT_EQ(refusal(wish({"tokyo", "seoul"})),
            folder_ + "/seoul.crt is there already; nothing was made");
  EXPECT_EQ(files(), (Files{"ca.crt", "ca.key", "seoul.crt", "seoul.key"}));
  EXPECT_EQ(read("seoul.crt"), before);
  fs::create_symlink("nowhere", folder_ + "/tokyo.key");
  EXPECT_EQ(refusal(wish({"tokyo"})), folder_ + "/tokyo.key is there already; nothing was made");
}

TEST_F(ThrowawayFolder, WithHalfAnAuthorityOrAStrangersIsLeftAlone) {
  ASSERT_EQ(refusal(wish({"seoul"})), "");
  auto later = wish({"tokyo"});
  later.now_s += 10 * day_s;
  EXPECT_EQ(refusal(later), folder_ + "/ca.crt: this CA has expired; take another folder");
  std::ofstream(folder_ + "/ca.crt") << std::string(70'000, 'x');
  EXPECT_EQ(refusal(wish({"tokyo"})), folder_ + "/ca.crt is no PEM file: it is larger than 64 KiB");
  fs::remove(folder_ + "/ca.crt");
  EXPECT_EQ(refusal(wish({"tokyo"})),
            folder_ + "/ca.key is there without " + folder_ + "/ca.crt; take another folder");
  EXPECT_EQ(files(), (Files{"ca.key", "seoul.crt", "seoul.key"}));
}

TEST_F(ThrowawayFolder, IsNotMadeForAWishThatIsWrong) {
  EXPECT_EQ(refusal(wish({})), "no name to make a certificate for");
  EXPECT_EQ(refusal(wish({"a", "b", "a"})), "\"a\" stands twice");
  EXPECT_EQ(refusal(wish({"../a"})).find("\"../a\" is no name; "), 0u);
  auto hosts = wish({"a"});
  hosts.hosts = {"a b"};
  EXPECT_EQ(refusal(hosts), "\"a b\" is neither a host's name nor an address");
  EXPECT_EQ(refusal(wish(Files(101, "a"))),
            "too many at once; at most 100 names and as many hosts");
  EXPECT_FALSE(fs::exists(folder_));
}

TEST_F(ThrowawayFolder, ThatCannotBeIsNamed) {
  std::ofstream(parent_.path() + "/deep") << "a file";
  EXPECT_EQ(refusal(wish({"a"})), "cannot make the folder " + folder_ + ": Not a directory");
  folder_ = parent_.path() + "/deep";
  EXPECT_EQ(refusal(wish({"a"})), "cannot make the folder " + folder_ + ": File exists");
}

// Of the two files of the authority one fits.
TEST_F(ThrowawayFolder, IsGoneAgainWhereTheDiskRefusesAFile) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit small{400, before.rlim_max};
  const auto signals = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::string said = refusal(wish({"seoul"}));
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, signals);
  EXPECT_EQ(said, "cannot write " + folder_ + "/ca.crt: File too large");
  EXPECT_FALSE(fs::exists(folder_));
  EXPECT_EQ(refusal(wish({"seoul"})), "");
}

TEST_F(ThrowawayFolder, MayBeWrittenWithASlash) {
  folder_ += "/";
  EXPECT_EQ(refusal(wish({"a"})), "");
  EXPECT_EQ(files().size(), 4u);
}

}  // namespace
}  // namespace isthmus::io
