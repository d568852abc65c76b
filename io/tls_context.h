// TlsContext: what one end of TLS brings along: its certificate and key, and whom it trusts. Made
// from PEM texts (whoever read them watches their files), never changed: a rotation makes another,
// and conversations that have begun keep theirs.
//
// TLS 1.2 and 1.3; AES-128-GCM is offered first because it costs least (docs/performance.md).
// Renegotiation and compression are off. Sessions are resumed: a listener gives out tickets, a
// dialer keeps the latest of each host. A ticket of another context is no use, so a new certificate
// authority holds from the next connection on.
//
// OpenSSL is known to io/tls_*.cc and io/throwaway_ca.cc alone. Shared by all loops.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <vector>

namespace isthmus::io {

// PEM texts. `certificate` is a chain, its own certificate first; `ca` any number of certificates.
struct TlsMaterial {
  std::string certificate;
  std::string key;  // PKCS 8 or traditional, not encrypted
  std::string ca;
};

// Whether a listener wants to know its clients by certificate (Kafka's ssl.client.auth).
enum class ClientAuth : uint8_t { none, requested, required };

struct TlsProblem {
  enum class Part : uint8_t { certificate, key, ca };
  Part part;
  std::string text;  // what is wrong, and what would be right
};

class TlsContext {
 public:
  using Made = std::expected<std::shared_ptr<const TlsContext>, TlsProblem>;

  // A listener needs certificate and key, and `ca` to verify clients.
  static Made listener(const TlsMaterial& material, ClientAuth auth,
                       std::chrono::system_clock::time_point now);
  // A dialer may have a certificate of its own, for mutual TLS. It trusts `ca`, or what the system
  // trusts where that is empty. `verify_host`: the certificate must name the host that was dialled.
  static Made dialer(const TlsMaterial& material, bool verify_host,
                     std::chrono::system_clock::time_point now);
  ~TlsContext();

  bool is_listener() const;
  bool verifies_host() const;
  // A listener that wants to know its clients by certificate.
  bool asks_for_certificate() const;
  // When the own certificate ends, or the first of its chain to end; max() where there is none.
  std::chrono::system_clock::time_point not_after() const;

  struct Impl;
  const Impl& impl() const { return *impl_; }  // for io/tls_engine.cc

 private:
  explicit TlsContext(std::unique_ptr<Impl> impl);
  static Made make(const TlsMaterial& material, std::unique_ptr<Impl> impl,
                   std::chrono::system_clock::time_point now);

  std::unique_ptr<Impl> impl_;
};

// When each certificate of a PEM text ends, in its order; whether that is past, or yet to begin, is
// not asked. The error says why the text is of no use.
std::expected<std::vector<std::chrono::system_clock::time_point>, TlsProblem> certificate_ends(
    TlsProblem::Part part, const std::string& text);

}  // namespace isthmus::io
