// Numbers as people read them, wherever they stand. Plain functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace isthmus::views {

std::string grouped(int64_t number);               // 1,204
std::string seconds(std::optional<int64_t> ms);    // 0.3; "unknown" for nothing
std::string count_of(size_t n, const char* noun);  // "1 topic", "12 topics"
std::string number_or_unknown(std::optional<int64_t> number);

}  // namespace isthmus::views
