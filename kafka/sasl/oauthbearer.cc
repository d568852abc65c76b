#include "kafka/sasl/oauthbearer.h"

#include <algorithm>

#include "base/printable.h"
#include "kafka/sasl/gs2.h"

namespace isthmus::kafka {
namespace {

constexpr char separator = '\x01';
constexpr size_t most_extensions = 32;
constexpr std::string_view scheme = "bearer ";
constexpr std::string_view invalid_token = R"({"status":"invalid_token"})";
constexpr size_t shown_of_a_refusal = 500;

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// RFC 7628, section 3.1.
bool is_key(std::string_view text) { return !text.empty() && std::ranges::all_of(text, is_letter); }
bool is_value(std::string_view text) {
  return std::ranges::all_of(
      text, [](char c) { return (c >= ' ' && c <= '~') || c == '\t' || c == '\r' || c == '\n'; });
}

// b64token of RFC 6750, section 2.1, as far as it matters: no blank and nothing that ends a field.
bool is_token(std::string_view text) {
  return !text.empty() && text.size() <= longest_token &&
         std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
}

Result<std::string> parse_authorization(std::string_view value) {
  const bool has_scheme = value.size() > scheme.size() &&
                          std::ranges::equal(value.substr(0, scheme.size()), scheme, {}, lower);
  if (!has_scheme) return fail("auth is another scheme than Bearer");
  value.remove_prefix(scheme.size());
  if (!is_token(value)) return fail("the token is empty, too long, or no token");
  return std::string(value);
}

Result<void> add_field(OauthBearerFirst& first, std::string_view field) {
  const size_t at = field.find('=');
  const std::string_view key = field.substr(0, at);
  if (at == std::string_view::npos || !is_key(key) || !is_value(field.substr(at + 1))) {
    return fail("an OAUTHBEARER message has fields of name=value");
  }
  const std::string_view value = field.substr(at + 1);
  if (key != "auth") {
    if (first.extensions.size() >= most_extensions) return fail("too many extensions");
    if (!first.extensions.emplace(key, value).second) return fail("an extension stands twice");
    return {};
  }
  if (!first.token.empty()) return fail("auth stands twice");
  auto token = parse_authorization(value);
  if (!token) return fail(token.error());
  first.token = *std::move(token);
  return {};
}

}  // namespace

Result<OauthBearerFirst> parse_oauthbearer_first(Bytes message) {
  std::string_view rest = as_text(message);
  auto header = take_gs2_header(rest);
  if (!header) return fail(header.error());
  OauthBearerFirst first;
  first.authorization_id = std::move(header->authorization_id);
  if (!rest.starts_with(separator)) return fail("no 0x01 behind the header");
  rest.remove_prefix(1);
  while (!rest.starts_with(separator)) {
    const size_t end = rest.find(separator);
    if (end == std::string_view::npos) return fail("no 0x01 at the end");
    if (auto added = add_field(first, rest.substr(0, end)); !added) return fail(added.error());
    rest.remove_prefix(end + 1);
  }
  if (rest.size() > 1) return fail("bytes behind the end");
  if (first.token.empty()) return fail("no auth=Bearer");
  return first;
}

Result<std::vector<uint8_t>> encode_oauthbearer_first(const OauthBearerFirst& first) {
  if (!is_token(first.token)) {
    return fail("the token is empty, longer than " + std::to_string(longest_token) +
                " bytes, or no token");
  }
  if (first.extensions.size() > most_extensions) {
    return fail("more than " + std::to_string(most_extensions) + " extensions");
  }
  std::string text = encode_gs2_header(first.authorization_id);
  text += separator;
  text += "auth=Bearer " + first.token + separator;
  for (const auto& [key, value] : first.extensions) {
    if (!is_key(key) || key == "auth" || !is_value(value)) {
      return fail("the extension \"" + printable(key) +
                  "\" is no name of letters with a value of visible ASCII");
    }
    text += key;
    text += '=';
    text += value;
    text += separator;
  }
  text += separator;
  return std::vector<uint8_t>(text.begin(), text.end());
}

Result<SaslServerStep> OauthBearerServer::on_message(Bytes message) {
  if (!refused_.empty()) return wrong_credentials(refused_);
  auto first = parse_oauthbearer_first(message);
  if (!first) return wrong_message(first.error().text);
  authorization_id_ = std::move(first->authorization_id);
  return TokenCheckWanted{std::move(first->token)};
}

Result<SaslServerStep> OauthBearerServer::on_identity(Result<TokenIdentity> identity) {
  if (!identity) {
    refused_ = identity.error().text.empty() ? "invalid token" : identity.error().text;
    return SaslAnswer{{invalid_token.begin(), invalid_token.end()}, false};
  }
  session_.user = std::move(identity->principal);
  session_.expires_ms = identity->expires_ms;
  if (!is_user_name(session_.user)) return wrong_message("the token's principal is no user name");
  if (!authorization_id_.empty() && authorization_id_ != session_.user) {
    return wrong_message("the authorization id is another than the token's principal");
  }
  return SaslAnswer{{}, true};
}

Result<SaslClientStep> OauthBearerClient::on_challenge(Bytes challenge) {
  if (!refused_.empty()) return sasl_failed("the server refuses the token: " + refused_);
  if (!sent_) {
    if (!challenge.empty()) return sasl_failed("the server speaks before it is spoken to");
    sent_ = true;
    return SaslSend{std::move(first_)};
  }
  if (challenge.empty()) return SaslDone{};
  refused_ = printable(as_text(challenge.first(std::min(challenge.size(), shown_of_a_refusal))));
  return SaslSend{{static_cast<uint8_t>(separator)}};
}

}  // namespace isthmus::kafka
