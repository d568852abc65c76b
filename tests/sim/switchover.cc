// Planned switchovers under load, while the mirror process that drives them, either broker and the
// lines die at random points of every phase: never two writable sites; nothing lost, doubled or
// reordered; before the hand-over everything falls back to the source, after it everything goes
// forward; groups go on where they were. When all is calm, one more switchover succeeds, and no
// member of a group has to join again.
#include "tests/sim/change_of_sites.h"

namespace isthmus::sim {

using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

void begin_clients(Stage& stage, Pair& pair, bool groups) {
  stage.add_clients("orders", 2, groups);
  if (groups && stage.one_in(2)) {
    stage.add_members("orders", 2, stage.random().between(1, 3), true);
  }
  stage.run_between(milliseconds(300), seconds(1));
  if (groups) pair.await_groups();
  // From here on clients try both sites, as if the router knew nothing.
  stage.destination().sites = {pair.writer().clients(), pair.follower().clients()};
}

// Who is a member before is one after, and has not had to join again. Not in the first move: where
// the other site has begun a generation since, in a rebalance that a fence cut short, all join.
void succeed_unnoticed(Stage& stage, ChangeOfSites& change) {
  stage.await_members();
  change.succeed();
  // Longer than a session and any dream: who is no member any more has found out, and joined again.
  stage.world().run_for(seconds(30));
  stage.await_members();
  const int32_t before = stage.members_generation();
  change.succeed();
  stage.await_members();
  const int32_t after = stage.members_generation();
  if (!stage.content() || before == after) return;
  stage.judge().broken("a calm switchover moves groups whole",
                       "generation " + std::to_string(before) + " became " + std::to_string(after));
}

void check_everything(Stage& stage, Pair& pair, bool groups) {
  stage.settle("the sites have changed places");
  stage.catch_up();
  pair.check_writer();
  pair.check_caught_up();
  if (!groups) return;
  stage.check_groups_at(pair.writer());
  stage.check_groups_at(pair.follower());
}

}  // namespace

void switchover(Stage& stage) {
  Pair pair(stage);
  if (!pair.begin()) return;
  begin_clients(stage, pair, true);
  ChangeOfSites change(stage, pair);
  const uint64_t rounds = stage.random().between(1, 3);
  for (uint64_t i = 0; i < rounds && stage.content(); ++i) {
    change.wish();
    const uint64_t faults = stage.random().between(0, 3);
    for (uint64_t f = 0; f < faults && stage.content(); ++f) {
      stage.run_between(milliseconds(0), milliseconds(700));
      pair.disturb();
      change.check_one_writer();
      if (stage.one_in(4)) change.wish_again();
      if (stage.one_in(8)) change.give_up();
    }
    stage.run_between(milliseconds(0), seconds(2));
    pair.calm();
    change.await_end();
  }
  succeed_unnoticed(stage, change);
  check_everything(stage, pair, true);
}

void scripted_switchover(Stage& stage) {
  Pair pair(stage);
  if (!pair.begin()) return;
  begin_clients(stage, pair, false);
  ChangeOfSites change(stage, pair);
  const uint64_t rounds = stage.random().between(1, 4);
  for (uint64_t i = 0; i < rounds && stage.content(); ++i) {
    change.drive_by_hand();
    stage.run_between(milliseconds(0), seconds(1));
    if (stage.one_in(3)) change.repeat_something();
    pair.calm();
    change.await_end();
  }
  for (int i = 0; i < 5; ++i) change.repeat_something();
  change.await_end();
  change.succeed();
  check_everything(stage, pair, false);
  change.fence_in_vain();
  stage.settle("a fence has lifted");
}

}  // namespace isthmus::sim
