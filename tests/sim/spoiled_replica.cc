#include "tests/sim/spoiled_replica.h"

#include <algorithm>

#include "tests/sim/cluster_faults.h"
#include "tests/sim/rot.h"

namespace isthmus::sim {

using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

const std::vector<std::string> directories = {"/data/1", "/data/2"};

void rot_while_down(Stage& stage, Site& site, const std::string& topic, int32_t partitions) {
  if (stage.besides_one_in(2)) {
    site.kill();
  } else {
    site.drain();
  }
  stage.world().run_for(stage.spare().between(milliseconds(0), beyond_session));
  const auto index = static_cast<PartitionIndex>(stage.spare().below(uint64_t(partitions)));
  const std::string folder = "/" + TopicPartition{topic, index}.to_string();
  std::string last;  // segment: a start looks at no more than the ends of those before
  for (const std::string& directory : directories) {
    for (const std::string& name : site.host().disk().list(directory + folder)) {
      if (name.ends_with(".log")) last = std::max(last, name);
    }
  }
  if (!last.empty()) (void)rot_log(site.host().disk(), {folder + "/" + last});
  site.start();
}

// About the logs alone: what a broker says of itself elsewhere is another matter.
void lie_and_lose_power(Stage& stage, Site& site, StepJudge& judge, const std::string& topic) {
  Volume& disk = site.host().disk();
  judge.excuse(site);
  disk.lies_about = {"/" + topic + "-", ".log"};
  disk.sync_lies = 400'000;
  stage.world().run_for(stage.spare().between(milliseconds(100), seconds(3)));
  site.crash();
  disk.sync_lies = 0;
  // Until it is fenced: before that it is believed to have what it said.
  stage.world().run_for(beyond_session);
  site.start();
}

}  // namespace

void spoil_a_replica(Stage& stage, Cluster& cluster, StepJudge& judge, const std::string& topic,
                     int32_t partitions) {
  Site& site = cluster[stage.spare().below(cluster.size())];
  if (stage.besides_one_in(2)) {
    lie_and_lose_power(stage, site, judge, topic);
  } else {
    rot_while_down(stage, site, topic, partitions);
  }
  if (!cluster.await_serving() || !cluster.await_in_sync()) return;
  judge.excuse_no_more(site);
  cluster.check_records(topic, partitions);
}

}  // namespace isthmus::sim
