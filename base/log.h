// Logging: one line per event, `key=value`, prefixed by its owner ("orders-3", "client 10.0.0.7").
// One printable line (base/printable.h), or one object of JSON (base/json.h), whatever names from
// outside it holds.
//
//   2026-03-01T12:00:00.123 warning orders-3: offline: no room         (the machine's local time)
//   {"time":"2026-03-01T12:00:00.123Z","level":"warn","component":"partitions",
//    "owner":"orders-3","message":"offline: no room"}                  (on one line)
//
// error = the operator must act; warn = degraded but self-healing; info = a state changed, never
// per request; debug = per request; trace = bytes, truncated. What is said from warn on stands in
// docs/messages.md, with what to do; a test compares the two. Lines are for people: no test reads
// them. The sink (spdlog) is known to base/log.cc alone. Any thread may log, and set levels.
//
// Each Logger is of one component, which has a level of its own: a line that is not wanted costs
// one relaxed load.
#pragma once

#include <fmt/core.h>

#include <array>
#include <atomic>
#include <optional>
#include <string>
#include <string_view>

namespace isthmus {

enum class LogLevel : uint8_t { trace, debug, info, warn, error, off };
std::string_view to_string(LogLevel level);

// What an operator may choose: all but `off`, by name.
inline constexpr std::array log_levels_by_name{LogLevel::trace, LogLevel::debug, LogLevel::info,
                                               LogLevel::warn, LogLevel::error};
std::optional<LogLevel> find_log_level(std::string_view name);

// The closed list of what lines are about, in the order of log_component_texts() in base/log.cc,
// which says what each speaks of.
enum class LogComponent : uint8_t {
  process,
  admin,
  tls,
  audit,
  server,
  login,
  broker,
  metadata,
  zookeeper,
  controller,
  partitions,
  replication,
  colleagues,
  groups,
  link,
  switchover,
  mirror,
  router,
  client,
};
inline constexpr size_t log_components = 19;

struct LogComponentText {
  LogComponent component;
  const char* name;
  const char* text;
};
const std::array<LogComponentText, log_components>& log_component_texts();
std::string_view to_string(LogComponent component);
std::optional<LogComponent> find_log_component(std::string_view name);

// By component.
using LogLevels = std::array<LogLevel, log_components>;
void set_log_levels(const LogLevels& levels);
void set_log_level(LogLevel level);  // of all
LogLevels log_levels();

enum class LogFormat : uint8_t { text, json };
void set_log_format(LogFormat format);

void write_log(LogLevel level, LogComponent component, std::string_view owner,
               fmt::string_view format, fmt::format_args args);

struct LogThreshold {
  std::atomic<LogLevel> level{LogLevel::info};
};
inline constinit std::array<LogThreshold, log_components> log_thresholds{};

class Logger {
 public:
  Logger(LogComponent component, std::string owner)
      : owner_(std::move(owner)), component_(component) {}
  // The component itself is the owner.
  explicit Logger(LogComponent component) : Logger(component, std::string(to_string(component))) {}

  template <typename... T>
  void trace(fmt::format_string<T...> f, T&&... a) const {
    log(LogLevel::trace, f, a...);
  }
  template <typename... T>
  void debug(fmt::format_string<T...> f, T&&... a) const {
    log(LogLevel::debug, f, a...);
  }
  template <typename... T>
  void info(fmt::format_string<T...> f, T&&... a) const {
    log(LogLevel::info, f, a...);
  }
  template <typename... T>
  void warn(fmt::format_string<T...> f, T&&... a) const {
    log(LogLevel::warn, f, a...);
  }
  template <typename... T>
  void error(fmt::format_string<T...> f, T&&... a) const {
    log(LogLevel::error, f, a...);
  }

 private:
  template <typename... T>
  void log(LogLevel level, fmt::string_view f, const T&... a) const {
    const auto& threshold = log_thresholds[static_cast<size_t>(component_)].level;
    if (level < threshold.load(std::memory_order_relaxed)) return;
    write_log(level, component_, owner_, f, fmt::make_format_args(a...));
  }

  std::string owner_;
  LogComponent component_;
};

}  // namespace isthmus
