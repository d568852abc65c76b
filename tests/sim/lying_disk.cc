// One site whose disk says that it has synced the log, and sometimes has not, until power is lost.
// What was acknowledged may be gone then, and no broker can know all of it. But what it serves is
// what was promised, from the first record on, each at its offset; where it knows that more was
// synced, the partition says so and stays closed; and the others go on.
//
// Each log is one segment: a start reads it from the one of the known end on, and of those before
// looks at their ends alone.
#include <set>

#include "tests/sim/faults.h"

namespace isthmus::sim {

using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

constexpr int32_t lying_partitions = 3;

class LyingDisk {
 public:
  explicit LyingDisk(Stage& stage) : stage_(stage), site_(stage.world(), {.name = "tokyo"}) {}
  void run();

 private:
  bool open();
  void lie(bool yes);
  void look();

  Stage& stage_;
  Site site_;
  std::set<PartitionIndex> closed_;
};

bool LyingDisk::open() {
  site_.start();
  return stage_.asker().await_serving(site_);
}

// About the logs alone: what the metadata lose, no start would get over.
void LyingDisk::lie(bool yes) {
  Volume& disk = site_.host().disk();
  disk.sync_lies = yes ? 400'000 : 0;
  disk.lies_about = {"/orders-"};
}

void LyingDisk::look() {
  const auto described = stage_.asker().describe(site_);
  if (!described) return;
  for (const auto& topic : described->topics) {
    if (topic.name != "orders") continue;
    for (const auto& p : topic.partitions) {
      const TopicPartition name{topic.name, p.index};
      if (p.start_offset < 0) {
        closed_.insert(p.index);
        continue;
      }
      if (closed_.contains(p.index)) {
        stage_.judge().broken("damage is never forgotten", name.to_string() + " is served again");
      }
      const auto log = stage_.asker().read(site_, name);
      if (!log) continue;
      const Offset end = std::min(stage_.ledger().end(name), log->high_watermark);
      stage_.ledger().check(site_.name(), name, *log, end);
    }
  }
}

void LyingDisk::run() {
  if (!open() || !stage_.asker().create_topic(site_, "orders", lying_partitions)) return;
  stage_.destination().sites = {site_.clients()};
  for (int32_t p = 0; p < lying_partitions; ++p) {
    stage_.add_producer({.id = p + 1, .partition = {"orders", p}});
  }
  stage_.run_between(milliseconds(300), seconds(2));
  lie(true);
  const uint64_t kills = stage_.random().below(3);
  for (uint64_t i = 0; i < kills; ++i) {
    stage_.run_between(milliseconds(20), seconds(1));
    site_.kill();
    if (!open()) return;
  }
  stage_.run_between(milliseconds(20), seconds(2));
  // From here on nobody writes: what a later record is given for an offset was promised to another.
  stage_.stop_producers();
  stage_.settle("before the power is lost");
  site_.crash();
  lie(false);
  const uint64_t starts = stage_.random().between(1, 4);
  for (uint64_t i = 0; i < starts && stage_.content(); ++i) {
    if (!open()) return;
    look();
    stage_.run_between(milliseconds(0), seconds(12));
    stage_.one_in(2) ? site_.crash() : stage_.one_in(2) ? site_.kill() : void(site_.drain());
  }
}

}  // namespace

void lying_disk(Stage& stage) { LyingDisk(stage).run(); }

}  // namespace isthmus::sim
