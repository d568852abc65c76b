// What the controller decides about incoming links and their mirror topics: pure functions from the
// image and a request to the records to be written.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "broker/image/image.h"
#include "broker/image/records.h"

namespace isthmus::broker {

struct Attach {
  std::string link;
  std::string source_name;
  ClusterNumber source_number = 0;  // 0 = a foreign cluster
  std::string source_cluster_id;
  std::map<ClusterNumber, std::string> reachable;
  std::string target_id;       // of the cluster that is meant; empty: an older mirror process
  int32_t source_starts = -1;  // -1: an older source
  std::vector<int64_t> source_start_times;
};

// A mirror process takes the link over under a new epoch. Refuses a source whose number, or a
// number linked to it, belongs to another cluster here: producer ids and epochs would mean two
// things. Refuses to stand for another cluster, and another source than the one written down.
Result<Plan> plan_attach(const Image& image, const Attach& attach);

// Why what the source holds now may not be what this site has a copy of: it has never had the start
// that it was last seen with, so a backup was restored. Empty where nothing speaks for that, or
// where no topic is left that could differ.
std::string went_back(const Image& image, const Attach& attach);
// All mirrors of the link are failed, for that reason.
Plan plan_went_back(const Image& image, const std::string& link, const std::string& why);

// A later start of the source, heard of by a mirror process. Refused if it is none.
struct SourceStart {
  int32_t number = -1;
  int64_t at_ms = 0;
};
Result<void> check_start(const LinkImage& link, const SourceStart& start);
void note_start(LinkImage& link, const SourceStart& start);

// The clusters that are linked to this one, this one included.
std::map<ClusterNumber, std::string> reachable_clusters(const Image& image);

struct MirrorTopic {
  std::string name;
  Uuid id;
  ClusterNumber origin = 0;
  std::map<std::string, std::string> configs;
  std::vector<LeaderEpoch> leader_epochs;  // of the source, by partition
};

// Refused unless `epoch` is the link's present one: a process that was replaced writes nothing.
Result<void> check_link_epoch(const Image& image, const std::string& link, int64_t epoch);

// Creates the mirror topic, or brings it up to the source's partitions, configs and epochs. A topic
// that clients write here, or another topic id under the name, is refused and stays as it is.
Result<Plan> plan_mirror_topic(const Image& image, const std::string& link,
                               const MirrorTopic& topic);

// Why the copy that is here is not one of that topic: the source has made it anew, under another
// id. Empty where there is no copy of this link, or it is the right one.
std::string was_recreated(const Image& image, const std::string& link, const MirrorTopic& topic);
// The copy is failed, for that reason; what it holds stays, and nothing of the new topic enters it.
Plan plan_recreated(const Image& image, const std::string& topic, const std::string& why);

// The source has deleted the topic of this copy, long enough ago. Empty where it is no copy of that
// link, or not any more: what was promoted is never deleted from afar.
Result<Plan> plan_delete_copy(const Image& image, const std::string& link, const Uuid& id);

struct PartitionReport {
  Uuid topic_id;
  PartitionIndex index = 0;
  MirrorState state = MirrorState::none;
  std::string reason;
};
// Empty where nothing changed.
Result<Plan> plan_report(const Image& image, const std::string& link,
                         const std::vector<PartitionReport>& reports);

// The operator's word: the link copies no more, or goes on.
struct Steering {
  std::string link;
  bool paused = false;
  // Partitions that the source's retention has overtaken go on behind the offsets that are gone:
  // those that are named, or all.
  bool accept_gap = false;
  std::vector<TopicPartition> partitions;
};
struct AcceptedGap {
  TopicPartition partition;
  std::string reason;  // what had stopped it; empty if that was accepted before
};
struct Steered {
  Plan plan;
  std::vector<AcceptedGap> accepted;
};
// Refused where there is no such link, or no gap to accept.
Result<Steered> plan_steer(const Image& image, const Steering& wish);

// Raises the recorded epoch of mirror partitions whose source has moved beyond it.
Result<Plan> plan_raise_epoch(const Image& image, const Uuid& topic_id, PartitionIndex index,
                              LeaderEpoch at_least);

}  // namespace isthmus::broker
