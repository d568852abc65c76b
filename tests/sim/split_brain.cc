// The disaster that was none: the writing site is cut off from the mirror or stands still, the
// other is promoted, and both acknowledge what their clients write. At contact the old one steps
// down and acknowledges nothing more. What it took meanwhile is exported, at its offsets, none of
// which the promoted site gives out; its producers go on at the promoted site, and in the end come
// home.
#include "tests/sim/change_of_sites.h"
#include "tests/sim/disaster.h"
#include "tests/sim/faults.h"

namespace isthmus::sim {

using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

// Of each partition: one producer follows the operator, one stays where it is for as long as it is
// served there.
void begin_clients(Stage& stage) {
  for (int id = 1; id <= 4; ++id) {
    ProducerOptions options;
    options.id = id;
    options.partition = {"orders", id % 2};
    options.idempotent = !stage.one_in(4);
    options.pause_max = stage.random().between(milliseconds(2), milliseconds(60));
    options.stays = id > 2;
    stage.add_producer(std::move(options));
  }
  for (int32_t i = 0; i < 2; ++i) {
    const bool stays = stage.one_in(2);
    stage.add_consumer(
        {.partition = {"orders", i}, .group = {}, .watermark_stays = false, .stays = stays});
  }
}

}  // namespace

void split_brain(Stage& stage) {
  Pair pair(stage);
  if (!pair.begin()) return;
  stage.stayers() = stage.destination();
  begin_clients(stage);
  stage.run_between(milliseconds(200), seconds(3));

  Disaster disaster(stage, pair);
  disaster.isolate_writer();
  disaster.promote();
  stage.run_between(milliseconds(0), seconds(4));
  Site& lost = pair.follower();
  // It comes back believing that it writes, and has an election.
  if (stage.one_in(3)) kill_and_restart(stage, lost);
  if (stage.one_in(3)) stage.run_between(milliseconds(0), seconds(2));
  disaster.reunite();
  disaster.await_stepped_down();
  // A restart opens nothing.
  if (stage.one_in(3)) kill_and_restart(stage, lost);
  // Stayers are refused; they find the other site by themselves.
  stage.run_between(milliseconds(0), seconds(2));
  stage.stayers() = stage.destination();
  stage.run_between(milliseconds(0), seconds(2));

  disaster.bring_back();
  pair.calm();
  stage.settle("after a split");
  pair.check_caught_up();
  disaster.check_nothing_unreported();

  stage.resume_producers();
  stage.destination().sites = {pair.writer().clients(), pair.follower().clients()};
  stage.stayers() = stage.destination();
  stage.ledger().writes_again_at(lost.clients());
  ChangeOfSites change(stage, pair);
  change.succeed();
  disaster.repeat_late();
  stage.run_between(milliseconds(100), seconds(1));
  stage.settle("home again");
  pair.check_caught_up();
  disaster.check_nothing_unreported();
}

}  // namespace isthmus::sim
