#include "io/tls_context.h"

#include <openssl/pem.h>
#include <openssl/x509.h>

#include <algorithm>
#include <vector>

#include "base/check.h"
#include "io/certificate_subject.h"
#include "io/tls_engine.h"
#include "io/tls_openssl.h"

namespace isthmus::io {

namespace {

using Clock = std::chrono::system_clock;
using Part = TlsProblem::Part;

constexpr size_t max_kept_sessions = 256;
constexpr size_t max_certificates = 1000;  // of one PEM text
constexpr char ciphers_1_3[] =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
constexpr char ciphers_1_2[] = "ECDHE+AESGCM:ECDHE+CHACHA20";

std::unexpected<TlsProblem> problem(Part part, std::string text) {
  return std::unexpected(TlsProblem{part, std::move(text)});
}

// OpenSSL would ask at the terminal.
int no_password(char*, int, int, void*) { return 0; }

BioPtr reading(const std::string& text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

using Certificates = std::vector<CertificatePtr>;

std::expected<Certificates, TlsProblem> read_certificates(Part part, const std::string& text) {
  Certificates all;
  const BioPtr bio = reading(text);
  ERR_clear_error();
  while (all.size() < max_certificates) {
    CertificatePtr next(PEM_read_bio_X509(bio.get(), nullptr, no_password, nullptr));
    if (!next) break;
    all.push_back(std::move(next));
  }
  const bool ended = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  const std::string reason = openssl_reason();
  if (all.empty())
    return problem(part, "holds no certificate in PEM (-----BEGIN CERTIFICATE-----)");
  if (!ended) return problem(part, "cannot be read: " + reason);
  return all;
}

Clock::time_point time_of(const ASN1_TIME* time) {
  std::tm fields{};
  if (ASN1_TIME_to_tm(time, &fields) != 1) return Clock::time_point::min();
  return Clock::from_time_t(::timegm(&fields));
}

std::string day_of(Clock::time_point when) {
  const std::time_t seconds = Clock::to_time_t(when);
  std::tm fields{};
  char text[sizeof "9999-12-31"];
  ::gmtime_r(&seconds, &fields);
  return {text, std::strftime(text, sizeof text, "%Y-%m-%d", &fields)};
}

std::expected<Clock::time_point, TlsProblem> end_of(const Certificates& chain,
                                                    Clock::time_point now) {
  auto end = Clock::time_point::max();
  for (const auto& certificate : chain) {
    const auto from = time_of(X509_get0_notBefore(certificate.get()));
    const auto until = time_of(X509_get0_notAfter(certificate.get()));
    if (until <= now) return problem(Part::certificate, "has expired on " + day_of(until));
    if (from > now) return problem(Part::certificate, "is not valid before " + day_of(from));
    end = std::min(end, until);
  }
  return end;
}

std::expected<void, TlsProblem> use_identity(TlsContext::Impl& impl, const TlsMaterial& material,
                                             Clock::time_point now) {
  SSL_CTX* ssl = impl.ssl.get();
  auto chain = read_certificates(Part::certificate, material.certificate);
  if (!chain) return std::unexpected(chain.error());
  auto end = end_of(*chain, now);
  if (!end) return std::unexpected(end.error());
  impl.not_after = *end;
  const BioPtr bio = reading(material.key);
  const KeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr));
  if (!key) {
    return problem(Part::key, "holds no private key in PEM that can be read without a password (" +
                                  openssl_reason() + ")");
  }
  if (SSL_CTX_use_certificate(ssl, chain->front().get()) != 1) {
    return problem(Part::certificate, "cannot be used: " + openssl_reason());
  }
  for (size_t i = 1; i < chain->size(); ++i) {
    CHECK(SSL_CTX_add1_chain_cert(ssl, (*chain)[i].get()) == 1, "memory for a certificate");
  }
  if (X509_check_private_key(chain->front().get(), key.get()) != 1) {
    openssl_reason();
    return problem(Part::key,
                   "is not that of the certificate; the first certificate of the file "
                   "must be the one that belongs to the key");
  }
  if (SSL_CTX_use_PrivateKey(ssl, key.get()) != 1) {
    return problem(Part::key, "cannot be used: " + openssl_reason());
  }
  return {};
}

std::expected<void, TlsProblem> trust(TlsContext::Impl& impl, const std::string& ca) {
  SSL_CTX* ssl = impl.ssl.get();
  if (ca.empty()) {
    CHECK(SSL_CTX_set_default_verify_paths(ssl) == 1, "the system's store can be named");
    return {};
  }
  auto trusted = read_certificates(Part::ca, ca);
  if (!trusted) return std::unexpected(trusted.error());
  X509_STORE* store = SSL_CTX_get_cert_store(ssl);
  for (const auto& certificate : *trusted) {
    CHECK(X509_STORE_add_cert(store, certificate.get()) == 1, "memory for a certificate");
    // Clients with several certificates choose by these names.
    if (impl.listens) SSL_CTX_add_client_CA(ssl, certificate.get());
  }
  return {};
}

// Takes whatever name the dialer wants. A name that nobody takes is not kept with a session of
// TLS 1.2, and so not known when that is resumed.
int take_server_name(SSL*, int*, void*) { return SSL_TLSEXT_ERR_OK; }

int verify_mode(const TlsContext::Impl& impl) {
  if (!impl.listens || impl.auth == ClientAuth::required) {
    return SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
  }
  return impl.auth == ClientAuth::requested ? SSL_VERIFY_PEER : SSL_VERIFY_NONE;
}

void configure(TlsContext::Impl& impl) {
  SSL_CTX* ssl = impl.ssl.get();
  CHECK(SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION) == 1, "OpenSSL knows TLS 1.2");
  CHECK(SSL_CTX_set_ciphersuites(ssl, ciphers_1_3) == 1, "OpenSSL knows the suites of TLS 1.3");
  CHECK(SSL_CTX_set_cipher_list(ssl, ciphers_1_2) == 1,
        "OpenSSL knows suites with forward secrecy");
  SSL_CTX_set_options(
      ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  // An idle connection keeps no buffers.
  SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
  SSL_CTX_set_verify(ssl, verify_mode(impl), TlsEngine::look_at_refused);
  if (impl.listens) {
    constexpr unsigned char sessions_of[] = "isthmus";
    SSL_CTX_set_session_id_context(ssl, sessions_of, sizeof sessions_of);
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);  // tickets need none
    SSL_CTX_set_num_tickets(ssl, 1);
    SSL_CTX_set_tlsext_servername_callback(ssl, take_server_name);
  } else {
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ssl, TlsEngine::keep_session);
  }
}

}  // namespace

std::expected<std::vector<Clock::time_point>, TlsProblem> certificate_ends(
    Part part, const std::string& text) {
  auto all = read_certificates(part, text);
  if (!all) return std::unexpected(all.error());
  std::vector<Clock::time_point> ends;
  for (const auto& one : *all) ends.push_back(time_of(X509_get0_notAfter(one.get())));
  return ends;
}

std::expected<std::string, TlsProblem> certificate_subject(const std::string& text) {
  auto all = read_certificates(Part::certificate, text);
  if (!all) return std::unexpected(all.error());
  return subject_of(*all->front());
}

std::string subject_of(const X509& certificate) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(bio.get(), X509_get_subject_name(&certificate), 0,
                     XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
  char* subject = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &subject);
  return {subject, static_cast<size_t>(size)};
}

std::string openssl_reason() {
  const unsigned long code = ERR_peek_last_error();
  ERR_clear_error();
  const char* reason = ERR_reason_error_string(code);
  return reason == nullptr ? "unknown reason" : reason;
}

void SessionCache::keep(const std::string& host, SessionPtr session) {
  std::lock_guard lock(mutex_);
  if (latest_.size() >= max_kept_sessions && !latest_.contains(host)) latest_.clear();
  latest_[host] = std::move(session);
}

SessionPtr SessionCache::take(const std::string& host) {
  std::lock_guard lock(mutex_);
  auto found = latest_.extract(host);
  return found.empty() ? nullptr : std::move(found.mapped());
}

TlsContext::TlsContext(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TlsContext::~TlsContext() = default;

bool TlsContext::is_listener() const { return impl_->listens; }
bool TlsContext::verifies_host() const { return impl_->verify_host; }
bool TlsContext::asks_for_certificate() const {
  return impl_->listens && impl_->auth != ClientAuth::none;
}
Clock::time_point TlsContext::not_after() const { return impl_->not_after; }

TlsContext::Made TlsContext::make(const TlsMaterial& material, std::unique_ptr<Impl> impl,
                                  Clock::time_point now) {
  impl->ssl.reset(SSL_CTX_new(impl->listens ? TLS_server_method() : TLS_client_method()));
  CHECK(impl->ssl != nullptr, "OpenSSL makes a context");
  configure(*impl);
  if (!material.certificate.empty()) {
    auto used = use_identity(*impl, material, now);
    if (!used) return std::unexpected(used.error());
  }
  if (!impl->listens || impl->auth != ClientAuth::none) {
    auto trusted = trust(*impl, material.ca);
    if (!trusted) return std::unexpected(trusted.error());
  }
  return std::shared_ptr<const TlsContext>(new TlsContext(std::move(impl)));
}

TlsContext::Made TlsContext::listener(const TlsMaterial& material, ClientAuth auth,
                                      Clock::time_point now) {
  if (material.certificate.empty()) {
    return problem(Part::certificate, "is missing: a listener needs one");
  }
  if (auth != ClientAuth::none && material.ca.empty()) {
    return problem(Part::ca,
                   "is missing: clients are to be known by their certificates, so say "
                   "whose certificates count");
  }
  auto impl = std::make_unique<Impl>();
  impl->listens = true;
  impl->auth = auth;
  return make(material, std::move(impl), now);
}

TlsContext::Made TlsContext::dialer(const TlsMaterial& material, bool verify_host,
                                    Clock::time_point now) {
  auto impl = std::make_unique<Impl>();
  impl->verify_host = verify_host;
  return make(material, std::move(impl), now);
}

}  // namespace isthmus::io
