#include "process/audit_config.h"

#include <fmt/core.h>

namespace isthmus::process {

void describe(Options& o, AuditConfig& c) {
  o.add("file", c.file,
        "The file to which lines are appended. SIGHUP opens it anew, after it was renamed.");
  o.add_custom(
      "to", "stderr",
      [&c](const std::string& text) -> Result<void> {
        if (text != "stderr") return fail(fmt::format("\"{}\" is not stderr", text));
        c.to_stderr = true;
        return {};
      },
      [&c] { return std::string(c.to_stderr ? "stderr" : ""); },
      "Instead of a file: the standard error, among the lines of the log.");
}

std::optional<Problem> problem_of(const AuditConfig& c) {
  if (c.file.empty() || !c.to_stderr) return std::nullopt;
  return Problem{"audit.to", "the audit goes to `file` already; leave one of the two out"};
}

}  // namespace isthmus::process
