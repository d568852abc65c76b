// The keys that say how a connection is secured: of listeners, of the ends that are dialled, and
// the certificates that both name. Kafka's names and meaning where the key has dots.
//
// Keys, passwords and tokens are never values of the file: a Secret says where they are.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/tls_context.h"
#include "kafka/principal.h"
#include "kafka/sasl/mechanism.h"
#include "kafka/sasl/sasl_client.h"
#include "process/options.h"

namespace isthmus::process {

// Where a secret is kept: in a file (one newline at its end is not part of it) or in a variable of
// the environment. Exactly one of the two is set where there is one.
struct Secret {
  std::string file;
  std::string env;

  bool is_set() const { return !file.empty() || !env.empty(); }
  // Reads it now. The error never holds a part of it.
  Result<std::string> read() const;
};

// A certificate and whom to trust; several listeners and ends may name one.
struct TlsConfig {
  std::string certificate;  // path of a PEM file; empty: none of our own
  Secret key;
  std::string ca;  // path of a PEM file; empty: what the system trusts
};
using TlsConfigs = std::map<std::string, TlsConfig>;

enum class SecurityProtocol : uint8_t { plaintext, ssl, sasl_plaintext, sasl_ssl };

constexpr bool is_encrypted(SecurityProtocol protocol) {
  return protocol == SecurityProtocol::ssl || protocol == SecurityProtocol::sasl_ssl;
}
constexpr bool asks_for_log_in(SecurityProtocol protocol) {
  return protocol == SecurityProtocol::sasl_plaintext || protocol == SecurityProtocol::sasl_ssl;
}

struct ListenerSecurity {
  SecurityProtocol protocol = SecurityProtocol::plaintext;
  std::string tls;  // its name among the TlsConfigs
  std::optional<io::ClientAuth> client_auth;
  std::string principal_mapping_rules = "DEFAULT";
  std::vector<kafka::Mechanism> mechanisms;
  std::vector<io::IpRange> proxies;  // whose word counts about who connects

  bool is_encrypted() const { return process::is_encrypted(protocol); }
  bool asks_for_log_in() const { return process::asks_for_log_in(protocol); }
  // Where the private API is served, TLS is mutual unless the file says otherwise.
  io::ClientAuth effective_client_auth(bool serves_private_api) const;
};

// Of whom tokens are had for OAUTHBEARER, by our own credentials (RFC 6749, section 4.4).
struct TokenEndpoint {
  std::string url;  // empty: there is none
  std::string client_id;
  Secret client_secret;
  std::string scope;
  bool url_encodes_header = false;

  bool is_set() const { return !url.empty(); }
};

struct DialSecurity {
  SecurityProtocol protocol = SecurityProtocol::plaintext;
  std::string tls;  // empty: no certificate of our own, and what the system trusts
  bool verify_host = true;
  std::optional<kafka::Mechanism> mechanism;
  std::string username;
  Secret password;
  Secret token;
  TokenEndpoint token_endpoint;  // instead of `token`

  bool is_encrypted() const { return process::is_encrypted(protocol); }
  bool logs_in() const { return process::asks_for_log_in(protocol); }
};

// Who somebody is by the subject of his certificate. REQUIRES: problem_of() has found nothing.
using PrincipalOf = std::function<Result<kafka::Principal>(const std::string& subject)>;
PrincipalOf principal_of(const ListenerSecurity& c);

// What a dialer logs in with, read at each log-in; nullptr: nobody logs in. Once for all
// connections to a cluster, which share what a token endpoint has issued.
std::shared_ptr<const kafka::SaslLogIn> log_in_of(const DialSecurity& c);

void describe(Options& o, Secret& c);
void describe(Options& o, TlsConfig& c);
// Their rows stand among those of the listener or end that they belong to.
void describe_security(Options& o, ListenerSecurity& c);
void describe_security(Options& o, DialSecurity& c);
// Of a listener's, those that are about certificates; `asked` says when clients show one.
void describe_certificates(Options& o, ListenerSecurity& c, const char* asked);
void describe_tls(Options& o, TlsConfigs& c);  // the key `tls` at the top of a file

// The files of a table's secrets (passwords, keys, tokens) that others than their owner may read or
// change: each key with what is wrong and what would mend it. A file that is not there is another's
// to tell of.
std::vector<Problem> exposed_secrets(const Options& table);

// What contradicts itself, or names what is not there; `path` is that of the listener or end.
std::optional<Problem> problem_of(const ListenerSecurity& c, bool serves_private_api,
                                  const TlsConfigs& tls, const std::string& path);
std::optional<Problem> problem_of(const DialSecurity& c, const TlsConfigs& tls,
                                  const std::string& path);

}  // namespace isthmus::process
