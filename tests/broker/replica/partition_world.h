// A Partition over a real Log on the simulated disk, which its test follows, mirrors, promotes and
// fells.
#pragma once

#include <memory>
#include <optional>

#include "broker/replica/partition.h"
#include "kafka/batch.h"
#include "tests/broker/apply_plan.h"
#include "tests/broker/task_world.h"

namespace isthmus::broker {

using kafka::ErrorCode;
using std::chrono::seconds;

struct Records {
  Offset base_offset = 0;
  int count = 1;
  LeaderEpoch epoch = -1;
  ProducerId producer = -1;
  int32_t sequence = -1;
};

inline Slice batch(const Records& records = {}) {
  kafka::BatchBuilder builder(
      {.base_offset = records.base_offset,
       .leader_epoch = records.epoch,
       .producer_id = records.producer,
       .producer_epoch = static_cast<ProducerEpoch>(records.producer < 0 ? -1 : 0),
       .base_sequence = records.sequence});
  for (int i = 0; i < records.count; ++i) {
    builder.add(1000 + i, std::nullopt, as_bytes("value"));
  }
  return std::move(builder).finish();
}

inline ErrorCode code(const Error& error) {
  return error.kind == Error::Kind::kafka ? kafka::error_code(error) : ErrorCode::none;
}
template <typename T>
ErrorCode code(const Result<T>& result) {
  return result ? ErrorCode::none : code(result.error());
}

class PartitionTest : public testing::Test {
 protected:
  PartitionTest() {
    topic_.name = "orders";
    topic_.id = uuid_of(1);
    topic_.partitions.resize(1);
    topic_.partitions[0].leader = 1;
    topic_.partitions[0].replicas = topic_.partitions[0].isr = {1};
    image_.cluster_number = 1;
    open();
  }
  ~PartitionTest() override { close(); }

  LogConfig config() const {
    LogConfig config;
    config.cluster = 1;
    config.durability = durability_;
    config.segment_bytes = segment_bytes_;
    return config;
  }
  PartitionView view() const { return partition_->describe(); }
  void open() {
    close();
    files_ = std::make_unique<FileCache>(world_.disk(), 10);
    auto log = Log::open(*files_, world_.loop(), "/data/orders-0", {"orders", 0}, topic_.id,
                         config(), RecoveryHints{});
    ASSERT_TRUE(log) << log.error().text;
    partition_ =
        std::make_unique<Partition>(world_.loop(), TopicPartition{"orders", 0}, topic_.id, 1,
                                    std::move(*log), nullptr, ReplicaOptions{.confirm = confirm_});
    show();
  }
  void close() {
    if (partition_) world_.run(partition_->close());
    partition_.reset();
    files_.reset();
  }
  void lose_power() {
    world_.host.crash();
    partition_.reset();
    files_.reset();
    world_.crash();
    open();
  }
  void show() {
    world_.on_loop([&] { partition_->on_image(image_, topic_, config()); });
  }

  void become_mirror(int64_t link_epoch = 1) {
    topic_.writer = TopicWriter::Link{"l", 2};
    image_.links["l"].epoch = link_epoch;
    show();
  }
  void become_own(LeaderEpoch epoch, Offset promoted_to) {
    topic_.writer = TopicWriter::Clients{};
    topic_.partitions[0].leader_epoch = epoch;
    topic_.partitions[0].promoted_to = promoted_to;
    show();
  }

  Result<Appended> write(const Writer& writer, Slice batches) {
    return world_.on_loop([&] { return partition_->append(writer, batches); });
  }
  Result<Appended> append(Records records = {}) {
    return write(ClientWriter{world_.loop().now()}, batch(records));
  }
  static Result<Offset> end_of(const Result<Appended>& appended) {
    if (!appended) return fail(appended.error());
    return appended->log_end;
  }
  Result<Offset> mirror(Records records, Offset start_at = -1, LeaderEpoch source_epoch = -1) {
    LinkWriter how;
    how.start_at = start_at;
    how.source_leader_epoch = source_epoch;
    how.link = "l";
    how.link_epoch = 1;
    how.expected_offset = records.base_offset;
    return end_of(write(how, batch(records)));
  }
  // What an idle source sends: nothing but where its log starts.
  Result<Offset> follow(Offset log_start, Offset expected, int64_t link_epoch = 1) {
    LinkWriter how;
    how.link = "l";
    how.link_epoch = link_epoch;
    how.expected_offset = expected;
    how.log_start = log_start;
    return end_of(write(how, {}));
  }
  std::shared_ptr<std::optional<Result<void>>> committed(Offset end,
                                                         io::Duration patience = seconds(30)) {
    return world_.start(partition_->committed(end, world_.loop().now() + patience));
  }
  Result<Offset> delete_before(Offset before) {
    return world_.on_loop([&] { return partition_->delete_records(ClientWriter{}, before); });
  }
  void settle() { world_.run_for(seconds(1)); }
  ReadResult read(ReadSpec spec) {
    spec.max_bytes = 1 << 20;
    spec.at_least_one_batch = true;
    return partition_->read(spec);
  }

  Durability durability_ = Durability::fsync;
  int32_t segment_bytes_ = 1 << 30;
  Confirm confirm_;  // of what is opened from then on
  TaskWorld world_;
  Image image_;
  TopicImage topic_;
  std::unique_ptr<FileCache> files_;
  std::unique_ptr<Partition> partition_;
};

}  // namespace isthmus::broker
