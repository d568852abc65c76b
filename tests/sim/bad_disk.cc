// One site whose disk turns bits of what it had synced, between one run of its broker and the next.
// What was promised cannot all be kept; but nothing damaged is given out as good, nothing that was
// promised is cut, and a partition that holds damage says so and stays closed, over every kind of
// stop and start, while the others go on.
#include <set>

#include "tests/sim/faults.h"
#include "tests/sim/rot.h"

namespace isthmus::sim {

using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

constexpr int32_t partitions = 3;

class BadDisk {
 public:
  explicit BadDisk(Stage& stage) : stage_(stage), site_(stage.world(), {.name = "tokyo"}) {}
  void run();

 private:
  void stop();
  void rot();
  void look();

  Stage& stage_;
  Site site_;
  std::set<PartitionIndex> closed_;
};

void BadDisk::rot() { (void)rot_log(site_.host().disk(), {"/orders-", "0.log"}); }

void BadDisk::stop() {
  switch (stage_.random().below(3)) {
    case 0: return site_.kill();
    case 1: return site_.crash();
    default: site_.drain();
  }
}

// What is served is what was promised, from the first record on; what was closed stays closed.
void BadDisk::look() {
  const auto ends = stage_.ledger().ends();
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
      const auto end = ends.find(name);
      if (log && end != ends.end()) {
        stage_.ledger().check(site_.name(), name, *log, end->second);
      }
    }
  }
}

void BadDisk::run() {
  site_.start();
  if (!stage_.asker().await_serving(site_)) return;
  if (!stage_.asker().create_topic(site_, "orders", partitions)) return;
  stage_.destination().sites = {site_.clients()};
  stage_.add_clients("orders", partitions, false);
  stage_.run_between(milliseconds(300), seconds(2));
  const uint64_t rounds = stage_.random().between(2, 6);
  for (uint64_t i = 0; i < rounds && stage_.content(); ++i) {
    stage_.run_between(milliseconds(20), seconds(1));
    // After a power loss the log's own mark of what was synced may be an older one: a wrong offset
    // behind it could not be told from a hole.
    if (stage_.one_in(2)) {
      stage_.one_in(2) ? site_.kill() : static_cast<void>(site_.drain());
      rot();
    } else {
      stop();
    }
    site_.start();
    if (!stage_.asker().await_serving(site_)) return;
    look();
  }
}

}  // namespace

void bad_disk(Stage& stage) { BadDisk(stage).run(); }

}  // namespace isthmus::sim
