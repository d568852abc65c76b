#include "tests/sim/deletions.h"

#include <algorithm>

namespace isthmus::sim {

std::map<TopicPartition, Deletions::Range> Deletions::ranges(Site& site) {
  std::map<TopicPartition, Range> ranges;
  auto described = stage_.asker().describe(site);
  if (!described) return ranges;
  for (const auto& topic : described->topics) {
    if (topic.name != "orders") continue;
    for (const auto& p : topic.partitions) {
      ranges[{topic.name, p.index}] = {p.start_offset, p.high_watermark};
    }
  }
  return ranges;
}

void Deletions::delete_some() {
  auto copies = ranges(pair_.follower());
  for (const Consumer* consumer : stage_.consumers()) {
    Offset& most = copies[consumer->partition()].high_watermark;
    most = std::min(most, consumer->position());
  }
  for (const auto& [partition, copy] : copies) {
    if (copy.high_watermark <= 0 || stage_.one_in(3)) continue;
    const auto most = static_cast<uint64_t>(copy.high_watermark);
    const auto before = static_cast<Offset>(stage_.random().between(1, most));
    // From here on it may have happened, whatever the answer.
    done_[partition].push_back({before, now()});
    stage_.asker().delete_records(pair_.writer(), partition, before);
  }
}

void Deletions::check_none_too_early() {
  for (const auto& [partition, copy] : ranges(pair_.follower())) {
    Offset most = 0;
    for (const Deletion& deletion : done_[partition]) {
      if (deletion.at + delete_delay <= now()) most = std::max(most, deletion.before);
    }
    if (copy.start <= most) continue;
    stage_.judge().broken("deletions cross a link only after the delay",
                          partition.to_string() + " starts at " + std::to_string(copy.start) +
                              ", not " + std::to_string(most));
  }
}

void Deletions::check_followed() {
  // Two delays at the latest, and what a new session takes to begin.
  stage_.world().run_for(2 * delete_delay + std::chrono::seconds(5));
  auto copies = ranges(pair_.follower());
  for (const auto& [partition, original] : ranges(pair_.writer())) {
    const Offset start = copies[partition].start;
    if (start >= original.start) continue;
    stage_.judge().broken("a log start is followed in the end",
                          partition.to_string() + " starts at " + std::to_string(original.start) +
                              ", its copy at " + std::to_string(start));
  }
}

}  // namespace isthmus::sim
