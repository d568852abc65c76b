// What a token endpoint answers to a client that asks for a token by its own credentials (RFC 6749,
// sections 4.4.3, 5.1 and 5.2). Pure functions; any thread.
//
// Nothing of a token is ever in an error; what the provider says is made printable and short.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace isthmus::kafka {

constexpr size_t longest_token_answer = 64 << 10;

struct IssuedToken {
  std::string token;
  // From when it was asked for; at most a year. Nothing: nobody says, so it is good for one log-in.
  std::optional<std::chrono::milliseconds> lifetime;
};

// Of an answer with status 200. The lifetime is what `expires_in` says, else the token itself (exp,
// if it is a JWT); `wall_ms` is now, in milliseconds since 1970.
Result<IssuedToken> parse_token_answer(std::string_view text, int64_t wall_ms);

// Why there is no token, of an answer with any other status.
std::string token_refusal(int status, std::string_view text);

}  // namespace isthmus::kafka
