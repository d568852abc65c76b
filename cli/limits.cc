#include "cli/limits.h"

#include <fmt/core.h>

#include <charconv>
#include <optional>

namespace isthmus::cli {
namespace {

enum class Narrower : uint8_t { if_lower, if_higher };

const std::map<std::string, Narrower>& compared() {
  static const std::map<std::string, Narrower> limits = {
      {"group.max.session.timeout.ms", Narrower::if_lower},
      {"group.max.size", Narrower::if_lower},
      {"group.min.session.timeout.ms", Narrower::if_higher},
      {"message.max.bytes", Narrower::if_lower},
  };
  return limits;
}

std::optional<int64_t> number_in(const std::string& text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

Limits limits_in(const kafka::DescribeConfigsResponse& broker) {
  Limits limits;
  for (const auto& result : broker.results) {
    for (const auto& config : result.configs) {
      if (!config.value || !compared().contains(config.name)) continue;
      if (const auto value = number_in(*config.value)) limits[config.name] = *value;
    }
  }
  return limits;
}

Finding judge_limits(const LimitsOf& source, const LimitsOf& target) {
  std::string narrower;
  for (const auto& [name, there] : source.limits) {
    const auto found = target.limits.find(name);
    if (found == target.limits.end()) continue;
    const int64_t here = found->second;
    const bool fits = compared().at(name) == Narrower::if_lower ? here >= there : here <= there;
    if (fits) continue;
    narrower += fmt::format("{}{} {} ({} at {})", narrower.empty() ? "" : ", ", name, here, there,
                            source.site);
  }
  if (narrower.empty())
    return {Verdict::ok, target.site + " takes what " + source.site + " takes", ""};
  return {Verdict::warn, target.site + " takes less: " + narrower,
          "the same in the broker's file of " + target.site + ", and restart it"};
}

}  // namespace isthmus::cli
