#include "mirror/running.h"

#include <algorithm>

namespace isthmus::mirror {

namespace {

int64_t in_ms(io::Duration duration) {
  return std::chrono::duration_cast<io::milliseconds>(duration).count();
}

}  // namespace

void add_topics(const std::vector<SourceTopic>& topics, kafka::EnsureMirrorTopicsRequest& request) {
  for (const auto& topic : topics) {
    auto& t = request.topics.emplace_back();
    t.name = topic.name;
    t.topic_id = topic.id;
    t.origin = topic.origin;
    for (const auto& [key, value] : topic.configs) t.configs.push_back({key, value, false});
    for (const auto& [key, value] : topic.inherited) t.configs.push_back({key, value, true});
    for (size_t i = 0; i < topic.leader_epochs.size(); ++i) {
      t.partitions.push_back({static_cast<PartitionIndex>(i), topic.leader_epochs[i]});
    }
  }
}

void add_partitions(const RunningPumps& running, io::Instant now,
                    kafka::ReportMirrorRequest& request) {
  std::map<Uuid, size_t> place;
  for (const auto& [tp, one] : running) {
    auto [it, is_new] = place.try_emplace(one.topic_id, request.topics.size());
    if (is_new) request.topics.emplace_back().topic_id = one.topic_id;
    auto& p = request.topics[it->second].partitions.emplace_back();
    p.index = tp.partition;
    p.state = one.pump.state();
    p.reason = one.pump.reason();
    p.source_end_offset = one.pump.source_end();
    if (const auto heard = one.pump.heard_at()) p.source_age_ms = in_ms(now - *heard);
    p.lag_ms = in_ms(one.pump.lag(now).value_or(io::Duration::zero()));
  }
}

void add_partitions(const RunningPumps& running, io::Instant now, LinkStatus& status) {
  status.partitions = running.size();
  for (const auto& [tp, one] : running) {
    if (one.pump.stuck()) ++status.failed;
    status.lag_records += std::max<Offset>(0, one.pump.source_end() - one.pump.acknowledged());
    if (auto lag = one.pump.lag(now)) {
      status.lag_ms = std::max(status.lag_ms.value_or(0), in_ms(*lag));
    }
  }
}

std::optional<std::string> first_stuck(const RunningPumps& running) {
  for (const auto& [tp, one] : running) {
    if (!one.pump.stuck()) continue;
    return tp.to_string() + ": " + std::string(to_string(one.pump.state())) + "(" +
           one.pump.reason() + ")";
  }
  return std::nullopt;
}

void say_changes(RunningPumps& running, Logger& log) {
  for (auto& [tp, one] : running) {
    std::string now = one.pump.stuck() ? one.pump.reason() : "";
    if (now == one.said) continue;
    if (now.empty()) {
      log.info("partition={} goes on", tp.to_string());
    } else {
      log.warn("partition={} {}: {}", tp.to_string(), to_string(one.pump.state()), now);
    }
    one.said = std::move(now);
  }
}

}  // namespace isthmus::mirror
