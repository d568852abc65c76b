#include "tests/sim/cluster_faults.h"
#include "tests/sim/reassigning.h"
#include "tests/sim/spoiled_replica.h"

namespace isthmus::sim {

using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

std::vector<size_t> in_any_order(Stage& stage, size_t size) {
  std::vector<size_t> order;
  for (size_t i = 0; i < size; ++i) {
    order.insert(order.begin() + static_cast<ptrdiff_t>(stage.random().below(i + 1)), i);
  }
  return order;
}

// One after the other, so that the last ones are alone, and back in another order: who comes first
// need not have what the last ones had.
void die_in_turn(Stage& stage, Cluster& cluster) {
  for (size_t i : in_any_order(stage, cluster.size())) {
    die(stage, cluster[i]);
    stage.run_between(milliseconds(0), beyond_session);
  }
  for (size_t i : in_any_order(stage, cluster.size())) {
    cluster[i].start();
    stage.run_between(milliseconds(0), beyond_session);
  }
}

// One comes back, and who leads does not hear that it is in sync again, or hears it late.
void come_back_unheard(Stage& stage, Cluster& cluster) {
  const auto order = in_any_order(stage, cluster.size());
  Site& site = cluster[order[0]];
  die(stage, site);
  stage.run_between(milliseconds(0), beyond_session);
  site.start();
  stage.run_between(milliseconds(0), milliseconds(500));
  if (stage.one_in(2)) slow_disk(stage, site);
  for (size_t i = 1; i < cluster.size(); ++i) {
    const Duration a_while = stage.random().between(milliseconds(500), seconds(5));
    cluster[order[i]].cut_zookeeper_for(a_while, true);
  }
  stage.run_between(milliseconds(0), seconds(3));
  die(stage, cluster[order[1]]);
}

}  // namespace

// A cluster of three brokers, or five, under load, which die, stand still, are cut off from each
// other or lose their sessions, one at a time or all at once; in every second cluster brokers also
// come and go, and partitions move; in every third world more happens (Stage::is_harsh), and
// disks lose what they had synced. What was acknowledged is there, on whoever leads, at its offset,
// unchanged and in order.
void brokers(Stage& stage) {
  Cluster cluster(stage, "tokyo", 1, stage.one_in(4) ? 5 : 3);
  cluster.start_all();
  if (!cluster.await_serving()) return;
  if (!stage.asker().create_topic(cluster[0], "orders", 2)) return;
  stage.destination().sites = cluster.clients();
  stage.has_several_brokers();
  stage.add_clients("orders", 2, stage.one_in(2));
  if (stage.one_in(2)) stage.add_members("orders", 2, stage.random().between(1, 4), true);

  const bool moves = stage.one_in(2);
  StepJudge judge(stage);
  // Partitions that move may be told to have one replica.
  judge.watch(cluster, moves ? 1 : majority_of(cluster.size()));

  const uint64_t rounds = stage.random().between(2, 6);
  for (uint64_t i = 0; i < rounds && stage.content(); ++i) {
    stage.run_between(milliseconds(20), seconds(2));
    for (uint64_t moved = moves ? stage.random().between(1, 3) : 0; moved > 0; --moved) {
      reassign(stage, cluster, "orders", 2);
      stage.run_between(milliseconds(0), seconds(2));
    }
    if (stage.one_in(6)) {
      lose_all(stage, cluster);
    } else if (stage.one_in(6)) {
      die_in_turn(stage, cluster);
    } else if (stage.one_in(4)) {
      come_back_unheard(stage, cluster);
    } else {
      disturb(stage, cluster);
      if (stage.one_in(3)) disturb(stage, cluster);
      if (stage.one_in(3)) {
        // While who leads by now has yet to learn what is safe.
        stage.run_between(milliseconds(0), milliseconds(400));
        disturb(stage, cluster);
      }
      if (stage.one_in(6)) {
        stage.run_between(milliseconds(0), seconds(1));
        lose_all(stage, cluster);
      }
    }
    stage.run_between(milliseconds(0), seconds(8));
    cluster.start_all();
    if (stage.one_in(2)) continue;
    cluster.calm();
    if (!cluster.await_serving() || !cluster.await_in_sync()) return;
    cluster.check_records("orders", 2);
    const bool spoils = stage.is_harsh() && !moves && stage.besides_one_in(2);
    if (spoils && stage.content()) spoil_a_replica(stage, cluster, judge, "orders", 2);
  }
  cluster.calm();
  if (!stage.content() || !cluster.await_serving()) return;
  if (moves) undo_drains(stage, cluster);
  stage.settle("after the last fault");
  stage.catch_up();
  // Each replica has to show what it has.
  for (size_t i = 0; i < cluster.size() && stage.content(); ++i) {
    if (!cluster.await_in_sync()) return;
    cluster.check_records("orders", 2);
    die(stage, cluster[i]);
    stage.run_between(milliseconds(0), seconds(8));
    cluster.start_all();
    if (!cluster.await_serving()) return;
  }
  if (cluster.await_in_sync()) cluster.check_records("orders", 2);
}

}  // namespace isthmus::sim
