// Names from outside (topics, groups, clients, hosts, what a peer says of an error) as people may
// see them: one line of valid UTF-8 without anything that moves a cursor or turns a line around.
//
//   billing\x00   a control character, or a byte that is not UTF-8
//   a\u{202e}b    an override of the direction, or what is invisible
//
// A backslash stays as it is, so that showing twice is showing once: whatever stands at the way out
// (base/log.cc, base/json.cc, cli/output.cc, cli/table.cc, process/admin.cc, process/metrics.cc)
// does it again for what was forgotten. Where the exact name matters, JSON has it (base/json.h).
// Pure; any thread.
#pragma once

#include <string>
#include <string_view>

namespace isthmus {

std::string printable(std::string_view text);

// The first code point of a text that is not empty. Where its bytes are not UTF-8 (overlong forms,
// surrogates and what lies beyond U+10FFFF included), `valid` is false, and it is the first byte.
struct CodePoint {
  char32_t value = 0;
  size_t size = 1;
  bool valid = false;
};
CodePoint first_code_point(std::string_view text);
bool is_utf8(std::string_view text);

// Controls, line separators, overrides of the direction, and what takes no room.
bool is_unprintable(char32_t c);

}  // namespace isthmus
