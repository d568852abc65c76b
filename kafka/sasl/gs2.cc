#include "kafka/sasl/gs2.h"

#include "kafka/sasl/mechanism.h"

namespace isthmus::kafka {

Result<Gs2Header> take_gs2_header(std::string_view& rest) {
  if (rest.starts_with("p=")) return fail("channel binding is not supported");
  if (!rest.starts_with("n,") && !rest.starts_with("y,")) {
    return fail("the message begins with no GS2 header");
  }
  const size_t end = rest.find(',', 2);
  if (end == std::string_view::npos) return fail("the GS2 header has no end");
  Gs2Header header;
  header.text = rest.substr(0, end + 1);
  const std::string_view identity = rest.substr(2, end - 2);
  if (!identity.empty()) {
    auto name = identity.starts_with("a=") ? decode_saslname(identity.substr(2)) : std::nullopt;
    if (!name) return fail("the authorization id is no name");
    header.authorization_id = *std::move(name);
  }
  rest.remove_prefix(end + 1);
  return header;
}

std::string encode_gs2_header(std::string_view authorization_id) {
  if (authorization_id.empty()) return "n,,";
  return "n,a=" + encode_saslname(authorization_id) + ",";
}

std::string encode_saslname(std::string_view name) {
  std::string out;
  for (char c : name) {
    if (c == ',') {
      out += "=2C";
    } else if (c == '=') {
      out += "=3D";
    } else {
      out += c;
    }
  }
  return out;
}

std::optional<std::string> decode_saslname(std::string_view text) {
  std::string name;
  while (!text.empty()) {
    const bool comma = text.starts_with("=2C");
    const bool equals = text.starts_with("=3D");
    const bool bare = text[0] == ',' || text[0] == '=';
    if (bare && !comma && !equals) return std::nullopt;
    name += comma ? ',' : equals ? '=' : text[0];
    text.remove_prefix(comma || equals ? 3 : 1);
  }
  if (!is_user_name(name)) return std::nullopt;
  return name;
}

}  // namespace isthmus::kafka
