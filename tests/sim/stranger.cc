// A third cluster under the follower's name: in the middle of a switchover the mirror process is
// pointed at it, by a wrong address or because somebody has set it up anew. It knows of nothing and
// says so, in good faith. Nothing that it says opens the source, whose follower may be written
// already; once the right one is found again, the switchover ends as it must.
#include "tests/sim/change_of_sites.h"

namespace isthmus::sim {

using std::chrono::milliseconds;
using std::chrono::seconds;

void stranger(Stage& stage) {
  Pair pair(stage);
  Site other(stage.world(),
             SiteOptions{.name = "elsewhere", .cluster = pair.follower().name(), .number = 3});
  if (!pair.begin()) return;
  other.start();
  if (!stage.asker().await_serving(other)) return;
  stage.add_clients("orders", 2, false);
  stage.run_between(milliseconds(300), seconds(1));
  stage.destination().sites = {pair.writer().clients(), pair.follower().clients()};

  ChangeOfSites change(stage, pair);
  if (change.drive_to_the_middle(stage.one_in(2))) {
    pair.lead_astray(&other);
    pair.start_mirror();
    stage.run_between(seconds(1), seconds(8));
    change.check_one_writer();
    if (stage.one_in(2)) change.believe_stranger(other);
    stage.run_between(milliseconds(0), seconds(3));
    change.check_one_writer();
    pair.lead_astray(nullptr);
  }
  pair.calm();
  change.await_end();
  change.succeed();
  stage.settle("the right cluster is found again");
  stage.catch_up();
  pair.check_writer();
  pair.check_caught_up();
}

}  // namespace isthmus::sim
