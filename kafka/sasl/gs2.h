// The front of a client's first message in SCRAM and OAUTHBEARER, and names in both: the header of
// GS2 (RFC 5801, section 4). Pure functions; any thread.
//
//   n,,           the client does no channel binding
//   y,,           it would, and thinks that we do not: right
//   n,a=alice,    with an authorization id
//   p=...,,       it insists: refused
//
// We do no channel binding: Kafka's clients cannot (TLS is ended by other layers there), so it
// would protect nobody.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace isthmus::kafka {

struct Gs2Header {
  std::string text;  // as it came: what the client has to repeat as its channel binding
  std::string authorization_id;
};

// Takes it from the front.
Result<Gs2Header> take_gs2_header(std::string_view& rest);
std::string encode_gs2_header(std::string_view authorization_id);

// A name in which ',' stands as =2C and '=' as =3D, and nothing else is escaped.
std::string encode_saslname(std::string_view name);
// Nothing if it is none, or no user name (kafka/sasl/mechanism.h).
std::optional<std::string> decode_saslname(std::string_view text);

}  // namespace isthmus::kafka
