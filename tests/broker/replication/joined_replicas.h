// Three brokers' replicas of one partition, each on a machine of its own, joined in memory: the
// test says who hears of which image, whose follower does its next step, and who loses power.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "broker/replica/partition.h"
#include "broker/replication/follower.h"
#include "kafka/batch.h"
#include "tests/broker/apply_plan.h"
#include "tests/broker/started.h"

namespace isthmus::broker {

class JoinedReplicas : public testing::Test {
 protected:
  static constexpr NodeId a = 1, b = 2, c = 3;
  struct Node {
    NodeId id = -1;
    sim::SimHost* host = nullptr;
    sim::SimProcess* process = nullptr;
    std::unique_ptr<FileCache> files;
    std::unique_ptr<Partition> partition;
    Follower follower;
    Offset high_watermark = 0;  // that a checkpoint would have
    std::shared_ptr<StorageWatch> room = nullptr;
  };

  JoinedReplicas() {
    image_.cluster_number = 1;
    topic_.name = "orders";
    topic_.id = uuid_of(1);
    topic_.partitions.resize(1);
    partition().replicas = partition().isr = {a, b, c};
    for (NodeId id : {a, b, c}) {
      image_.brokers[id].starts = 1;
      Node& node = nodes_[id];
      node.id = id;
      node.host = &world_.add_host("broker-" + std::to_string(id));
      node.process = &node.host->start_process();
      node.process->env().disk.make_folders("/data").value();
      node.process->env().disk.sync_folder("/").value();
      open(node);
    }
    elect(a);
  }
  ~JoinedReplicas() override {
    for (auto& [id, node] : nodes_) close(node);
  }

  PartitionImage& partition() { return topic_.partitions[0]; }
  LogConfig config() const {
    LogConfig config;
    config.cluster = 1;
    config.durability = durability_;
    return config;
  }
  void open(Node& node) {
    io::Disk& disk = node.process->env().disk;
    node.files = std::make_unique<FileCache>(disk, 10);
    node.room = std::make_shared<StorageWatch>(disk, "/data", 1 << 20);
    io::Loop& loop = node.process->env().main_loop();
    auto log = Log::open(*node.files, loop, "/data/orders-0", {"orders", 0}, topic_.id, config(),
                         RecoveryHints{});
    ASSERT_TRUE(log) << log.error().text;
    node.partition = std::make_unique<Partition>(
        loop, TopicPartition{"orders", 0}, topic_.id, node.id, std::move(*log), node.room,
        ReplicaOptions{.high_watermark = node.high_watermark});
    node.follower = Follower();
  }
  void close(Node& node) {
    if (node.partition) run(node, node.partition->close());
    node.partition.reset();
    node.files.reset();
  }
  // Power loss; it starts anew, and hears of nothing yet.
  void restarts(NodeId id) {
    Node& node = nodes_.at(id);
    node.high_watermark = view(id).high_watermark;
    node.host->crash();
    node.partition.reset();
    node.files.reset();
    node.process = &node.host->start_process();
    ++image_.brokers[id].starts;
    open(node);
  }
  template <typename T>
  T run(Node& node, io::Task<T> task) {
    return run_in(world_, *node.process, std::move(task));
  }
  template <typename Work>
  auto on(NodeId id, Work work) {
    sim::SimLoop::Running running(&nodes_.at(id).process->env().main_loop());
    return work(*nodes_.at(id).partition);
  }
  io::Instant now() { return world_.now(); }

  // ---- the image ----
  void hears(NodeId id) {
    on(id, [&](Partition& p) { p.on_image(image_, topic_, config()); });
    const bool follows = partition().leader != id;
    nodes_.at(id).follower.led_by(follows ? partition().leader : -1,
                                  epoch_in_force(partition(), image_), !topic_.is_mirror());
  }
  void all_hear() {
    for (auto& [id, node] : nodes_) hears(id);
  }
  // Decided; nobody has heard of it.
  void decide(NodeId leader, std::vector<NodeId> isr) {
    const LeaderEpoch next = epoch_in_force(partition(), image_) + 1;
    partition().leader = leader;
    put_epoch(partition(), next, image_);
    partition().isr = std::move(isr);
    ++partition().version;
  }
  void elect(NodeId leader, std::vector<NodeId> isr = {a, b, c}) {
    decide(leader, std::move(isr));
    all_hear();
  }
  void isr_becomes(std::vector<NodeId> isr) {
    partition().isr = std::move(isr);
    ++partition().version;
    all_hear();
  }
  LeaderEpoch epoch() { return epoch_in_force(partition(), image_); }

  // ---- records ----
  Result<Appended> append(NodeId id, int count = 1, bool acks_all = true) {
    kafka::BatchBuilder builder({});
    for (int i = 0; i < count; ++i) {
      const std::string value = std::to_string(id) + ":" + std::to_string(++written_);
      builder.add(1000, std::nullopt, as_bytes(value));
    }
    const ClientWriter writer{.acks_all = acks_all};
    return on(id, [&](Partition& p) { return p.append(writer, std::move(builder).finish()); });
  }
  // Of producer 7, one record.
  Result<Appended> append_in_sequence(NodeId id, int32_t sequence) {
    kafka::BatchBuilder::Options options;
    options.producer_id = 7;
    options.producer_epoch = 0;
    options.base_sequence = sequence;
    kafka::BatchBuilder builder(options);
    builder.add(1000, std::nullopt, as_bytes("x"));
    return on(id,
              [&](Partition& p) { return p.append(ClientWriter{}, std::move(builder).finish()); });
  }
  void sync(NodeId id) { (void)run(nodes_.at(id), nodes_.at(id).partition->sync_all()); }
  PartitionView view(NodeId id) {
    return on(id, [](Partition& p) { return p.describe(); });
  }
  Offset end(NodeId id) { return view(id).end_offset; }
  Offset safe(NodeId id) { return view(id).high_watermark; }
  Started<Result<void>> committed(NodeId id, const Appended& appended,
                                  io::Duration patience = std::chrono::seconds(30)) {
    Partition& partition = *nodes_.at(id).partition;
    const io::Instant deadline = now() + patience;
    return start_in(*nodes_.at(id).process,
                    partition.committed(appended.log_end, deadline, appended.tenure));
  }
  // All its bytes.
  Slice log(NodeId id) {
    return on(id, [](Partition& p) {
      const auto view = p.describe();
      return *p.read_own(view.start_offset, uint64_t{1} << 30);
    });
  }
  std::vector<EpochEntry> epochs(NodeId id) {
    return on(id, [](Partition& p) { return p.history().entries; });
  }

  // ---- following ----
  ReadResult read_as_follower(NodeId id, NodeId from, const FollowerStep& step) {
    ReadSpec spec;
    spec.offset = step.offset;
    spec.current_leader_epoch = step.epoch;
    spec.last_fetched_epoch = step.last_epoch;
    spec.max_bytes = static_cast<uint64_t>(step.max_bytes);
    spec.at_least_one_batch = true;
    spec.follower = ReadingFollower{id, image_.brokers[id].starts};
    return on(from, [&](Partition& p) { return p.read(spec); });
  }
  static FollowerAnswer answer_of(ReadResult read) {
    FollowerAnswer answer;
    answer.error = read.error;
    answer.records = *read.records.flatten();
    answer.high_watermark = read.high_watermark;
    answer.log_start = read.start_offset;
    answer.diverging = read.diverging;
    return answer;
  }
  Result<FollowerEnd> copy(NodeId id, const FollowerStep& step) {
    ReplicaWriter writer{step.epoch, step.offset, step.high_watermark, step.log_start, step.owners};
    auto done = on(id, [&](Partition& p) { return p.append(writer, step.records); });
    if (!done) return fail(done.error());
    return run(nodes_.at(id), nodes_.at(id).partition->copied());
  }
  // Its next step; false if it rests.
  bool step(NodeId id) {
    using Kind = FollowerStep::Kind;
    Node& node = nodes_.at(id);
    Follower& follower = node.follower;
    const FollowerStep step = follower.step(now());
    Result<FollowerEnd> end;
    switch (step.kind) {
      case Kind::rest: return false;
      case Kind::compare: {
        (void)run(node, node.partition->copied());
        const auto history = [](Partition& p) { return p.history(); };
        follower.on_compared(step.epoch, on(id, history), on(follower.leader(), history), now());
        return true;
      }
      case Kind::fetch: {
        auto read = read_as_follower(id, follower.leader(), step);
        follower.on_fetched(step.epoch, step.offset, answer_of(std::move(read)), now());
        return true;
      }
      case Kind::cut:
        end = on(id, [&](Partition& p) { return p.cut_to(step.epoch, step.offset); });
        break;
      case Kind::begin_anew:
        end = on(id, [&](Partition& p) { return p.begin_anew(step.epoch, step.offset); });
        break;
      case Kind::copy: end = copy(id, step); break;
    }
    if (!end) {
      follower.on_failed(step.epoch, now());
    } else if (step.kind == Kind::copy) {
      follower.on_copied(step.epoch, *end);
    } else {
      follower.on_cut(step.epoch, *end);
    }
    return true;
  }
  // Until it has nothing more to do.
  void follow(NodeId id, int most = 40) {
    for (int i = 0; i < most && step(id); ++i) continue;
  }
  void all_follow() {
    for (NodeId id : {a, b, c}) {
      if (partition().leader != id) follow(id);
    }
  }
  void expect_same_logs(std::vector<NodeId> ids = {a, b, c}) {
    for (NodeId id : ids) {
      EXPECT_EQ(log(id), log(ids[0])) << "broker " << id;
      EXPECT_EQ(epochs(id), epochs(ids[0])) << "broker " << id;
    }
  }

  Durability durability_ = Durability::fsync;
  sim::SimWorld world_{1};
  Image image_;
  TopicImage topic_;
  std::map<NodeId, Node> nodes_;
  int written_ = 0;
};

}  // namespace isthmus::broker
