// Logging: one line per event, `key=value`, prefixed by its owner ("orders-3", "client 10.0.0.7").
// One printable line (base/printable.h), whatever names from outside it holds.
//
// error = the operator must act; warn = degraded but self-healing; info = a state changed, never
// per request; debug = per request; trace = bytes, truncated. Lines are for people: no test reads
// them. The sink (spdlog) is known to base/log.cc alone. Any thread may log.
#pragma once

#include <fmt/core.h>

#include <string>
#include <string_view>

namespace isthmus {

enum class LogLevel : uint8_t { trace, debug, info, warn, error, off };

void set_log_level(LogLevel level);
LogLevel log_level();
void write_log(LogLevel level, std::string_view owner, fmt::string_view format,
               fmt::format_args args);

class Logger {
 public:
  explicit Logger(std::string owner) : owner_(std::move(owner)) {}
  const std::string& owner() const { return owner_; }

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
    if (level >= log_level()) write_log(level, owner_, f, fmt::make_format_args(a...));
  }
  std::string owner_;
};

}  // namespace isthmus
