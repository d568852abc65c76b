// Faults of a cluster of several brokers, at a moment that the seed picks. What needs undoing
// undoes itself within minutes of virtual time; who has died is started again by the
// scenario.
#pragma once

#include "tests/sim/cluster.h"

namespace isthmus::sim {

// So long that ZooKeeper ends the session of who stands still.
constexpr auto beyond_session = std::chrono::seconds(9);

// By kill -9 or by loss of power.
void die(Stage& stage, Site& site);
// What it has appended and not synced yet is then more than a moment's.
void slow_disk(Stage& stage, Site& site);
// One of its brokers dies, stands still, is cut off from the others or from ZooKeeper, loses its
// session, has a slow disk or slow lines, or is stopped in order and started again. In a harsh
// world its calendar may jump, too, one of its loops stand still, its session end in the middle of
// a write, its disk fail before it dies, or lines be cut or ZooKeeper be away for minutes: that
// long it may take.
void disturb(Stage& stage, Cluster& cluster);
// The power of the whole room.
void lose_all(Stage& stage, Cluster& cluster);

}  // namespace isthmus::sim
