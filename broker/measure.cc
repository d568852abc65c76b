#include "broker/measure.h"

#include <algorithm>
#include <set>

#include "broker/group/coordinator.h"
#include "broker/link/link_service.h"
#include "broker/link/site_views.h"
#include "broker/replica/storage_room.h"

namespace isthmus::broker {
namespace {

// What one turn of the main loop looks at.
constexpr size_t partitions_in_a_turn = 256;
constexpr size_t groups_in_a_turn = 64;

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

io::Task<void> measure_partitions(Context& context, Samples& samples) {
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
    }
  }
  samples.add(metric::partitions_offline, static_cast<double>(offline));
  samples.add(metric::log_cuts, static_cast<double>(context.partitions.cuts().size()));
  const Histogram fsyncs = co_await context.partitions.fsyncs();
  samples.add(metric::fsync_seconds, fsyncs);
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

// The worst first: what comes beyond the limit of series is put together (base/samples.h).
struct GroupRow {
  const std::string* group;
  size_t place;               // where they are as far behind, it decides
  GroupLag::PartitionLag at;  // of a group as a whole: its lag alone
};

void put_worst_first(std::vector<GroupRow>& rows) {
  const auto order = [](const GroupRow& row) {
    return std::tuple(-std::max<int64_t>(0, row.at.lag.ms), -row.at.lag.records, row.place);
  };
  const size_t told = std::min(rows.size(), Samples::max_series);
  std::ranges::partial_sort(rows, rows.begin() + static_cast<ptrdiff_t>(told), {}, order);
}

void add_lag(Samples& samples, const GroupLag::Lag& lag, const Metric& records,
             const Metric& seconds, const Samples::LabelValues& labels) {
  if (lag.records >= 0) samples.add(records, static_cast<double>(lag.records), labels);
  if (lag.ms >= 0) samples.add(seconds, static_cast<double>(lag.ms) / 1000, labels);
}

io::Task<void> measure_groups(Context& context, Samples& samples) {
  const LagKeeper& lags = context.views.lags();
  co_await context.views.lags().look();
  const std::vector<std::string> names = context.groups.names();
  samples.add(metric::groups, static_cast<double>(names.size()));
  std::vector<GroupRow> groups, partitions;
  for (size_t i = 0; i < names.size(); ++i) {
    if (i % groups_in_a_turn == groups_in_a_turn - 1) {
      co_await io::sleep(context.env.main_loop(), io::Duration::zero());
    }
    groups.push_back({&names[i], i, {.partition = {}, .lag = lags.total_of(names[i]).lag}});
    for (auto& at : lags.of(names[i])) {
      partitions.push_back({&names[i], partitions.size(), std::move(at)});
    }
  }
  put_worst_first(groups);
  for (const auto& [group, place, whole] : groups) {
    add_lag(samples, whole.lag, metric::group_sum_lag_records, metric::group_max_lag_seconds,
            {*group});
  }
  put_worst_first(partitions);
  for (size_t i = 0; i < partitions.size(); ++i) {
    if (i % partitions_in_a_turn == partitions_in_a_turn - 1) {
      co_await io::sleep(context.env.main_loop(), io::Duration::zero());
    }
    const auto& [group, place, at] = partitions[i];
    const auto& [topic, index] = at.partition;
    const Samples::LabelValues labels = {*group, topic, std::to_string(index)};
    samples.add(metric::group_offset, static_cast<double>(at.committed), labels);
    add_lag(samples, at.lag, metric::group_lag, metric::group_lag_seconds, labels);
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
  co_await measure_partitions(context, samples);
  measure_replicas(context, samples);
  measure_storage(context, samples);
  co_await measure_groups(context, samples);
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
