// StepJudge: what must hold of the replicas of clusters of several brokers after each step of the
// world, in whatever state its machines are. It looks at the partitions that live on the loop which
// has just run, and at the disks:
//
//   - a replica's high watermark and its leader epoch never go back while its process lives, and
//     what lies below that watermark is on its disk;
//   - one run of one broker leads a partition in a leader epoch; who leads in the latest one has
//     all that was safe before, byte for byte: leaders are complete;
//   - all replicas are equal below their watermarks; at whichever site, while sites are compared;
//   - when a leader says that something is safe, a majority of the machines has it so that it
//     outlasts a loss of power;
//   - what a client was promised was safe by then.
//
// Owned by the scenario, which outlives it; draws nothing and changes nothing, so that a run is the
// same with it and without. REQUIRES: no clean-up of records, and disks that keep what they have
// synced, but for those that are excused.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>

#include "broker/replica/partition.h"
#include "tests/sim/cluster.h"
#include "tests/sim/replica_files.h"

namespace isthmus::sim {

constexpr size_t majority_of(size_t brokers) { return brokers / 2 + 1; }

class StepJudge {
 public:
  explicit StepJudge(Stage& stage);
  ~StepJudge();
  StepJudge(const StepJudge&) = delete;
  StepJudge& operator=(const StepJudge&) = delete;

  // `copies`: how many machines have what is safe, at least.
  void watch(Cluster& cluster, size_t copies);
  // Whether what is safe at two of the clusters, of one topic and at one offset, must be the same.
  void compare_sites(bool yes) { compares_ = yes; }
  // Of this cluster nothing is judged until watch_again(): its logs are cut for another site's.
  // What becomes safe there until then counts as such, for those who write there still.
  void look_away(const Cluster& cluster);
  void watch_again(const Cluster& cluster);
  // Its disk does not do what it says.
  void excuse(const Site& site) { excused_.insert(&site); }
  void excuse_no_more(const Site& site) { excused_.erase(&site); }

 private:
  using View = broker::PartitionView;
  // A replica, as it was found last.
  struct Seen {
    std::weak_ptr<const broker::Partition> partition;
    LeaderEpoch epoch = -1;
    Offset high_watermark = -1;
  };
  // What one cluster has of a partition.
  struct History {
    Uuid topic;
    std::map<Offset, FiledBatch> batches;  // all that is safe, by base
    Offset safe_end = 0;
    LeaderEpoch latest = -1;  // in which anybody was seen to lead
    std::map<LeaderEpoch, const SimProcess*> leaders;
  };
  struct Watched {
    Cluster* cluster = nullptr;
    size_t copies = 0;
    bool is_judged = true;
    std::map<TopicPartition, History> histories;
  };
  // Whose partition is looked at.
  struct Where {
    Watched& watched;
    Site& site;
    const broker::Partition& partition;
    History& history;
    std::string to_string() const;
  };

  void look();
  void note_safe(Site& site, const io::Loop& ran);
  void look_at(Watched& watched, Site& site, const io::Loop& ran);
  void look_at(Watched& watched, Site& site, std::shared_ptr<const broker::Partition> partition);
  void look_at_epoch(const Where& where, const View& view, const Seen& seen);
  void look_at_leader(const Where& where, const View& view);
  void look_at_watermark(const Where& where, const View& view, Offset before);
  void compare(const Where& where, const FiledBatch& batch);
  void count_copies(const Where& where, Offset from, Offset to);
  void check_promise(const TopicPartition& partition, Offset offset);
  Watched& of(const Cluster& cluster);
  using Files = std::map<const Site*, ReplicaFiles>;
  static ReplicaFiles& in(Files& files, Site& site);

  Stage& stage_;
  bool compares_ = true;
  std::list<Watched> watched_;
  std::set<const Site*> excused_;
  std::unordered_map<const broker::Partition*, Seen> seen_;
  Files files_;
  Files copies_;  // the same, of who looks for copies: each goes on where it was
  std::map<TopicPartition, Offset> safe_;  // at any cluster, ever
};

}  // namespace isthmus::sim
