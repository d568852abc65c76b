#include "process/security_config.h"

#include <fmt/core.h>

#include <array>
#include <cstdlib>
#include <filesystem>

#include "base/check.h"
#include "process/config_file.h"
#include "process/fetch_url.h"
#include "process/principal_mapping.h"
#include "process/token_endpoint.h"

namespace isthmus::process {

namespace {

constexpr Options::Choices<SecurityProtocol> protocols = {
    {"PLAINTEXT", SecurityProtocol::plaintext},
    {"SSL", SecurityProtocol::ssl},
    {"SASL_PLAINTEXT", SecurityProtocol::sasl_plaintext},
    {"SASL_SSL", SecurityProtocol::sasl_ssl}};
constexpr Options::Choices<kafka::Mechanism> mechanisms = {
    {"PLAIN", kafka::Mechanism::plain},
    {"SCRAM-SHA-256", kafka::Mechanism::scram_sha_256},
    {"SCRAM-SHA-512", kafka::Mechanism::scram_sha_512},
    {"OAUTHBEARER", kafka::Mechanism::oauthbearer}};

constexpr std::array<std::pair<const char*, io::ClientAuth>, 3> client_auths{
    {{"none", io::ClientAuth::none},
     {"requested", io::ClientAuth::requested},
     {"required", io::ClientAuth::required}}};

Result<void> set_client_auth(std::optional<io::ClientAuth>& field, const std::string& text) {
  for (const auto& [name, value] : client_auths) {
    if (text != name) continue;
    field = value;
    return {};
  }
  return fail(fmt::format("\"{}\" is not one of none, requested, required", text));
}

std::string name_of(const std::optional<io::ClientAuth>& auth) {
  for (const auto& [name, value] : client_auths) {
    if (auth == value) return name;
  }
  return "";
}

std::string known_names(const TlsConfigs& tls) {
  std::string names;
  for (const auto& [name, config] : tls) names += (names.empty() ? "" : ", ") + name;
  return names.empty() ? "there is none" : "there is " + names;
}

std::optional<Problem> unknown_tls(const std::string& name, const TlsConfigs& tls,
                                   const std::string& path) {
  if (tls.contains(name)) return std::nullopt;
  return Problem{path + ".tls", fmt::format("\"{}\" is not among the names under tls: {}", name,
                                            known_names(tls))};
}

Problem unencrypted(const std::string& path) {
  return {path + ".tls",
          "has no use without security.protocol: SSL or SASL_SSL; add that, or leave this out"};
}

std::optional<Problem> token_endpoint_problem(const DialSecurity& c, const std::string& path) {
  const TokenEndpoint& endpoint = c.token_endpoint;
  if (auto why = form_url_problem(endpoint.url); !why.empty()) {
    return Problem{path + ".sasl.oauthbearer.token.endpoint.url", why};
  }
  if (c.token.is_set()) {
    return Problem{path + ".token",
                   "has no use beside sasl.oauthbearer.token.endpoint.url; leave one of them out"};
  }
  if (!endpoint.client_id.empty() && endpoint.client_secret.is_set()) return std::nullopt;
  return Problem{path,
                 "asks for tokens: add sasl.oauthbearer.client.credentials.client.id: NAME and "
                 "sasl.oauthbearer.client.credentials.client.secret: {file: PATH}"};
}

std::optional<Problem> log_in_problem(const DialSecurity& c, const std::string& path) {
  const bool names_user =
      !c.username.empty() || c.password.is_set() || c.token.is_set() || c.token_endpoint.is_set();
  if (!c.logs_in()) {
    if (!c.mechanism && !names_user) return std::nullopt;
    return Problem{path,
                   "says whom to log in as, but not security.protocol: SASL_SSL (or "
                   "SASL_PLAINTEXT)"};
  }
  if (!c.mechanism) return Problem{path, "logs in: add sasl.mechanism, as SCRAM-SHA-512"};
  if (*c.mechanism == kafka::Mechanism::oauthbearer) {
    if (c.token_endpoint.is_set()) return token_endpoint_problem(c, path);
    if (c.token.is_set()) return std::nullopt;
    return Problem{path,
                   "logs in by OAUTHBEARER: add sasl.oauthbearer.token.endpoint.url, or token: "
                   "{file: PATH}"};
  }
  if (c.token_endpoint.is_set()) {
    return Problem{path + ".sasl.oauthbearer.token.endpoint.url",
                   "has no use without sasl.mechanism: OAUTHBEARER"};
  }
  if (!c.username.empty() && c.password.is_set()) return std::nullopt;
  return Problem{path, "logs in: add username: NAME and password: {file: PATH}"};
}

}  // namespace

Result<std::string> Secret::read() const {
  if (!env.empty()) {
    const char* value = std::getenv(env.c_str());
    if (value == nullptr) return fail("the variable " + env + " is not set");
    return std::string(value);
  }
  auto text = read_config_file(file);
  if (text && text->ends_with('\n')) text->pop_back();
  return text;
}

namespace {

std::optional<std::string> exposure_of(const std::string& file) {
  using std::filesystem::perms;
  std::error_code unknown;
  const auto status = std::filesystem::status(file, unknown);
  if (unknown || !std::filesystem::is_regular_file(status)) return std::nullopt;
  const perms others = status.permissions() & (perms::group_all | perms::others_all);
  if (others == perms::none) return std::nullopt;
  return fmt::format("{} may be used by others on this machine (mode {:04o}): chmod 600 it", file,
                     static_cast<unsigned>(status.permissions()));
}

void collect_exposed(const Options& table, const std::string& path, std::vector<Problem>& found) {
  for (const Options::Row& row : table.rows()) {
    const std::string here = path.empty() ? row.name : path + "." + row.name;
    size_t index = 0;
    for (const auto& [name, inner] :
         row.elements ? row.elements() : std::vector<Options::Named>()) {
      const bool is_list = row.shape == Options::Shape::list;
      const std::string which = is_list ? fmt::format("[{}]", index++) : name;
      const bool has_name = !is_list && !name.empty();
      collect_exposed(inner, here + (has_name ? "." : "") + which, found);
    }
    if (!row.names_secret) continue;
    for (const std::string& file : row.get()) {
      if (auto exposure = exposure_of(file)) found.push_back({here, *exposure});
    }
  }
}

}  // namespace

std::vector<Problem> exposed_secrets(const Options& table) {
  std::vector<Problem> found;
  collect_exposed(table, "", found);
  return found;
}

io::ClientAuth ListenerSecurity::effective_client_auth(bool serves_private_api) const {
  const bool mutual = serves_private_api && protocol == SecurityProtocol::ssl;
  return client_auth.value_or(mutual ? io::ClientAuth::required : io::ClientAuth::none);
}

PrincipalOf principal_of(const ListenerSecurity& c) {
  auto mapping = PrincipalMapping::parse(c.principal_mapping_rules);
  CHECK(mapping.has_value(), "rules were checked with the configuration");
  return [mapping = std::move(*mapping)](const std::string& subject) -> Result<kafka::Principal> {
    auto name = mapping.apply(subject);
    if (!name) return fail(name.error());
    return kafka::Principal{.name = std::move(*name)};
  };
}

namespace {

std::shared_ptr<kafka::TokenSource> token_source_of(const TokenEndpoint& endpoint) {
  if (!endpoint.is_set()) return nullptr;
  auto source = std::make_shared<kafka::TokenSource>();
  source->ask = [endpoint] { return ask_for_token(endpoint); };
  return source;
}

}  // namespace

std::shared_ptr<const kafka::SaslLogIn> log_in_of(const DialSecurity& c) {
  if (!c.logs_in()) return nullptr;
  auto read = [c]() -> Result<kafka::SaslCredentials> {
    kafka::SaslCredentials credentials{.username = c.username};
    for (auto [secret, field] :
         {std::pair(&c.password, &credentials.password), std::pair(&c.token, &credentials.token)}) {
      if (!secret->is_set()) continue;
      auto value = secret->read();
      if (!value) return fail(value.error());
      *field = std::move(*value);
    }
    return credentials;
  };
  return std::make_shared<const kafka::SaslLogIn>(
      kafka::SaslLogIn{*c.mechanism, std::move(read), token_source_of(c.token_endpoint)});
}

void describe(Options& o, Secret& c) {
  Options::Row& file = o.add("file", c.file, "Path of a file that holds it, and nothing else.");
  file.names_secret = true;
  file.is_private = true;
  o.add("env", c.env, "Name of a variable of the environment that holds it.").is_private = true;
}

void describe(Options& o, TlsConfig& c) {
  o.add("certificate", c.certificate,
        "Path of a PEM file: the certificate, then those between it and the authority. Read again "
        "on SIGHUP and when it changes, without a dropped connection.");
  o.section("key", c.key,
            "The private key of the certificate, in PEM without a password, as `{file: PATH}` or "
            "`{env: NAME}`.");
  o.add("ca", c.ca,
        "Path of a PEM file with the authorities that are trusted. Who dials trusts those of the "
        "system where it is left out; a listener that asks for certificates needs it.");
}

void describe_tls(Options& o, TlsConfigs& c) {
  o.map("tls", c, "Certificates by name, for the listeners and ends that say `tls: NAME`.");
}

void describe_security(Options& o, ListenerSecurity& c) {
  o.choice(
      "security.protocol", c.protocol, protocols,
      "Whether what passes here is encrypted (SSL: TLS 1.2 or 1.3), and whether clients log in "
      "(SASL). With SASL_PLAINTEXT and PLAIN passwords cross the line readable.");
  describe_certificates(o, c,
                        "Whether clients show a certificate of their own. `none` by default, and "
                        "`required` on a listener with `for` that speaks SSL.");
  o.choices("sasl.enabled.mechanisms", c.mechanisms, mechanisms,
            "How clients may log in. PLAIN and SCRAM take the users that `kafka-configs` or "
            "`isthmus user` make, so one password does for both. On a listener with `for` that "
            "speaks SSL: what routers may pass on of their clients' log-ins.");
  o.add("proxy.protocol.from", c.proxies,
        "Load balancers, as networks (`10.0.0.0/8`) or addresses. Who connects from there has to "
        "begin with a header of the PROXY protocol, version 2, before TLS, and ACLs, quotas, audit "
        "and log take the address that it names for the client's. Nobody else is believed: who "
        "connects from elsewhere is himself, and a header of his is refused.");
}

void describe_tokens(Options& o, TokenEndpoint& c) {
  o.add("sasl.oauthbearer.token.endpoint.url", c.url,
        "Where tokens are asked for, instead of `token`: `https://HOST/PATH` of the provider's "
        "token endpoint (RFC 6749, client credentials); `http://` to this machine only. Another "
        "is asked for when four fifths of one's life are over.");
  o.add("sasl.oauthbearer.client.credentials.client.id", c.client_id,
        "As whom tokens are asked for.");
  o.section("sasl.oauthbearer.client.credentials.client.secret", c.client_secret,
            "The client's secret, as `{file: PATH}` or `{env: NAME}`; read again each time.");
  o.add("sasl.oauthbearer.scope", c.scope,
        "What tokens are to allow, where the provider wants to be told.");
  o.add("sasl.oauthbearer.header.urlencode", c.url_encodes_header,
        "Whether id and secret are URL-encoded before they are sent, as RFC 6749 has it and many "
        "providers do not.");
}

void describe_certificates(Options& o, ListenerSecurity& c, const char* asked) {
  o.add("tls", c.tls, "Whose certificate is shown: a name under `tls`.");
  o.add_custom(
      "ssl.client.auth", "none, requested or required",
      [&c](const std::string& text) { return set_client_auth(c.client_auth, text); },
      [&c] { return name_of(c.client_auth); }, asked);
  o.add("ssl.principal.mapping.rules", c.principal_mapping_rules,
        "What a client is called that shows a certificate: the first of these rules that fits its "
        "subject says so, as `RULE:^CN=([^,]+).*$/$1/` (`CN=duke,OU=ops` is User:duke). `DEFAULT` "
        "takes the subject as it is.");
}

void describe_security(Options& o, DialSecurity& c) {
  o.choice("security.protocol", c.protocol, protocols, "How its listeners are spoken to.");
  o.add("tls", c.tls,
        "Our certificate, and whom to trust: a name under `tls`. Without it the authorities of the "
        "system are trusted, and no certificate is shown.");
  Options::Row& identification = o.add_custom(
      "ssl.endpoint.identification.algorithm", "https, or empty",
      [&c](const std::string& text) -> Result<void> {
        if (text != "https" && !text.empty()) {
          return fail("\"" + text + "\" is neither https nor empty");
        }
        c.verify_host = !text.empty();
        return {};
      },
      [&c] { return std::string(c.verify_host ? "https" : ""); },
      "`https`: the certificate must name the host that was dialled. Empty: any certificate of a "
      "trusted authority will do, so that who has one can pass for any other.");
  // Empty is a value here, too.
  identification.get = [&c] { return std::vector<std::string>{c.verify_host ? "https" : ""}; };
  o.add_custom(
      "sasl.mechanism", "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER",
      [&c](const std::string& text) -> Result<void> {
        c.mechanism = kafka::find_mechanism(text);
        if (c.mechanism) return {};
        return fail("\"" + text + "\" is no mechanism that we know; SCRAM-SHA-512 is a good one");
      },
      [&c] { return c.mechanism ? std::string(kafka::mechanism_name(*c.mechanism)) : ""; },
      "How to log in, with security.protocol SASL_SSL or SASL_PLAINTEXT.");
  o.add("username", c.username, "Whom to log in as.");
  o.section("password", c.password, "The password, as `{file: PATH}` or `{env: NAME}`.");
  o.section("token", c.token,
            "The token of OAUTHBEARER, as `{file: PATH}`; read again for each log-in.");
  describe_tokens(o, c.token_endpoint);
}

std::optional<Problem> problem_of(const ListenerSecurity& c, bool serves_private_api,
                                  const TlsConfigs& tls, const std::string& path) {
  if (c.asks_for_log_in() && c.mechanisms.empty()) {
    return Problem{path, "asks for a log-in: add sasl.enabled.mechanisms, as SCRAM-SHA-512"};
  }
  if (auto rules = PrincipalMapping::parse(c.principal_mapping_rules); !rules) {
    return Problem{path + ".ssl.principal.mapping.rules", rules.error().text};
  }
  const bool passes_on = serves_private_api && c.is_encrypted();
  if (!c.mechanisms.empty() && !c.asks_for_log_in() && !passes_on) {
    return Problem{path + ".sasl.enabled.mechanisms",
                   "has no use without security.protocol: SASL_SSL (or SASL_PLAINTEXT)"};
  }
  if (!c.is_encrypted()) {
    if (!c.tls.empty()) return unencrypted(path);
    if (!c.client_auth || *c.client_auth == io::ClientAuth::none) return std::nullopt;
    return Problem{path + ".ssl.client.auth",
                   "certificates need encryption; add security.protocol: SSL"};
  }
  if (c.tls.empty()) {
    return Problem{path, "is to be encrypted, which needs a certificate; add tls: NAME"};
  }
  if (auto problem = unknown_tls(c.tls, tls, path)) return problem;
  const TlsConfig& named = tls.at(c.tls);
  if (named.certificate.empty()) {
    return Problem{"tls." + c.tls, "has no certificate, and a listener shows one"};
  }
  const bool asks = c.effective_client_auth(serves_private_api) != io::ClientAuth::none;
  if (!asks || !named.ca.empty()) return std::nullopt;
  return Problem{"tls." + c.tls,
                 fmt::format("has no ca, and {} asks its clients for certificates: add ca, or "
                             "ssl.client.auth: none there",
                             path)};
}

std::optional<Problem> problem_of(const DialSecurity& c, const TlsConfigs& tls,
                                  const std::string& path) {
  if (auto problem = log_in_problem(c, path)) return problem;
  if (c.tls.empty()) return std::nullopt;
  if (!c.is_encrypted()) return unencrypted(path);
  return unknown_tls(c.tls, tls, path);
}

}  // namespace isthmus::process
