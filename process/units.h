// Numbers with units, as people write them in YAML and on the command line, and back.
//
// Sizes: 1024, 10kB, 100MB, 2GB, 1TB (powers of 1000), 64KiB, 16MiB, 1GiB, 1TiB (powers of 1024).
// Rates: a size per second, "100MB/s". Durations: 250ms, 5s, 10m, 24h, 7d; always with a unit, for
// a bare number of an unnamed unit is how a 5 s limit becomes 5 ms.
// Whatever parses is >= 0 and fits an int64; a format_...() parses back to the same number.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace isthmus::process {

Result<int64_t> parse_bytes(std::string_view text);
Result<std::chrono::milliseconds> parse_duration(std::string_view text);

std::string format_bytes(int64_t bytes);
std::string format_duration(std::chrono::milliseconds duration);

}  // namespace isthmus::process
