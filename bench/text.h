// Text that compresses as logs do, four to one: words of a small dictionary, chosen by a generator
// whose state the caller keeps. Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace isthmus::bench {

inline std::string text_of(size_t size, uint64_t& state) {
  constexpr std::string_view words[] = {"order ", "shipped ", "customer=", "id=", "warehouse ",
                                        "17 ",    "2026-11 ", "error: ",   "{}",  "timeout "};
  std::string text;
  while (text.size() < size) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    text += words[(state >> 33) % std::size(words)];
    if ((state >> 60) == 0) text += std::to_string(state);
  }
  text.resize(size);
  return text;
}

}  // namespace isthmus::bench
