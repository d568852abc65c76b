#include "tests/sim/cluster.h"

#include "kafka/gen/metadata.h"
#include "tests/sim/faults.h"

namespace isthmus::sim {

using std::chrono::milliseconds;
using std::chrono::minutes;

namespace {

kafka::MetadataRequest all_topics() {
  kafka::MetadataRequest request;
  request.topics.reset();
  return request;
}

// In so many words, what is not in sync; empty: everything is.
std::string not_in_sync(const kafka::MetadataResponse& metadata) {
  for (const auto& topic : metadata.topics) {
    for (const auto& p : topic.partitions) {
      if (p.leader_id >= 0 && p.isr_nodes.size() == p.replica_nodes.size()) continue;
      return topic.name.value_or("?") + "-" + std::to_string(p.partition_index) + " has leader " +
             std::to_string(p.leader_id) + " and " + std::to_string(p.isr_nodes.size()) + " of " +
             std::to_string(p.replica_nodes.size()) + " in sync";
    }
  }
  return "";
}

}  // namespace

Cluster::Cluster(Stage& stage, const std::string& name, ClusterNumber number, size_t brokers)
    : stage_(stage), name_(name), number_(number) {
  if (stage.is_harsh()) loops_ = stage.spare().between(1, 2);
  for (size_t i = 0; i < brokers; ++i) add_broker();
  if (stage.is_harsh()) brokers_[stage.spare().below(brokers)]->host().run_fast(5);
}

Site& Cluster::add_broker() {
  const size_t i = brokers_.size();
  SiteOptions options{
      .name = name_ + "-" + std::to_string(i + 1), .cluster = name_, .number = number_};
  options.node = node(i);
  options.loops = loops_;
  options.zookeeper = &stage_.zookeeper_of(name_);
  options.segment_bytes = stage_.one_in(2) ? 3000 : 100'000;
  return *brokers_.emplace_back(std::make_unique<Site>(stage_.world(), options));
}

std::vector<io::Address> Cluster::clients() const {
  std::vector<io::Address> addresses;
  for (const auto& broker : brokers_) addresses.push_back(broker->clients());
  return addresses;
}

std::vector<io::Address> Cluster::peers() const {
  std::vector<io::Address> addresses;
  for (const auto& broker : brokers_) addresses.push_back(broker->peers());
  return addresses;
}

void Cluster::start_all() {
  for (auto& broker : brokers_) {
    if (broker->process() == nullptr) broker->start();
  }
}

void Cluster::calm() {
  for (auto& broker : brokers_) sim::calm(stage_, *broker);
  start_all();
}

bool Cluster::await_serving() {
  for (auto& broker : brokers_) {
    if (!stage_.asker().await_serving(*broker)) return false;
  }
  return true;
}

bool Cluster::await_in_sync() {
  std::string trouble = "nobody answers";
  const Instant limit = stage_.world().now() + minutes(3);
  while (stage_.content() && stage_.world().now() < limit) {
    auto metadata = stage_.asker().ask(brokers_[0]->clients(), all_topics());
    if (metadata) trouble = not_in_sync(*metadata);
    if (metadata && trouble.empty()) return true;
    stage_.world().run_for(milliseconds(100));
  }
  stage_.judge().broken("replicas get in sync in the end", trouble);
  return false;
}

std::optional<size_t> Cluster::leader_of(const TopicPartition& partition) {
  for (auto& broker : brokers_) {
    if (!broker->serving()) continue;
    auto metadata = stage_.asker().ask(broker->clients(), all_topics());
    if (!metadata) continue;
    for (const auto& topic : metadata->topics) {
      if (topic.name != partition.topic) continue;
      for (const auto& p : topic.partitions) {
        if (p.partition_index != partition.partition || p.leader_id < 0) continue;
        return static_cast<size_t>(p.leader_id - number_ * 100 - 1);
      }
    }
  }
  return std::nullopt;
}

void Cluster::check_records(const std::string& topic, int32_t partitions) {
  const auto ends = stage_.ledger().ends();
  for (int32_t i = 0; i < partitions && stage_.content(); ++i) {
    const TopicPartition partition{topic, i};
    const auto known = ends.find(partition);
    const Offset end = known == ends.end() ? 0 : known->second;
    const auto log = read(partition, end);
    if (log) stage_.ledger().check(name_, partition, *log, end);
  }
}

// A new leader learns what is safe when the others have fetched from it.
std::optional<LogContents> Cluster::read(const TopicPartition& partition, Offset enough) {
  const Instant limit = stage_.world().now() + minutes(1);
  std::string trouble = "nobody leads";
  while (stage_.content() && stage_.world().now() < limit) {
    const auto leader = leader_of(partition);
    auto log = leader && *leader < size() ? stage_.asker().read(*brokers_[*leader], partition)
                                          : std::nullopt;
    const bool is_safe = log && log->high_watermark >= (enough == whole_log ? log->end : enough);
    if (is_safe) return log;
    if (log) trouble = "safe up to " + std::to_string(log->high_watermark);
    stage_.world().run_for(milliseconds(100));
  }
  const std::string end =
      enough == whole_log ? "" : ", acknowledged up to " + std::to_string(enough);
  stage_.judge().broken("what was acknowledged is safe in the end",
                        name_ + " " + partition.to_string() + ": " + trouble + end);
  return std::nullopt;
}

Site* Cluster::coordinator() {
  for (int i = 0; i < 600 && stage_.content(); ++i) {
    const auto leader = leader_of(offsets_partition);
    if (leader && *leader < size()) return brokers_[*leader].get();
    stage_.world().run_for(milliseconds(100));
  }
  stage_.judge().broken("groups have a coordinator in the end", name_);
  return nullptr;
}

}  // namespace isthmus::sim
