// The disaster and the way back: the writing site dies under load, the other is promoted without
// it, clients go on there; then the dead site comes back and becomes the mirror. Every record that
// was acknowledged is in the promoted topic or in what the way back exported, at its offset; an
// offset that was given out at the lost site is not given out again; epochs never go back. At the
// end planned switchovers bring the clients home, some of which were silent all the while.
#include "tests/sim/change_of_sites.h"
#include "tests/sim/disaster.h"
#include "tests/sim/faults.h"

namespace isthmus::sim {

using std::chrono::milliseconds;
using std::chrono::seconds;

void failover(Stage& stage) {
  Pair pair(stage);
  if (!pair.begin()) return;
  for (int id = 1; id <= 4; ++id) {
    ProducerOptions options;
    options.id = id;
    options.partition = {"orders", id % 2};
    options.idempotent = stage.one_in(2);
    options.pause_max = stage.random().between(milliseconds(2), milliseconds(60));
    stage.add_producer(std::move(options));
  }
  for (int32_t i = 0; i < 2; ++i) {
    stage.add_consumer({.partition = {"orders", i}, .group = {}, .watermark_stays = false});
  }
  // What they committed last may be lost with the site.
  if (stage.one_in(3)) stage.add_members("orders", 2, stage.random().between(1, 3), false);
  stage.run_between(milliseconds(200), seconds(3));
  if (stage.one_in(3)) pair.disturb();
  // Topics on which nothing is written any more: behind the gap there is no record for long.
  if (stage.one_in(3)) stage.settle("before the disaster");

  Disaster disaster(stage, pair);
  disaster.lose_writer();
  disaster.promote();
  stage.run_between(milliseconds(0), seconds(2));
  disaster.bring_back();
  pair.calm();
  stage.settle("after a failover");
  pair.check_caught_up();
  disaster.check_nothing_unreported();
  // A new process finds a mirror that may end in a gap, with nothing behind it.
  pair.start_mirror();
  stage.run_between(seconds(1), seconds(4));

  // Producers that write here take the one gap in their sequence that a failover allows. For the
  // others, who are silent until the way home has begun or lies behind, it waits.
  stage.resume_some_producers();
  stage.run_between(milliseconds(100), seconds(1));
  if (stage.one_in(2)) stage.settle("at the promoted site");
  if (!stage.members().empty()) pair.await_groups();
  stage.destination().sites = {pair.writer().clients(), pair.follower().clients()};
  if (stage.one_in(3)) stage.resume_producers();
  ChangeOfSites change(stage, pair);
  // There and back again is more than once.
  const uint64_t moves = stage.one_in(3) ? 3 : 1;
  for (uint64_t i = 0; i < moves && stage.content(); ++i) {
    if (stage.one_in(3)) {
      kill_and_restart(stage, pair.any());
      pair.calm();
    }
    change.succeed();
  }
  if (stage.one_in(3)) kill_and_restart(stage, pair.writer());
  pair.calm();
  disaster.repeat_late();
  stage.resume_producers();
  stage.run_between(milliseconds(100), seconds(1));
  stage.settle("home again");
  pair.check_caught_up();
  disaster.check_nothing_unreported();
  stage.await_members();
}

}  // namespace isthmus::sim
