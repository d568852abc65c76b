#include "process/units.h"

#include <fmt/core.h>

#include <charconv>
#include <optional>
#include <span>

namespace isthmus::process {
namespace {

struct Unit {
  std::string_view name;
  int64_t factor;
};

// In each table the first unit that divides a number evenly is the one it is shown in.
constexpr Unit size_units[] = {
    {"TiB", int64_t{1} << 40},
    {"GiB", 1 << 30},
    {"MiB", 1 << 20},
    {"KiB", 1 << 10},
    {"TB", 1'000'000'000'000},
    {"GB", 1'000'000'000},
    {"MB", 1'000'000},
    {"kB", 1000},
    {"KB", 1000},
    {"", 1},
    {"B", 1},
};
constexpr Unit duration_units[] = {
    {"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1000}, {"ms", 1},
};

std::optional<int64_t> parse(std::string_view text, std::span<const Unit> units) {
  int64_t number = 0;
  const char* end = text.data() + text.size();
  auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc{} || number < 0) return std::nullopt;
  std::string_view name(rest, static_cast<size_t>(end - rest));
  if (name.starts_with(' ')) name.remove_prefix(1);
  for (const Unit& unit : units) {
    if (unit.name != name) continue;
    int64_t product = 0;
    if (__builtin_mul_overflow(number, unit.factor, &product)) return std::nullopt;
    return product;
  }
  return std::nullopt;
}

std::string format(int64_t number, std::span<const Unit> units) {
  for (const Unit& unit : units) {
    if (number != 0 && number % unit.factor == 0)
      return fmt::format("{}{}", number / unit.factor, unit.name);
  }
  return fmt::format("0{}", units.back().name);
}

}  // namespace

Result<int64_t> parse_bytes(std::string_view text) {
  if (auto bytes = parse(text, size_units)) return *bytes;
  return fail(fmt::format("\"{}\" is not a size; write for example 1048576, 64KiB or 1GiB", text));
}

Result<std::chrono::milliseconds> parse_duration(std::string_view text) {
  if (auto ms = parse(text, duration_units)) return std::chrono::milliseconds(*ms);
  return fail(
      fmt::format("\"{}\" is not a duration; write for example 250ms, 5s, 10m or 24h", text));
}

std::string format_bytes(int64_t bytes) { return bytes == 0 ? "0" : format(bytes, size_units); }

std::string format_duration(std::chrono::milliseconds duration) {
  return duration.count() == 0 ? "0s" : format(duration.count(), duration_units);
}

}  // namespace isthmus::process
