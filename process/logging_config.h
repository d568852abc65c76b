// LoggingConfig: what is logged, and how a line is written (base/log.h). The same section stands in
// every role's file. Plain values; what is in force in a process is Logging's (process/logging.h).
#pragma once

#include <array>
#include <optional>

#include "base/log.h"
#include "process/options.h"

namespace isthmus::process {

// By component; where none is set, log.level holds.
struct ComponentLevels {
  std::array<std::optional<LogLevel>, log_components> own;
};

struct LoggingConfig {
  LogFormat format = LogFormat::text;
  LogLevel level = LogLevel::info;
  ComponentLevels levels;

  LogLevels effective() const;
};

void describe(Options& o, LoggingConfig& c);

inline constexpr const char* logging_text =
    "What is logged, to the standard error. A reload (SIGHUP, `POST /reload`) takes this section "
    "over, also where the role refuses the rest; `isthmus log level` changes levels until then.";

}  // namespace isthmus::process
