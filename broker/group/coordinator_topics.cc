// Coordinator: offsets end with their topic.
//
// Each entry knows the id of its topic (records.h), so a topic that was deleted and made anew, also
// while nobody coordinated here, does not get the offsets of the old one: they would make its
// readers skip what is written first.
#include "broker/group/coordinator.h"

namespace isthmus::broker {

namespace {

// Between slices of them, others go on.
constexpr size_t looked_at_per_slice = 100;

}  // namespace

void Coordinator::forget_topics(std::set<std::string> deleted) {
  runtime_.spawn("forget topics", forget(all(), std::move(deleted)));
}

io::Task<void> Coordinator::forget(std::vector<HostedGroupPtr> groups,
                                   std::set<std::string> deleted) {
  size_t looked_at = 0;
  for (const HostedGroupPtr& hosted : groups) {
    if (++looked_at % looked_at_per_slice == 0) co_await io::yield(loop_);
    // Where a topic of the same name is there again, a commit for it may be on its way to the
    // journal: a tombstone that got behind it would take that one away.
    for (const std::string& topic : deleted) {
      if (seams_.topics.find(topic)) co_await hosted->appends.ended();
    }
    if (hosted->is_gone() || hosted->link || hosted->removing) continue;
    std::vector<TopicPartition> gone;
    for (const auto& [at, entry] : hosted->offsets.entries()) {
      const Uuid& id = entry.committed.topic_id;
      // Without an id it was committed before the topic went.
      const bool named = id.is_zero() && deleted.contains(at.topic);
      if (!entry.from_link && (named || seams_.topics.has_lost(at.topic, id))) gone.push_back(at);
    }
    const size_t count = gone.size();
    const kafka::ErrorCode error = co_await hosted->remove_offsets(std::move(gone));
    if (error != kafka::ErrorCode::none) {
      log_.warn("group={} offsets of deleted topics stay in the log until the next start: {}",
                hosted->group.id(), kafka::error_name(error));
    } else if (count > 0) {
      log_.info("group={} offsets of {} partitions ended with their topics", hosted->group.id(),
                count);
    }
  }
}

}  // namespace isthmus::broker
