#include "kafka/sasl/token_answer.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/printable.h"
#include "kafka/sasl/jwt.h"
#include "kafka/sasl/mechanism.h"

namespace isthmus::kafka {

namespace {

using nlohmann::json;
using std::chrono::milliseconds;

constexpr int64_t longest_life_ms = int64_t{366} * 24 * 3600 * 1000;
constexpr size_t longest_shown = 200;

std::string member(const json& answer, const char* name) {
  const auto found = answer.find(name);
  return found != answer.end() && found->is_string() ? found->get<std::string>() : "";
}

std::string shortened(const std::string& text) {
  return printable(text.substr(0, longest_shown)) + (text.size() > longest_shown ? "..." : "");
}

bool is_bearer(std::string type) {
  std::ranges::transform(type, type.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c; });
  return type == "bearer";
}

// Seconds, which some providers write as a text.
std::optional<double> seconds_in(const json& value) {
  if (value.is_number()) return value.get<double>();
  if (!value.is_string()) return std::nullopt;
  const json inner = json::parse(value.get<std::string>(), nullptr, false);
  if (!inner.is_number()) return std::nullopt;
  return inner.get<double>();
}

milliseconds within_bounds(double ms) {
  return milliseconds(static_cast<int64_t>(std::clamp(ms, 0.0, double(longest_life_ms))));
}

Result<std::optional<milliseconds>> lifetime_of(const json& answer, const std::string& token,
                                                int64_t wall_ms) {
  const auto said = answer.find("expires_in");
  if (said != answer.end() && !said->is_null()) {
    const auto seconds = seconds_in(*said);
    if (!seconds || !(*seconds > 0)) return fail("its \"expires_in\" is no number of seconds");
    return within_bounds(*seconds * 1000);
  }
  const auto expires = expiry_said_in(token);
  if (!expires) return std::nullopt;
  if (*expires <= wall_ms) return fail("its token has expired already, by our clock");
  return within_bounds(static_cast<double>(*expires - wall_ms));
}

}  // namespace

Result<IssuedToken> parse_token_answer(std::string_view text, int64_t wall_ms) {
  if (text.size() > longest_token_answer) return fail("answers more than we read");
  const json answer = json::parse(text, nullptr, false);
  if (!answer.is_object()) return fail("answers no JSON object");
  IssuedToken issued{.token = member(answer, "access_token"), .lifetime = {}};
  if (issued.token.empty()) return fail("answers without an \"access_token\"");
  if (issued.token.size() > longest_token) {
    return fail("its token is longer than " + std::to_string(longest_token) + " bytes");
  }
  if (const auto type = member(answer, "token_type"); !is_bearer(type)) {
    return fail("its \"token_type\" is \"" + shortened(type) + "\", not Bearer");
  }
  const auto lifetime = lifetime_of(answer, issued.token, wall_ms);
  if (!lifetime) return fail(lifetime.error());
  issued.lifetime = *lifetime;
  return issued;
}

std::string token_refusal(int status, std::string_view text) {
  const json answer = json::parse(text.substr(0, longest_token_answer), nullptr, false);
  const std::string code = answer.is_object() ? member(answer, "error") : "";
  if (code.empty()) return "answers " + std::to_string(status);
  const std::string more = member(answer, "error_description");
  return "refuses: " + shortened(code) + (more.empty() ? "" : ", " + shortened(more));
}

}  // namespace isthmus::kafka
