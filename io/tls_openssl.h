// OpenSSL's objects with owners. Private to io/tls_*.cc.
#pragma once

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "io/tls_context.h"

namespace isthmus::io {

template <auto Free>
struct Freeing {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using SslContextPtr = std::unique_ptr<SSL_CTX, Freeing<SSL_CTX_free>>;
using SslPtr = std::unique_ptr<SSL, Freeing<SSL_free>>;
using SessionPtr = std::unique_ptr<SSL_SESSION, Freeing<SSL_SESSION_free>>;
using CertificatePtr = std::unique_ptr<X509, Freeing<X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Freeing<EVP_PKEY_free>>;
using BioPtr = std::unique_ptr<BIO, Freeing<BIO_free_all>>;

// What the latest call says went wrong, in OpenSSL's words; empties its queue.
std::string openssl_reason();

// RFC 2253; as Java prints it: UTF-8 as it is.
std::string subject_of(const X509& certificate);

// The sessions that a dialer may resume, the latest of each host. A session is taken at most once:
// a ticket that is used twice lets an observer tell two connections of one client.
class SessionCache {
 public:
  void keep(const std::string& host, SessionPtr session);
  SessionPtr take(const std::string& host);

 private:
  std::mutex mutex_;
  std::map<std::string, SessionPtr> latest_;
};

struct TlsContext::Impl {
  SslContextPtr ssl;
  bool listens = false;
  bool verify_host = true;
  ClientAuth auth = ClientAuth::none;
  std::chrono::system_clock::time_point not_after = std::chrono::system_clock::time_point::max();
  mutable SessionCache sessions;
};

}  // namespace isthmus::io
