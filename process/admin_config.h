// AdminConfig: where a process serves /metrics, /healthz, /readyz and /status (process/admin.h).
// The same section stands in every role's file.
#pragma once

#include <optional>

#include "process/options.h"

namespace isthmus::process {

struct AdminConfig {
  std::optional<io::Address> bind;  // not set: none is served
};

inline void describe(Options& o, AdminConfig& c) {
  o.add("bind", c.bind,
        "Where `/metrics`, `/healthz`, `/readyz` and `/status` are served, in plain HTTP. Without "
        "it they are not served.");
}

inline constexpr const char* admin_text = "What this process tells about itself.";

}  // namespace isthmus::process
