#include "process/logging_config.h"

#include <fmt/format.h>

namespace isthmus::process {
namespace {

std::string level_names() {
  std::string names;
  for (const LogLevel level : log_levels_by_name) {
    names += fmt::format("{}{}", names.empty() ? "" : ", ", to_string(level));
  }
  return names;
}

void add_level(Options& o, const LogComponentText& component, std::optional<LogLevel>& level) {
  o.add_custom(
      component.name, "one of " + level_names(),
      [&level](const std::string& name) -> Result<void> {
        level = find_log_level(name);
        if (level) return {};
        return fail(fmt::format("\"{}\" is not known; one of {} is right", name, level_names()));
      },
      [&level] { return level ? std::string(to_string(*level)) : std::string(); },
      std::string(component.text));
}

}  // namespace

LogLevels LoggingConfig::effective() const {
  LogLevels all;
  for (size_t i = 0; i < log_components; ++i) all[i] = levels.own[i].value_or(level);
  return all;
}

void describe(Options& o, ComponentLevels& c) {
  for (const LogComponentText& component : log_component_texts()) {
    add_level(o, component, c.own[static_cast<size_t>(component.component)]);
  }
}

void describe(Options& o, LoggingConfig& c) {
  o.choice("format", c.format, {{"text", LogFormat::text}, {"json", LogFormat::json}},
           "`text`: a line for people, in local time. `json`: one object for each event, with "
           "`time` (RFC 3339, UTC), `level`, `component`, `owner` (of what it speaks, as "
           "`orders-3`) and `message`.");
  o.choice(
      "level", c.level,
      {{"trace", LogLevel::trace},
       {"debug", LogLevel::debug},
       {"info", LogLevel::info},
       {"warn", LogLevel::warn},
       {"error", LogLevel::error}},
      "From where on to log: `error` is for an operator to act on, `warn` mends itself, "
      "`info` tells of changes, `debug` of single connections and steps, `trace` of what is finer. "
      "`--log-level` goes before it.");
  o.section("levels", c.levels,
            "Levels of single components, which go before `log.level`: `{mirror: debug}`. Each "
            "component, and what its lines speak of:")
      .lists_things = true;
}

}  // namespace isthmus::process
