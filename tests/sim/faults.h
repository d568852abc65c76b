// Faults: what may happen to one machine, or to the line to its clients, at a moment that the seed
// picks. Those that need undoing undo themselves within half a minute of virtual time.
#pragma once

#include "tests/sim/stage.h"

namespace isthmus::sim {

// The broker dies, by kill -9 or by loss of power, and starts again: at once, or after a while, or
// twice, the second death while it recovers. Returns when it is whole again.
void kill_and_restart(Stage& stage, Site& site);

// Waits until the site serves all its partitions. A failure of the disk that was planned before may
// hit the recovery, which is then done again, but nothing later.
void await_whole(Stage& stage, Site& site);

// Disk and lines: slow syncs, some and all of them, resets, cuts, a paused process, a jumping
// calendar. Returns at once.
void disturb(Stage& stage, Site& site, const std::string& peer);

// The next append or sync of the site's disk fails. The broker takes the partition offline until a
// restart, which the caller brings about.
void fail_disk(Stage& stage, Site& site);

// Undoes what disturb() did, where it has not undone itself, and calls off failures of the disk
// that have not happened yet.
void calm(Stage& stage, Site& site);

}  // namespace isthmus::sim
