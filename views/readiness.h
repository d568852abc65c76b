// Readiness: what speaks for and against a switchover now. Pure; made from answers to DescribeSite.
#pragma once

#include <string>
#include <vector>

#include "process/router_config.h"
#include "views/link_view.h"

namespace isthmus::views {

enum class Verdict : uint8_t { ok, warn, stop };

struct Finding {
  Verdict verdict = Verdict::ok;
  std::string text;
  std::string next;  // what would mend it, or empty
};

struct Readiness {
  std::vector<Finding> findings;
  size_t stops() const;
};

// `leave_behind`: the operator has said that topics which the link does not bring may stay.
Readiness judge(const LinkView& link, const SiteAnswer& source,
                const process::SwitchoverConfig& limits, bool leave_behind = false);

}  // namespace isthmus::views
