// Logging: what of the log is in force in a process: what its file says, or the command line before
// it; and what an operator has set since, at the admin port, until the next reload or restart.
//
// One per process, made by whoever runs the role, before anything is logged. Any thread.
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "process/config_file.h"
#include "process/logging_config.h"

namespace isthmus::process {

struct LogChange {
  std::optional<LogComponent> component;  // not set: all
  LogLevel level = LogLevel::info;

  std::string to_string() const;
};
// Of "debug", or "mirror=debug". An error lists what is known.
Result<LogChange> parse_log_change(std::string_view text);

inline constexpr const char* until_reload = "until the next reload or restart";

class Logging {
 public:
  // `level` is the command line's, which stands for the file's log.level.
  Logging(Product product, const LoggingConfig& config, std::optional<LogLevel> level);

  // Takes over what the file says now, where all of it is right; what was set is over.
  void reload(std::string_view text, const std::string& file);
  void set(const LogChange& change);
  LogFormat format() const;
  // Levels in force, and which of them were set: {"format":"text","levels":{"admin":"info",...},
  // "until_reload":["mirror"]}.
  std::string json() const;

 private:
  void take(LoggingConfig config);

  const Product product_;
  const std::optional<LogLevel> level_;
  mutable std::mutex mutex_;
  LogFormat format_ = LogFormat::text;
  LogLevels of_file_{};
};

}  // namespace isthmus::process
