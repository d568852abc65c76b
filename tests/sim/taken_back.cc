// The disaster after the disaster: the writing site dies, the other is promoted and written, and
// then that one is gone for good. The first goes on with what it has, on the operator's word, also
// where it has never heard of the other's promotion. What was acknowledged over there is lost with
// it; but no offset that was shown there is given out again, epochs never go back, and its
// producers go on.
#include "tests/sim/disaster.h"

namespace isthmus::sim {

using std::chrono::milliseconds;
using std::chrono::seconds;

void taken_back(Stage& stage) {
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
  stage.run_between(milliseconds(200), seconds(3));
  Disaster disaster(stage, pair);
  disaster.lose_writer();
  disaster.promote();
  stage.run_between(milliseconds(0), seconds(4));
  disaster.take_back();
  stage.resume_producers();
  stage.run_between(milliseconds(100), seconds(2));
  stage.settle("taken back");
  disaster.check_no_offset_twice();
}

}  // namespace isthmus::sim
