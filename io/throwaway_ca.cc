#include "io/throwaway_ca.h"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <optional>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "base/crypto.h"

namespace isthmus::io {
namespace {

constexpr int64_t day_s = 24 * 3600;
constexpr int64_t begins_before_s = 3600;
constexpr size_t longest_name = 63;   // of one label of a host's name
constexpr size_t longest_host = 253;  // RFC 1035, as text
constexpr const char* organisation = "Isthmus, throw-away, not for production";

template <auto free>
struct Free {
  template <typename T>
  void operator()(T* object) const {
    free(object);
  }
};
using Certificate = std::unique_ptr<X509, Free<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using Bio = std::unique_ptr<BIO, Free<BIO_free_all>>;
using Extension = std::unique_ptr<X509_EXTENSION, Free<X509_EXTENSION_free>>;
using Names = std::unique_ptr<GENERAL_NAMES, Free<GENERAL_NAMES_free>>;
using Number = std::unique_ptr<BIGNUM, Free<BN_free>>;

constexpr const char* works = "libcrypto makes certificates";

std::string text_of(const Bio& bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<size_t>(size)};
}

Bio reader_of(const std::string& text) {
  Bio bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  CHECK(bio, works);
  return bio;
}

PemPair to_pem(const Certificate& certificate, const Key& key) {
  const Bio first(BIO_new(BIO_s_mem())), second(BIO_new(BIO_s_mem()));
  CHECK(first && second, works);
  CHECK(PEM_write_bio_X509(first.get(), certificate.get()) == 1, works);
  CHECK(PEM_write_bio_PKCS8PrivateKey(second.get(), key.get(), nullptr, nullptr, 0, nullptr,
                                      nullptr) == 1,
        works);
  return {text_of(first), text_of(second)};
}

// Instead of asking at the terminal for the password of an encrypted key.
int give_no_password(char*, int, int, void*) { return -1; }

std::optional<int64_t> seconds_of(const ASN1_TIME* time) {
  tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return std::nullopt;
  return timegm(&parts);
}

void set_serial(X509& certificate) {
  std::array<uint8_t, 16> bytes{};
  fill_random(bytes);
  bytes[0] = (bytes[0] & 0x7f) | 0x40;  // neither negative nor short
  const Number number(BN_bin2bn(bytes.data(), bytes.size(), nullptr));
  CHECK(number, works);
  CHECK(BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(&certificate)) != nullptr, works);
}

void add_to_name(X509_NAME* name, const char* field, const std::string& value) {
  CHECK(X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8,
                                   reinterpret_cast<const unsigned char*>(value.c_str()), -1, -1,
                                   0) == 1,
        works);
}

// With a serial number, times and the key; without names, extensions and a signature.
Certificate begin_certificate(const Key& key, int64_t begin_s, int64_t end_s) {
  Certificate certificate(X509_new());
  CHECK(certificate, works);
  CHECK(X509_set_version(certificate.get(), X509_VERSION_3) == 1, works);
  set_serial(*certificate);
  CHECK(ASN1_TIME_set(X509_getm_notBefore(certificate.get()), begin_s) != nullptr, works);
  CHECK(ASN1_TIME_set(X509_getm_notAfter(certificate.get()), end_s) != nullptr, works);
  CHECK(X509_set_pubkey(certificate.get(), key.get()) == 1, works);
  return certificate;
}

void extend(X509& certificate, X509& issuer, int nid, const char* value) {
  X509V3_CTX context{};
  X509V3_set_ctx(&context, &issuer, &certificate, nullptr, nullptr, 0);
  const Extension extension(X509V3_EXT_nconf_nid(nullptr, &context, nid, value));
  CHECK(extension, works);
  CHECK(X509_add_ext(&certificate, extension.get(), -1) == 1, works);
}

// 4 or 16 bytes, or nothing for what is no address.
std::vector<uint8_t> address_bytes(const std::string& host) {
  std::vector<uint8_t> bytes(16);
  if (inet_pton(AF_INET6, host.c_str(), bytes.data()) == 1) return bytes;
  bytes.resize(4);
  if (inet_pton(AF_INET, host.c_str(), bytes.data()) == 1) return bytes;
  return {};
}

void add_host(GENERAL_NAMES& names, const std::string& host) {
  const std::vector<uint8_t> address = address_bytes(host);
  GENERAL_NAME* name = GENERAL_NAME_new();
  ASN1_STRING* value =
      address.empty() ? ASN1_IA5STRING_new() : static_cast<ASN1_STRING*>(ASN1_OCTET_STRING_new());
  CHECK(name != nullptr && value != nullptr, works);
  const void* data = address.empty() ? static_cast<const void*>(host.data()) : address.data();
  const size_t size = address.empty() ? host.size() : address.size();
  CHECK(ASN1_STRING_set(value, data, static_cast<int>(size)) == 1, works);
  GENERAL_NAME_set0_value(name, address.empty() ? GEN_DNS : GEN_IPADD, value);
  CHECK(sk_GENERAL_NAME_push(&names, name) > 0, works);
}

void add_hosts(X509& certificate, const CertificateSubject& subject) {
  std::vector<std::string> hosts{subject.name, "localhost", "127.0.0.1", "::1"};
  for (const std::string& host : subject.hosts) {
    if (std::ranges::find(hosts, host) == hosts.end()) hosts.push_back(host);
  }
  const Names names(sk_GENERAL_NAME_new_null());
  CHECK(names, works);
  for (const std::string& host : hosts) add_host(*names, host);
  CHECK(X509_add1_ext_i2d(&certificate, NID_subject_alt_name, names.get(), 0, 0) == 1, works);
}

bool is_letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// Labels of letters, digits, '-' and '_' with dots between them.
bool is_host_name(std::string_view name) {
  char before = '.';
  for (const char c : name) {
    if (c == '.' ? before == '.' : !is_letter_or_digit(c) && c != '_' && c != '-') return false;
    if (c == '-' && before == '.') return false;
    before = c;
  }
  return before != '.';
}

}  // namespace

struct ThrowawayCa::State {
  Certificate certificate;
  Key key;
  PemPair pem;
  int64_t valid_until_s = 0;
};

ThrowawayCa::ThrowawayCa(std::unique_ptr<State> state) : state_(std::move(state)) {}
ThrowawayCa::~ThrowawayCa() = default;
ThrowawayCa::ThrowawayCa(ThrowawayCa&&) noexcept = default;

const PemPair& ThrowawayCa::pem() const { return state_->pem; }

int64_t ThrowawayCa::valid_until_s() const { return state_->valid_until_s; }

ThrowawayCa ThrowawayCa::create(int64_t now_s, int64_t days) {
  auto state = std::make_unique<State>();
  state->key.reset(EVP_EC_gen("P-256"));
  CHECK(state->key, works);
  state->valid_until_s = now_s + days * day_s;
  state->certificate = begin_certificate(state->key, now_s - begins_before_s, state->valid_until_s);
  X509& certificate = *state->certificate;
  // Two of them are told apart by name: what trusts one says "unknown issuer" of the other.
  std::array<uint8_t, 4> mark{};
  fill_random(mark);
  X509_NAME* name = X509_get_subject_name(&certificate);
  add_to_name(name, "O", organisation);
  add_to_name(name, "CN", "Isthmus throw-away CA " + hex(mark));
  CHECK(X509_set_issuer_name(&certificate, name) == 1, works);
  extend(certificate, certificate, NID_basic_constraints, "critical,CA:TRUE,pathlen:0");
  extend(certificate, certificate, NID_key_usage, "critical,keyCertSign,cRLSign");
  extend(certificate, certificate, NID_subject_key_identifier, "hash");
  CHECK(X509_sign(&certificate, state->key.get(), EVP_sha256()) > 0, works);
  state->pem = to_pem(state->certificate, state->key);
  return ThrowawayCa(std::move(state));
}

Result<ThrowawayCa> ThrowawayCa::load(PemPair pem, int64_t now_s) {
  auto state = std::make_unique<State>();
  state->pem = std::move(pem);
  const Bio certificate = reader_of(state->pem.certificate), key = reader_of(state->pem.key);
  state->certificate.reset(
      PEM_read_bio_X509(certificate.get(), nullptr, give_no_password, nullptr));
  state->key.reset(PEM_read_bio_PrivateKey(key.get(), nullptr, give_no_password, nullptr));
  ERR_clear_error();
  if (!state->certificate) return fail("the certificate is no certificate in PEM");
  if (!state->key) return fail("the key is no unencrypted private key in PEM");
  char made_by[128] = {};
  X509_NAME_get_text_by_NID(X509_get_subject_name(state->certificate.get()), NID_organizationName,
                            made_by, sizeof made_by);
  if (std::string_view(made_by) != organisation || X509_check_ca(state->certificate.get()) != 1)
    return fail("this is not a throw-away CA: nothing is signed with another");
  const bool fits = X509_check_private_key(state->certificate.get(), state->key.get()) == 1;
  ERR_clear_error();
  if (!fits) return fail("the key is not this certificate's");
  state->valid_until_s = seconds_of(X509_get0_notAfter(state->certificate.get())).value_or(0);
  if (state->valid_until_s <= now_s) return fail("this CA has expired");
  return ThrowawayCa(std::move(state));
}

ThrowawayCa::Issued ThrowawayCa::issue(const CertificateSubject& subject, int64_t now_s,
                                       int64_t days) const {
  CHECK(certificate_name_problem(subject.name).empty(), "the name was looked at");
  CHECK(std::ranges::all_of(subject.hosts,
                            [](const std::string& host) { return host_problem(host).empty(); }),
        "the hosts were looked at");
  const Key key(EVP_EC_gen("P-256"));
  CHECK(key, works);
  const int64_t end_s = std::min(now_s + days * day_s, valid_until_s());
  const Certificate certificate = begin_certificate(key, now_s - begins_before_s, end_s);
  X509& issuer = *state_->certificate;
  add_to_name(X509_get_subject_name(certificate.get()), "CN", subject.name);
  CHECK(X509_set_issuer_name(certificate.get(), X509_get_subject_name(&issuer)) == 1, works);
  extend(*certificate, issuer, NID_basic_constraints, "critical,CA:FALSE");
  extend(*certificate, issuer, NID_key_usage, "critical,digitalSignature");
  extend(*certificate, issuer, NID_ext_key_usage, "serverAuth,clientAuth");
  extend(*certificate, issuer, NID_subject_key_identifier, "hash");
  extend(*certificate, issuer, NID_authority_key_identifier, "keyid:always");
  add_hosts(*certificate, subject);
  CHECK(X509_sign(certificate.get(), state_->key.get(), EVP_sha256()) > 0, works);
  return {to_pem(certificate, key), end_s};
}

std::string certificate_name_problem(const std::string& name) {
  if (name.size() > longest_name)
    return fmt::format("\"{}\" has {} characters; at most {}", name, name.size(), longest_name);
  if (name == "ca") return "\"ca\" is the name of the CA's own files";
  if (!is_host_name(name))
    return fmt::format("\"{}\" is no name; letters, digits, '-', '_', and '.' between them", name);
  return "";
}

std::string host_problem(const std::string& host) {
  std::string_view name = host;
  if (name.starts_with("*.")) name.remove_prefix(2);
  if (!address_bytes(host).empty() || (host.size() <= longest_host && is_host_name(name)))
    return "";
  return fmt::format("\"{}\" is neither a host's name nor an address", host);
}

}  // namespace isthmus::io
