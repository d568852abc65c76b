#include "kafka/sasl/scram_messages.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/crypto.h"
#include "base/printable.h"
#include "kafka/sasl/credential.h"
#include "kafka/sasl/mechanism.h"

namespace isthmus::kafka {
namespace {

constexpr size_t most_attributes = 16;
constexpr std::string_view reserved = "anmrcsipve";
constexpr size_t longest_proof = 64;

using Attributes = std::vector<std::string_view>;

bool is_ascii_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// The text of a message, if it is one.
Result<std::string_view> text_of(Bytes message) {
  const std::string_view text = as_text(message);
  if (text.size() > longest_scram_message) {
    return fail("a SCRAM message of " + std::to_string(text.size()) + " bytes; at most " +
                std::to_string(longest_scram_message));
  }
  if (text.find('\0') != std::string_view::npos || !is_utf8(text)) {
    return fail("a SCRAM message that is no text");
  }
  return text;
}

// What stands between the commas, "n=user" and the like.
Result<Attributes> split(std::string_view text) {
  Attributes found;
  for (;;) {
    const size_t comma = text.find(',');
    if (found.size() == most_attributes) return fail("a SCRAM message of too many attributes");
    found.push_back(text.substr(0, comma));
    if (comma == std::string_view::npos) break;
    text.remove_prefix(comma + 1);
  }
  // Refused whatever else there is: we would not know what we agree to.
  if (std::ranges::any_of(found, [](auto each) { return each.starts_with("m="); })) {
    return fail("a SCRAM extension that must be understood and is not");
  }
  return found;
}

// The value of attribute `at`, if that is `key`.
std::optional<std::string_view> value_of(const Attributes& attributes, size_t at,
                                         std::string_view key) {
  if (at >= attributes.size() || !attributes[at].starts_with(key)) return std::nullopt;
  return attributes[at].substr(key.size());
}

// Attributes from..end may be extensions only.
Result<void> check_extensions(const Attributes& attributes, size_t from, size_t end) {
  for (size_t i = from; i < end; ++i) {
    const std::string_view each = attributes[i];
    if (each.starts_with("tokenauth=")) {
      return fail("log-in by a delegation token is not supported");
    }
    const bool fits = each.size() > 2 && each[1] == '=' && is_ascii_letter(each[0]) &&
                      reserved.find(each[0]) == std::string_view::npos;
    if (!fits) return fail("what stands behind the SCRAM message is no extension");
  }
  return {};
}

std::optional<int32_t> parse_iterations(std::string_view text) {
  int32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  if (!whole || value <= 0 || text.starts_with('0')) return std::nullopt;
  return value;
}

}  // namespace

bool is_nonce(std::string_view text) {
  return !text.empty() &&
         std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~' && c != ','; });
}

Result<ScramClientFirst> parse_scram_client_first(Bytes message) {
  const auto text = text_of(message);
  if (!text) return fail(text.error());
  std::string_view rest = *text;
  auto header = take_gs2_header(rest);
  if (!header) return fail(header.error());
  const auto attributes = split(rest);
  if (!attributes) return fail(attributes.error());
  const auto name = value_of(*attributes, 0, "n=");
  const auto nonce = value_of(*attributes, 1, "r=");
  if (!name || !nonce) return fail("the first SCRAM message has no name, or no nonce behind it");
  auto user = decode_saslname(*name);
  if (!user) return fail("the user name is empty, too long, or no printable text");
  if (!is_nonce(*nonce) || nonce->size() > longest_nonce) {
    return fail("the nonce is empty, too long, or not printable");
  }
  auto extensions = check_extensions(*attributes, 2, attributes->size());
  if (!extensions) return fail(extensions.error());
  return ScramClientFirst{*std::move(header), *std::move(user), std::string(*nonce),
                          std::string(rest)};
}

Result<ScramServerFirst> parse_scram_server_first(Bytes message) {
  const auto text = text_of(message);
  if (!text) return fail(text.error());
  const auto attributes = split(*text);
  if (!attributes) return fail(attributes.error());
  const auto nonce = value_of(*attributes, 0, "r=");
  const auto salt = value_of(*attributes, 1, "s=");
  const auto iterations = value_of(*attributes, 2, "i=");
  if (!nonce || !salt || !iterations) {
    return fail("the server's SCRAM message has no nonce, salt and iterations");
  }
  if (!is_nonce(*nonce) || nonce->size() > 2 * longest_nonce) {
    return fail("the server's nonce is empty, too long, or not printable");
  }
  auto decoded = decode_base64(*salt);
  if (!decoded || decoded->empty() || decoded->size() > longest_salt) {
    return fail("the server's salt is empty, too long, or no base64");
  }
  const auto count = parse_iterations(*iterations);
  if (!count) return fail("the server's iterations are no number");
  auto extensions = check_extensions(*attributes, 3, attributes->size());
  if (!extensions) return fail(extensions.error());
  return ScramServerFirst{std::string(*nonce), *std::move(decoded), *count};
}

Result<ScramClientFinal> parse_scram_client_final(Bytes message) {
  const auto text = text_of(message);
  if (!text) return fail(text.error());
  const auto attributes = split(*text);
  if (!attributes) return fail(attributes.error());
  const size_t last = attributes->size() - 1;
  const auto binding = value_of(*attributes, 0, "c=");
  const auto nonce = value_of(*attributes, 1, "r=");
  const auto proof = value_of(*attributes, last, "p=");
  if (!binding || !nonce || !proof) {
    return fail("the last SCRAM message has no channel binding, nonce and proof");
  }
  const auto decoded_binding = decode_base64(*binding);
  auto decoded_proof = decode_base64(*proof);
  if (!decoded_binding || !decoded_proof || decoded_proof->size() > longest_proof) {
    return fail("the channel binding or the proof is no base64, or too long");
  }
  if (!is_nonce(*nonce)) return fail("the nonce is empty, or not printable");
  auto extensions = check_extensions(*attributes, 2, last);
  if (!extensions) return fail(extensions.error());
  const size_t signed_size = text->size() - attributes->at(last).size() - 1;
  return ScramClientFinal{std::string(as_text(*decoded_binding)), std::string(*nonce),
                          *std::move(decoded_proof), std::string(text->substr(0, signed_size))};
}

Result<ScramServerFinal> parse_scram_server_final(Bytes message) {
  const auto text = text_of(message);
  if (!text) return fail(text.error());
  const auto attributes = split(*text);
  if (!attributes) return fail(attributes.error());
  auto extensions = check_extensions(*attributes, 1, attributes->size());
  if (!extensions) return fail(extensions.error());
  if (const auto error = value_of(*attributes, 0, "e=")) {
    if (error->empty()) return fail("the server's error is empty");
    return ScramServerFinal{{}, std::string(*error)};
  }
  const auto signature = value_of(*attributes, 0, "v=");
  auto decoded = signature ? decode_base64(*signature) : std::nullopt;
  if (!decoded || decoded->empty()) return fail("the server's last SCRAM message has no signature");
  return ScramServerFinal{*std::move(decoded), ""};
}

std::string encode_scram_client_first_bare(std::string_view user, std::string_view nonce) {
  return "n=" + encode_saslname(user) + ",r=" + std::string(nonce);
}

std::string encode_scram_server_first(const ScramServerFirst& message) {
  return "r=" + message.nonce + ",s=" + encode_base64(message.salt) +
         ",i=" + std::to_string(message.iterations);
}

std::string encode_scram_client_final_without_proof(std::string_view gs2_header,
                                                    std::string_view nonce) {
  return "c=" + encode_base64(as_bytes(gs2_header)) + ",r=" + std::string(nonce);
}

}  // namespace isthmus::kafka
