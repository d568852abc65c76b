#include "process/token_endpoint.h"

#include <chrono>

#include "base/bytes.h"
#include "base/crypto.h"
#include "io/real.h"
#include "process/fetch_url.h"

namespace isthmus::process {

namespace {

// A value of application/x-www-form-urlencoded.
std::string url_encoded(std::string_view text) {
  constexpr std::string_view hex = "0123456789ABCDEF";
  constexpr std::string_view plain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
  std::string encoded;
  for (const char each : text) {
    if (plain.find(each) != std::string_view::npos) {
      encoded += each;
      continue;
    }
    const auto byte = static_cast<uint8_t>(each);
    encoded += {'%', hex[byte >> 4], hex[byte & 15]};
  }
  return encoded;
}

}  // namespace

TokenRequest token_request(const TokenEndpoint& endpoint, const std::string& secret) {
  const auto part = [&](const std::string& text) {
    return endpoint.url_encodes_header ? url_encoded(text) : text;
  };
  const std::string pair = part(endpoint.client_id) + ":" + part(secret);
  TokenRequest request{.authorization = "Basic " + encode_base64(as_bytes(pair)),
                       .form = "grant_type=client_credentials"};
  if (!endpoint.scope.empty()) request.form += "&scope=" + url_encoded(endpoint.scope);
  return request;
}

Result<kafka::IssuedToken> ask_for_token(const TokenEndpoint& endpoint) {
  auto secret = endpoint.client_secret.read();
  if (!secret) return fail(secret.error());
  const TokenRequest request = token_request(endpoint, *secret);
  auto answer =
      post_form(endpoint.url, request.authorization, request.form, kafka::longest_token_answer);
  if (!answer) return fail(answer.error());
  if (answer->status != 200) {
    return fail(endpoint.url + ": " + kafka::token_refusal(answer->status, answer->text));
  }
  const auto now = io::wall_time().time_since_epoch();
  auto issued = kafka::parse_token_answer(
      answer->text, std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
  if (!issued) return fail(endpoint.url + ": " + issued.error().text);
  return issued;
}

}  // namespace isthmus::process
