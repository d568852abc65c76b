// What a broker's partitions lack that its cluster may count on it for (partition_table.h): nothing
// of it is opened, or counted, before the metadata have it.
#include <algorithm>

#include "broker/log/cut_mark.h"
#include "broker/replica/partition_table.h"

namespace isthmus::broker {

std::optional<Outage> PartitionTable::too_early(const TopicPartition& tp,
                                                const LogDirs::Place& place,
                                                const PartitionImage& partition) const {
  const bool lacks = place.begins_anew || has_cut_mark(env_.disk, place.folder);
  if (!lacks || !is_counted_on(partition, self_, place.begins_anew)) return std::nullopt;
  Outage outage{
      "it lacks records that its cluster counts on this broker for: it is opened when "
      "the metadata say otherwise"};
  outage.all = place.begins_anew;
  return outage;
}

// Not with fewer than are enough for an acknowledgement: the damaged copy may be wanted yet. An
// unclean election says that it is not: an undamaged one would be cut to the new leader's, too.
bool PartitionTable::others_have_all(const TopicImage& topic,
                                     const PartitionImage& partition) const {
  const auto is_in = [this](const std::vector<NodeId>& nodes) {
    return std::ranges::find(nodes, self_) != nodes.end();
  };
  return partition.leader >= 0 && partition.leader != self_ && !is_in(partition.isr) &&
         !is_in(partition.elr) &&
         std::ssize(partition.isr) >= min_insync_replicas(topic, partition);
}

bool PartitionTable::is_to_be_copied_again(const Image& image, const TopicPartition& tp,
                                           const Quarantined& known) const {
  const TopicImage* topic = image.find(tp.topic);
  const auto index = static_cast<size_t>(tp.partition);
  if (topic == nullptr || index >= topic->partitions.size()) return false;
  return env_.main_loop().now() >= known.again_at &&
         others_have_all(*topic, topic->partitions[index]);
}

void PartitionTable::note_lack(const TopicPartition& tp, const TopicImage& topic,
                               const RecoveryReport& report, const std::string& folder) {
  const PartitionImage& partition = topic.partitions[static_cast<size_t>(tp.partition)];
  if (report.may_lack && is_counted_on(partition, self_, false)) {
    may_lack_[tp] = topic.id;
    return;
  }
  forget_cut(folder);
  const auto is_in = [this](const std::vector<NodeId>& nodes) {
    return std::ranges::find(nodes, self_) != nodes.end();
  };
  const bool is_last = is_in(partition.isr) || is_in(partition.elr);
  if (!report.may_lack || !is_last || partition.replicas.size() < 2) return;
  log_.warn(
      "{} goes on with what is here, as nobody else was in sync: the last stop was no clean one, "
      "and with durability page_cache what was acknowledged last may be gone",
      tp.to_string());
}

std::vector<PartitionTable::Lack> PartitionTable::lacking() const {
  std::vector<Lack> lacking;
  for (const auto& [name, outage] : offline()) lacking.push_back({name, {}, outage->all});
  for (const auto& [name, topic] : may_lack_) lacking.push_back({name, topic});
  return lacking;
}

void PartitionTable::lack_is_known(const Uuid& topic, PartitionIndex index) {
  const auto found = std::ranges::find_if(may_lack_, [&](const auto& entry) {
    return entry.second == topic && entry.first.partition == index;
  });
  if (found == may_lack_.end()) return;
  if (auto folder = dirs_.folder_of(found->first)) forget_cut(*folder);
  may_lack_.erase(found);
}

void PartitionTable::forget_cut(const std::string& folder) {
  auto done = remove_cut_mark(env_.disk, folder);
  if (!done) log_.warn("{}: {}", folder, done.error().text);
}

}  // namespace isthmus::broker
