// isthmus metrics: the table of all metrics.
#include "process/metrics.h"

#include "cli/commands.h"
#include "cli/output.h"

namespace isthmus::cli {

void add_metrics(Command line) {
  line.command({"metrics", "Prints every metric of every role, as Markdown",
                "isthmus metrics > docs/metrics.md"},
               [](const Common&) {
                 show_document(process::metrics_reference());
                 return Exit::done;
               });
}

}  // namespace isthmus::cli
