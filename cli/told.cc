#include "cli/told.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <limits>
#include <nlohmann/json.hpp>

#include "views/words.h"

namespace isthmus::cli {
namespace {

using nlohmann::json;

const json* member_of(const json& object, const char* name) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(name);
  return found == object.end() ? nullptr : &*found;
}

// Of the years that a calendar has four digits for.
int64_t in_years(int64_t ms) { return std::clamp<int64_t>(ms, 0, 253'402'300'799'000); }

struct TimeUnit {
  const char* name;
  int64_t seconds;
};
constexpr std::array time_units = {TimeUnit{"d", 86'400}, TimeUnit{"h", 3600}, TimeUnit{"min", 60},
                                   TimeUnit{"s", 1}};

// In the largest unit that it has one of, and the next.
std::string in_two_units(int64_t seconds) {
  const auto unit = std::ranges::find_if(
      time_units, [seconds](const TimeUnit& each) { return seconds >= each.seconds; });
  if (unit == time_units.end()) return "0 s";
  std::string text = fmt::format("{} {}", views::grouped(seconds / unit->seconds), unit->name);
  const auto below = unit + 1;
  if (below == time_units.end()) return text;
  const int64_t rest = seconds % unit->seconds / below->seconds;
  return rest == 0 ? text : fmt::format("{} {} {}", text, rest, below->name);
}

}  // namespace

std::optional<int64_t> number_of(const json& value) {
  if (value.is_number_unsigned()) {
    const auto most = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
    return static_cast<int64_t>(std::min(value.get<uint64_t>(), most));
  }
  if (value.is_number_integer()) return value.get<int64_t>();
  if (!value.is_number_float()) return std::nullopt;
  constexpr double most = 9e18;
  return static_cast<int64_t>(std::clamp(value.get<double>(), -most, most));
}

std::optional<int64_t> told_number(const json& object, const char* member) {
  const json* value = member_of(object, member);
  return value == nullptr ? std::nullopt : number_of(*value);
}

std::optional<bool> told_flag(const json& object, const char* member) {
  const json* value = member_of(object, member);
  if (value == nullptr || !value->is_boolean()) return std::nullopt;
  return value->get<bool>();
}

std::string told_text(const json& object, const char* member) {
  const json* value = member_of(object, member);
  return value == nullptr || !value->is_string() ? "" : value->get<std::string>();
}

const json& told_list(const json& object, const char* member) {
  static const json none = json::array();
  const json* value = member_of(object, member);
  return value == nullptr || !value->is_array() ? none : *value;
}

const json& told_object(const json& object, const char* member) {
  static const json none = json::object();
  const json* value = member_of(object, member);
  return value == nullptr || !value->is_object() ? none : *value;
}

int64_t elapsed_ms(int64_t now_ms, int64_t then_ms) { return in_years(now_ms) - in_years(then_ms); }

std::string duration_text(std::optional<int64_t> ms) {
  if (!ms) return not_known;
  const int64_t positive = std::max<int64_t>(0, *ms);
  if (positive == 0) return "0 s";
  if (positive < 1000) return fmt::format("{} ms", positive);
  if (positive < 59'950) return fmt::format("{:.1f} s", static_cast<double>(positive) / 1000);
  return in_two_units(positive / 1000);
}

std::string lasting_text(int64_t ms) { return in_two_units(std::max<int64_t>(0, ms) / 1000); }

std::string ago_text(int64_t ms) { return ms < 1000 ? "just now" : lasting_text(ms) + " ago"; }

std::string bytes_text(std::optional<int64_t> bytes) {
  if (!bytes) return not_known;
  if (*bytes < 1000) return count_text(bytes, "byte");
  constexpr std::string_view prefixes = "kMGTPE";
  double size = static_cast<double>(*bytes) / 1000;
  size_t prefix = 0;
  for (; size >= 999.5 && prefix + 1 < prefixes.size(); ++prefix) size /= 1000;
  return size < 99.95 ? fmt::format("{:.1f} {}B", size, prefixes[prefix])
                      : fmt::format("{:.0f} {}B", size, prefixes[prefix]);
}

std::string grouped_text(std::optional<int64_t> number) {
  return number ? views::grouped(*number) : not_known;
}

std::string count_text(std::optional<int64_t> number, const char* noun) {
  return fmt::format("{} {}{}", grouped_text(number), noun, number == 1 ? "" : "s");
}

std::string clock_text(int64_t ms, int64_t now_ms) {
  using std::chrono::days;
  using std::chrono::milliseconds;
  const std::chrono::sys_time<milliseconds> at{milliseconds{in_years(ms)}};
  const std::chrono::sys_time<milliseconds> now{milliseconds{in_years(now_ms)}};
  const auto day = std::chrono::floor<days>(at);
  const std::chrono::hh_mm_ss time{std::chrono::floor<std::chrono::seconds>(at - day)};
  const std::string clock = fmt::format("{:02}:{:02}:{:02}", time.hours().count(),
                                        time.minutes().count(), time.seconds().count());
  if (day == std::chrono::floor<days>(now)) return clock;
  const std::chrono::year_month_day date{day};
  return fmt::format("{}-{:02}-{:02} {}", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), clock);
}

std::string bare_text(std::string_view text) {
  constexpr std::string_view blanks = " \t\r\n";
  const size_t begin = std::min(text.find_first_not_of(blanks), text.size());
  text.remove_prefix(begin);
  text = text.substr(0, text.find_last_not_of(blanks) + 1);
  if (text.ends_with('.')) text.remove_suffix(1);
  return std::string(text);
}

}  // namespace isthmus::cli
