#include "tests/sim/faults.h"

#include <cerrno>

namespace isthmus::sim {

using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {
// A disk that is slow for long enough for several syncs, one behind the other.
constexpr int slow_times = 5;
}  // namespace

void kill_and_restart(Stage& stage, Site& site) {
  const uint64_t deaths = stage.one_in(4) ? 2 : 1;
  for (uint64_t i = 0; i < deaths; ++i) {
    if (stage.one_in(3)) {
      site.kill();
    } else {
      site.crash();
    }
    if (stage.one_in(2)) stage.run_between(milliseconds(1), seconds(3));
    site.start();
    // A second death falls into the first moments of recovery.
    if (i + 1 < deaths) stage.run_between(milliseconds(0), milliseconds(30));
  }
  await_whole(stage, site);
}

void await_whole(Stage& stage, Site& site) {
  for (int i = 0; i < 4; ++i) {
    if (!stage.asker().await_serving(site)) return;
    site.host().disk().forget_planned_failures();
    if (stage.asker().all_online(site)) return;
    site.start();
  }
}

void fail_disk(Stage& stage, Site& site) {
  const std::string file = stage.one_in(3) ? "" : "orders";
  if (stage.one_in(2)) {
    site.host().disk().fail_next_append(file, stage.one_in(2) ? EIO : ENOSPC);
  } else {
    site.host().disk().fail_next_sync(file, EIO);
  }
}

void disturb(Stage& stage, Site& site, const std::string& peer) {
  SimWorld& world = stage.world();
  SimNetwork& network = world.network();
  const std::string name = site.name();
  const Duration a_while = stage.random().between(milliseconds(10), seconds(6));
  switch (stage.random().below(6)) {
    case 0: {
      Volume& disk = site.host().disk();
      const bool at_times = a_while.count() % 2 == 0;
      if (at_times) {
        disk.sync_latency_max = milliseconds(400);
      } else {
        disk.slow_down();
      }
      return world.after(at_times ? a_while : slow_times * a_while, [&disk] { disk.full_speed(); });
    }
    case 1: return network.reset_connections(name, peer);
    case 2:
      network.cut(name, peer);
      return world.after(a_while, [&network, name, peer] { network.heal(name, peer); });
    case 3:
      if (stage.one_in(2)) {
        network.cut_one_way(name, peer);
      } else {
        network.cut_one_way(peer, name);
      }
      return world.after(a_while, [&network, name, peer] { network.heal(name, peer); });
    case 4: {
      SimProcess* process = site.process();
      if (process == nullptr || !process->running()) return;
      if (stage.one_in(2)) {
        process->pause();
      } else {
        process->pause_loop(stage.random().below(site.loops()));
      }
      // A process that has ended meanwhile has nothing left to run.
      return world.after(a_while, [process] {
        if (process->running()) process->resume();
      });
    }
    default:
      const auto by_ms = static_cast<int64_t>(stage.random().below(120'000)) - 60'000;
      stage.ledger().starts().calendar_ahead(site.jump_wall_clock(by_ms));
  }
}

void calm(Stage& stage, Site& site) {
  stage.world().network().heal_all();
  site.host().disk().full_speed();
  site.host().disk().forget_planned_failures();
  if (site.process() != nullptr && site.process()->running()) site.process()->resume();
}

}  // namespace isthmus::sim
