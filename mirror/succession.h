// Succession: when a mirror process that stands in reserve takes a link over. Pure.
//
// A process that lives speaks to the target again and again: how often depends on its line, because
// a round is made of round trips. So it says with each report how long the next contact may take,
// and is taken for dead when several of those have passed; over a short line never before 2.5 s.
// Too early would be worse than late: whoever is replaced comes back and replaces in turn.
#pragma once

#include <optional>

#include "io/loop.h"

namespace isthmus::mirror {

// The longest pause between two rounds; a session's, and what is assumed of one that has yet to
// say.
constexpr io::Duration longest_pause = std::chrono::seconds(2);

// How long after its latest contact a process still counts as alive. `promised` is how long it may
// be silent, as it has said; nothing where it has not.
io::Duration alive_for(std::optional<io::Duration> promised);

// What a session promises: the pause that follows a round of `took`, and the next round. `took` is
// what the latest whole round took, or what this one has so far, of which the report itself is yet
// to come.
io::Duration promise(io::Duration latest, io::Duration so_far, io::Duration pause);

}  // namespace isthmus::mirror
