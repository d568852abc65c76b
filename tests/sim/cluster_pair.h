// ClusterPair: two sites of three brokers each, or five, every site with a ZooKeeper of its own,
// and mirror processes on machines beside them, with the questions that scenarios of two such sites
// ask. tokyo (cluster 1) writes first; the link back is configured from the start.
#pragma once

#include <array>
#include <map>
#include <string>

#include "kafka/gen/epoch_history.h"
#include "tests/sim/cluster.h"
#include "tests/sim/site_state.h"
#include "tests/sim/step_judge.h"

namespace isthmus::sim {

class ClusterPair {
 public:
  static constexpr PartitionIndex partitions = 2;  // of "orders"

  explicit ClusterPair(Stage& stage);

  // The site that writes, and the one that mirrors it. swap() is for who knows that they are
  // others.
  Cluster& writer() { return *sites_[writer_]; }
  Cluster& follower() { return *sites_[1 - writer_]; }
  void swap() { writer_ = 1 - writer_; }
  StepJudge& step_judge() { return step_judge_; }
  // <writer>-<follower>: the link that has something to do.
  std::string link() { return writer().name() + "-" + follower().name(); }
  std::string reverse_link() { return follower().name() + "-" + writer().name(); }
  std::vector<io::Address> clients();

  // Both sites, the topic "orders", and the mirror process. False if that fails.
  bool begin();
  // One of two machines with a mirror process. The second takes over from the first.
  void start_mirror(size_t which = 0);

  // Lines between the mirrors and a site are cut for a while.
  void cut_from_mirrors(Cluster& site, Duration a_while);
  // One random fault to a site, a mirror or the lines between them, undone within seconds but for
  // those who have died.
  void disturb();
  // The end of all that: everything up, and serving.
  bool calm();

  // What all brokers of the site say alike; unknown where they do not.
  SiteState state(Cluster& site);
  // By partition, as who leads it tells; the topic's name and id go into `topic`.
  using Histories = std::map<PartitionIndex, kafka::EpochHistoryResponse::EpochHistoryPartition>;
  Histories histories(Cluster& site, kafka::EpochHistoryResponse::EpochHistoryTopic& topic);

  // What was acknowledged is at the writer, and groups are where they committed.
  void check_writer();
  // Waits until the follower has all that the writer has, byte for byte, with the same epochs of
  // the same owners, and groups that go no further.
  void check_caught_up();
  // The leader epochs of what is written have not gone back since the last look, at whichever site.
  void check_onward();
  // See Pair::await_groups().
  void await_groups();

 private:
  bool has_committed(const std::string& group);
  std::string difference();
  std::string difference(PartitionIndex index, const Histories& from, const Histories& to);
  void check_groups_behind();
  void kill_mirror(size_t which);
  void stand_still();
  void cut_from_mirror(Cluster& site, Duration a_while, const std::string& mirror);
  void replace_unheard(Cluster& site, Duration a_while);

  Stage& stage_;
  std::array<std::unique_ptr<Cluster>, 2> sites_;
  std::array<SimHost*, 2> mirror_hosts_;
  std::array<SimProcess*, 2> mirrors_{};
  Duration fence_;  // of both links
  size_t writer_ = 0;
  std::map<PartitionIndex, LeaderEpoch> reached_;
  StepJudge step_judge_;
};

}  // namespace isthmus::sim
