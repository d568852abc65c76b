// AuditConfig: where lines of the audit go (server/audit.h): at most one of the two. The same
// section stands in the files of those whom clients speak to.
#pragma once

#include <optional>
#include <string>

#include "process/options.h"

namespace isthmus::process {

struct AuditConfig {
  std::string file;
  bool to_stderr = false;
};

void describe(Options& o, AuditConfig& c);
std::optional<Problem> problem_of(const AuditConfig& c);

}  // namespace isthmus::process
