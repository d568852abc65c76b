// /metrics: Samples (base/samples.h) as Prometheus' text, and the table of all metrics as Markdown.
// Plain functions; any thread.
#pragma once

#include <string>

#include "base/samples.h"
#include "io/turn_watch.h"

namespace isthmus::process {

// What the system says of this process: CPU time and descriptors.
void add_process(Samples& samples);

// What the loops' watches have counted.
void add_turns(Samples& samples, const io::TurnWatch& turns);

// Prometheus' text format, version 0.0.4.
std::string render(const Samples& samples);

// docs/metrics.md.
std::string metrics_reference();

}  // namespace isthmus::process
