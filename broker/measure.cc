#include "broker/measure.h"

#include <algorithm>
#include <set>
#include <unordered_map>

#include "broker/group/coordinator.h"
#include "broker/link/link_service.h"
#include "broker/replica/storage_room.h"

namespace isthmus::broker {
namespace {

// What one turn of the main loop looks at.
constexpr size_t partitions_in_a_turn = 256;
constexpr size_t groups_in_a_turn = 64;

using HighWatermarks = std::unordered_map<TopicPartition, Offset>;

void add_link(Samples& samples, const std::string& link, const PartitionView& p) {
  if (p.source.end_offset >= 0) {
    const Offset lag = std::max<Offset>(0, p.source.end_offset - p.end_offset);
    samples.add(metric::link_lag_records, static_cast<double>(lag), {link});
  }
  if (p.source.lag_ms >= 0) {
    samples.add(metric::link_lag_seconds, static_cast<double>(p.source.lag_ms) / 1000, {link});
  }
}

void add_partition(Samples& samples, const TopicPartition& name, const PartitionNumbers& p) {
  const Samples::LabelValues labels = {name.topic, std::to_string(name.partition)};
  samples.add(metric::partitions, 1);
  samples.add(metric::bytes_in, static_cast<double>(p.bytes_in), {name.topic});
  samples.add(metric::messages_in, static_cast<double>(p.records_in), {name.topic});
  samples.add(metric::bytes_out, static_cast<double>(p.bytes_out), {name.topic});
  samples.add(metric::link_bytes_in, static_cast<double>(p.link_bytes_in));
  samples.add(metric::log_size, static_cast<double>(p.size_bytes), labels);
  samples.add(metric::log_start, static_cast<double>(p.view.start_offset), labels);
  samples.add(metric::log_end, static_cast<double>(p.view.end_offset), labels);
}

io::Task<HighWatermarks> measure_partitions(Context& context, Samples& samples) {
  HighWatermarks watermarks;
  const auto image = context.image.load();
  size_t seen = 0, offline = 0;
  for (const auto& [name, topic] : image->topics) {
    for (size_t i = 0; i < topic->partitions.size(); ++i) {
      if (++seen % partitions_in_a_turn == 0) {
        co_await io::sleep(context.env.main_loop(), io::Duration::zero());
      }
      const TopicPartition tp{name, static_cast<PartitionIndex>(i)};
      const PartitionRef partition = context.partitions.find(tp.topic, tp.partition);
      if (partition.outage()) ++offline;
      if (!partition || partition.outage()) continue;
      const PartitionNumbers numbers = co_await partition.numbers();
      add_partition(samples, tp, numbers);
      if (const auto* link = topic->writer.link()) add_link(samples, link->name, numbers.view);
      watermarks[tp] = numbers.view.high_watermark;
    }
  }
  samples.add(metric::partitions_offline, static_cast<double>(offline));
  samples.add(metric::log_cuts, static_cast<double>(context.partitions.cuts().size()));
  const Histogram fsyncs = co_await context.partitions.fsyncs();
  samples.add(metric::fsync_seconds, fsyncs);
  co_return watermarks;
}

// A directory that cannot be asked is not told of: its partitions are offline.
void measure_storage(Context& context, Samples& samples) {
  const auto& config = context.config.broker;
  const StorageRoom room(static_cast<uint64_t>(config.storage_reserve));
  for (const std::string& directory : config.log_dirs) {
    const auto space = context.env.disk.space(directory);
    if (!space) continue;
    samples.add(metric::storage_free, static_cast<double>(space->free), {directory});
    samples.add(metric::storage_reserve, static_cast<double>(room.reserve_of(*space)), {directory});
  }
}

void measure_replicas(Context& context, Samples& samples) {
  const auto image = context.image.load();
  const NodeId self = context.config.broker.node_id;
  size_t leads = 0, under_replicated = 0, under_min_isr = 0, leaderless = 0;
  for (const auto& [name, topic] : image->topics) {
    for (const PartitionImage& p : topic->partitions) {
      leaderless += p.leader < 0;
      if (p.leader != self) continue;
      leads += 1;
      under_replicated += p.isr.size() < p.replicas.size();
      under_min_isr += std::ssize(p.isr) < min_insync_replicas(*topic, p);
    }
  }
  const bool is_controller = context.live.controller() == self;
  samples.add(metric::leaders, static_cast<double>(leads));
  samples.add(metric::under_replicated, static_cast<double>(under_replicated));
  samples.add(metric::under_min_isr, static_cast<double>(under_min_isr));
  samples.add(metric::active_controller, is_controller ? 1 : 0);
  samples.add(metric::leaderless, is_controller ? static_cast<double>(leaderless) : 0);
}

io::Task<void> measure_groups(Context& context, const HighWatermarks& watermarks,
                              Samples& samples) {
  const std::vector<std::string> names = context.groups.names();
  samples.add(metric::groups, static_cast<double>(names.size()));
  for (size_t i = 0; i < names.size(); ++i) {
    if (i % groups_in_a_turn == groups_in_a_turn - 1) {
      co_await io::sleep(context.env.main_loop(), io::Duration::zero());
    }
    for (const auto& [tp, offset] : context.groups.committed(names[i])) {
      const Samples::LabelValues labels = {names[i], tp.topic, std::to_string(tp.partition)};
      samples.add(metric::group_offset, static_cast<double>(offset), labels);
      auto end = watermarks.find(tp);
      if (end == watermarks.end()) continue;
      const Offset lag = std::max<Offset>(0, end->second - offset);
      samples.add(metric::group_lag, static_cast<double>(lag), labels);
    }
  }
}

void measure_links(Context& context, Samples& samples) {
  const auto image = context.image.load();
  std::set<std::string> writing;
  for (const auto& [name, topic] : image->topics) {
    const auto* link = topic->writer.link();
    if (link == nullptr) continue;
    writing.insert(link->name);
    for (const PartitionImage& p : topic->partitions) {
      const std::string state(to_string(p.mirror_state));
      samples.add(metric::link_partitions, 1, {link->name, state});
    }
  }
  for (const auto& [name, link] : image->links) {
    std::optional<io::Duration> age = context.links.contact_age(name);
    if (!age && writing.contains(name)) age = context.links.age();
    if (!age) continue;
    samples.add(metric::link_contact_age, std::chrono::duration<double>(*age).count(), {name});
  }
  for (const auto& [link, switchover] : image->switchovers) {
    samples.add(metric::switchover_phase, 1, {link, std::string(to_string(switchover.phase))});
  }
}

}  // namespace

io::Task<Samples> measure(Context& context, server::Acceptor& acceptor) {
  Samples samples;
  co_await acceptor.measure(samples);
  const HighWatermarks watermarks = co_await measure_partitions(context, samples);
  measure_replicas(context, samples);
  measure_storage(context, samples);
  co_await measure_groups(context, watermarks, samples);
  measure_links(context, samples);
  co_return samples;
}

io::Task<Reassigning> count_reassignments(const Context& context) {
  const auto image = context.image.load();
  Reassigning count;
  for (const auto& [name, topic] : image->topics) {
    for (PartitionIndex i = 0; i < std::ssize(topic->partitions); ++i) {
      const PartitionImage& known = topic->partitions[static_cast<size_t>(i)];
      if (!known.is_reassigned()) continue;
      ++count.partitions;
      auto partition = context.partitions.find(name, i);
      if (known.leader != context.config.broker.node_id || known.adding.empty() || !partition)
        continue;
      const PartitionView view = co_await partition.describe();
      ++count.led_here;
      count.bytes_to_go += view.bytes_to_go;
    }
  }
  co_return count;
}

}  // namespace isthmus::broker
