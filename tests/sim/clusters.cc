#include "tests/sim/cluster_moves.h"

namespace isthmus::sim {

using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

void wish_among_faults(Stage& stage, ClusterPair& pair, ClusterMoves& moves) {
  if (stage.one_in(3)) pair.disturb();
  moves.wish();
  const uint64_t faults = stage.random().between(1, 4);
  for (uint64_t f = 0; f < faults && stage.content(); ++f) {
    stage.run_between(milliseconds(0), milliseconds(400));
    pair.disturb();
    if (stage.one_in(4)) moves.wish_again();
    if (stage.one_in(8)) moves.give_up();
  }
}

void check_everything(Stage& stage, ClusterPair& pair) {
  if (!stage.content() || !pair.calm()) return;
  stage.settle("the sites have changed places");
  stage.catch_up();
  pair.check_writer();
  pair.check_caught_up();
}

}  // namespace

// Planned switchovers between two sites of three brokers each, or five, under load, while brokers
// of both, their ZooKeepers, the mirror and the lines fail at random points: nothing that was
// acknowledged is lost, doubled or reordered; each switchover ends, forward or back; groups go on
// where they were; in the end both sites are equal.
void clusters(Stage& stage) {
  ClusterPair pair(stage);
  if (!pair.begin()) return;
  // A driver by hand leaves groups behind.
  const bool by_hand = stage.one_in(3);
  stage.add_clients("orders", ClusterPair::partitions, !by_hand, milliseconds(60));
  if (!by_hand && stage.one_in(2)) {
    stage.add_members("orders", ClusterPair::partitions, stage.random().between(1, 3), true);
  }
  stage.run_between(milliseconds(300), seconds(1));
  if (!by_hand) pair.await_groups();
  // From here on clients try both sites, as if the router knew nothing.
  stage.destination().sites = pair.clients();

  ClusterMoves moves(stage, pair);
  const uint64_t rounds = stage.random().between(1, 2);
  for (uint64_t i = 0; i < rounds && stage.content(); ++i) {
    if (by_hand) {
      moves.drive_by_hand();
    } else {
      wish_among_faults(stage, pair, moves);
    }
    stage.run_between(milliseconds(0), seconds(3));
    if (!stage.content() || !pair.calm()) return;
    moves.await_end();
    pair.check_writer();
  }
  for (int i = 0; by_hand && i < 5; ++i) moves.repeat_something();
  moves.await_end();
  moves.succeed();
  pair.check_writer();
  moves.succeed();
  check_everything(stage, pair);
}

// All brokers of the writing site are lost, or only cut off, and the other is promoted without it;
// then it comes back and becomes the mirror, and in the end planned switchovers bring the clients
// home.
void clusters_failover(Stage& stage) {
  ClusterPair pair(stage);
  if (!pair.begin()) return;
  for (int id = 1; id <= 4; ++id) {
    ProducerOptions options;
    options.id = id;
    options.partition = {"orders", id % 2};
    options.idempotent = stage.one_in(2);
    options.pause_max = stage.random().between(milliseconds(20), milliseconds(120));
    stage.add_producer(std::move(options));
  }
  for (PartitionIndex i = 0; i < ClusterPair::partitions; ++i) {
    ConsumerOptions options;
    options.partition = {"orders", i};
    options.of_several = true;
    stage.add_consumer(std::move(options));
  }
  stage.run_between(milliseconds(200), seconds(3));
  ClusterMoves moves(stage, pair);
  if (stage.one_in(3)) pair.disturb();
  if (stage.one_in(3)) stage.run_between(milliseconds(0), seconds(3));

  if (stage.one_in(3)) {
    moves.isolate_writer();
  } else {
    moves.lose_writer();
  }
  moves.fail_over();
  stage.run_between(milliseconds(0), seconds(2));
  pair.follower().start_all();
  if (stage.one_in(3)) pair.disturb();
  if (!stage.content() || !pair.calm()) return;
  moves.bring_back();
  if (!stage.content() || !pair.calm()) return;
  stage.settle("after a failover");
  pair.check_caught_up();
  pair.step_judge().watch_again(pair.follower());
  pair.step_judge().compare_sites(true);
  moves.check_nothing_unreported();

  stage.resume_some_producers();
  stage.run_between(milliseconds(100), seconds(1));
  stage.destination().sites = pair.clients();
  const uint64_t homeward = stage.one_in(3) ? 3 : 1;
  for (uint64_t i = 0; i < homeward && stage.content(); ++i) moves.succeed();
  stage.resume_producers();
  stage.run_between(milliseconds(100), seconds(1));
  stage.settle("home again");
  pair.check_caught_up();
  moves.check_nothing_unreported();
}

}  // namespace isthmus::sim
