#include "tests/sim/cluster_faults.h"

#include "tests/sim/faults.h"

namespace isthmus::sim {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

void die(Stage& stage, Site& site) {
  if (site.process() == nullptr) return;
  if (stage.one_in(2)) {
    site.kill();
  } else {
    site.crash();
  }
}

void slow_disk(Stage& stage, Site& site) {
  Volume& disk = site.host().disk();
  if (stage.one_in(3)) {
    disk.slow_down();
  } else {
    disk.sync_latency_max = milliseconds(400);
  }
  stage.world().after(stage.random().between(milliseconds(100), seconds(10)),
                      [&disk] { disk.full_speed(); });
}

namespace {

void pause(Stage& stage, Site& site) {
  SimProcess* process = site.process();
  if (process == nullptr || !process->running()) return;
  process->pause();
  const bool long_enough = stage.one_in(2);
  if (long_enough) site.expire_session_after(seconds(6));
  const Duration a_while =
      long_enough ? Duration(beyond_session) : stage.random().between(milliseconds(50), seconds(3));
  stage.world().after(a_while, [process] {
    if (process->running()) process->resume();
  });
}

void cut_off(Stage& stage, Cluster& cluster, size_t victim) {
  SimNetwork& network = stage.world().network();
  const std::string name = cluster[victim].name();
  const Duration a_while = stage.random().between(milliseconds(100), seconds(20));
  const bool one_way = stage.one_in(3);
  std::vector<std::string> others = {"clients"};
  for (size_t i = 0; i < cluster.size(); ++i) {
    if (i != victim) others.push_back(cluster[i].name());
  }
  for (const std::string& other : others) {
    if (other == "clients" && stage.one_in(2)) continue;
    if (one_way) {
      network.cut_one_way(name, other);
    } else {
      network.cut(name, other);
    }
    stage.world().after(a_while, [&network, name, other] { network.heal(name, other); });
  }
}

// Followers stay behind, and learn late what is safe.
void slow_lines(Stage& stage, Cluster& cluster, size_t victim) {
  SimNetwork& network = stage.world().network();
  const std::string name = cluster[victim].name();
  const Duration a_while = stage.random().between(milliseconds(100), seconds(10));
  const Line usual;
  for (size_t i = 0; i < cluster.size(); ++i) {
    if (i == victim) continue;
    const std::string other = cluster[i].name();
    const Duration most = stage.random().between(milliseconds(5), milliseconds(400));
    network.set_latency(name, other, most / 2, most);
    stage.world().after(a_while, [&network, name, other, usual] {
      network.set_latency(name, other, usual.latency_min, usual.latency_max);
    });
  }
}

void pause_a_loop(Stage& stage, Site& site) {
  SimProcess* process = site.process();
  if (process == nullptr || !process->running() || site.loops() < 2) return;
  process->pause_loop(stage.spare().below(site.loops()));
  stage.world().after(stage.spare().between(milliseconds(50), seconds(3)), [process] {
    if (process->running()) process->resume();
  });
}

// From the other brokers, for minutes, which pass; clients reach it.
void cut_off_for_long(Stage& stage, Cluster& cluster, size_t victim) {
  SimNetwork& network = stage.world().network();
  const std::string name = cluster[victim].name();
  const Duration a_while = stage.spare().between(minutes(1), minutes(3));
  const bool one_way = stage.besides_one_in(2);
  for (size_t i = 0; i < cluster.size(); ++i) {
    if (i == victim) continue;
    const std::string other = cluster[i].name();
    if (one_way) {
      network.cut_one_way(name, other);
    } else {
      network.cut(name, other);
    }
    stage.world().after(a_while, [&network, name, other] { network.heal(name, other); });
  }
  stage.world().run_for(stage.spare().between(seconds(20), a_while));
}

// Until it is back: what is asked meanwhile nobody can be held to.
void no_zookeeper_for_long(Stage& stage, Cluster& cluster) {
  const Duration a_while = stage.spare().between(seconds(20), minutes(2));
  for (size_t i = 0; i < cluster.size(); ++i) cluster[i].cut_zookeeper_for(a_while);
  stage.world().run_for(a_while);
}

// An operation of its disk fails, and what that has taken offline a restart looks at again.
void fail_and_die(Stage& stage, Site& site) {
  fail_disk(stage, site);
  stage.world().run_for(stage.spare().between(milliseconds(0), seconds(5)));
  die(stage, site);
  site.host().disk().forget_planned_failures();
}

void disturb_besides(Stage& stage, Cluster& cluster) {
  constexpr int64_t hour_ms = 3'600'000;
  const size_t victim = stage.spare().below(cluster.size());
  Site& site = cluster[victim];
  switch (stage.spare().below(9)) {
    case 0:
    case 1: {
      const auto by_ms = static_cast<int64_t>(stage.spare().below(2 * hour_ms)) - hour_ms;
      return stage.ledger().starts().calendar_ahead(site.jump_wall_clock(by_ms));
    }
    case 2:
    case 3:
    case 4: return site.expire_session_after_a_write();
    case 5: return pause_a_loop(stage, site);
    case 6: return cut_off_for_long(stage, cluster, victim);
    case 7: return fail_and_die(stage, site);
    default: return no_zookeeper_for_long(stage, cluster);
  }
}

}  // namespace

void disturb(Stage& stage, Cluster& cluster) {
  if (stage.is_harsh() && stage.besides_one_in(3)) return disturb_besides(stage, cluster);
  const size_t victim = stage.random().below(cluster.size());
  Site& site = cluster[victim];
  switch (stage.random().below(11)) {
    case 0:
    case 1: return die(stage, site);
    case 2: return pause(stage, site);
    case 3:
    case 4: return cut_off(stage, cluster, victim);
    case 5: return site.expire_session_after(Duration::zero());
    case 6: {
      const Duration a_while = stage.random().between(milliseconds(100), seconds(5));
      const bool after_a_write = stage.one_in(2);
      site.cut_zookeeper_for(a_while, after_a_write);
      const bool is_long = a_while > seconds(2);
      if (is_long && !after_a_write) site.expire_session_unheard_after(seconds(1));
      return;
    }
    case 7:
    case 8: return slow_disk(stage, site);
    case 9: return slow_lines(stage, cluster, victim);
    default: {
      if (!site.drain()) return;
      site.start();
    }
  }
}

void lose_all(Stage& stage, Cluster& cluster) {
  for (size_t i = 0; i < cluster.size(); ++i) {
    if (stage.one_in(4)) stage.run_between(milliseconds(0), milliseconds(300));
    die(stage, cluster[i]);
  }
}

}  // namespace isthmus::sim
