// LogWorld: one log on the simulated disk of one machine, with what a test does to it: append,
// sync, stop, crash, open again. And the batches that tests write.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/log/log.h"
#include "kafka/batch.h"
#include "kafka/errors.h"
#include "tests/broker/started.h"

namespace isthmus::broker {

struct BatchSpec {
  Offset base_offset = 0;
  int records = 1;
  LeaderEpoch epoch = -1;
  ProducerId producer_id = -1;
  ProducerEpoch producer_epoch = 0;
  int32_t sequence = -1;
  bool transactional = false;
  int64_t timestamp = 1000;  // of the first record; the others follow by 1 ms
  size_t value_size = 10;
  kafka::Compression compression = kafka::Compression::none;
};

inline Slice make_batch(const BatchSpec& spec) {
  const bool producer = spec.producer_id >= 0;
  kafka::BatchBuilder builder({.base_offset = spec.base_offset,
                               .leader_epoch = spec.epoch,
                               .compression = spec.compression,
                               .producer_id = spec.producer_id,
                               .producer_epoch = producer ? spec.producer_epoch : ProducerEpoch{-1},
                               .base_sequence = producer ? spec.sequence : -1,
                               .transactional = spec.transactional});
  const std::string value(spec.value_size, 'v');
  for (int i = 0; i < spec.records; ++i) {
    builder.add(spec.timestamp + i, std::nullopt, as_bytes(value));
  }
  return std::move(builder).finish();
}

inline Slice make_marker(ProducerId id, ProducerEpoch epoch, kafka::ControlType type,
                         int32_t coordinator_epoch = 0, Offset base_offset = 0,
                         LeaderEpoch leader_epoch = -1) {
  return kafka::build_marker({.base_offset = base_offset,
                              .leader_epoch = leader_epoch,
                              .producer_id = id,
                              .producer_epoch = epoch},
                             {type, coordinator_epoch}, 1000);
}

inline std::vector<uint8_t> joined(std::initializer_list<Slice> batches) {
  std::vector<uint8_t> bytes;
  for (const Slice& batch : batches) {
    bytes.insert(bytes.end(), batch.view().begin(), batch.view().end());
  }
  return bytes;
}

class LogWorld {
 public:
  explicit LogWorld(uint64_t seed = 1) : world(seed), host(world.add_host("a")) {
    boot();
    disk().make_folders("/data").value();
    disk().sync_folder("/").value();
  }
  ~LogWorld() { drop(); }

  io::Disk& disk() {
    if (process == nullptr) boot();
    return process->env().disk;
  }

  // Opens with `config` and `hints`; on success `log` is set.
  Result<void> try_open() {
    drop();
    files = std::make_unique<FileCache>(disk(), cache_capacity);
    auto opened = Log::open(*files, process->env().main_loop(), folder, {"orders", 3}, topic_id,
                            config, hints);
    if (!opened) return fail(opened.error());
    log = std::move(*opened);
    return {};
  }
  Log& open() {
    auto opened = try_open();
    if (!opened) ADD_FAILURE() << opened.error().text;
    return *log;
  }
  // Power loss; the recovery point is what a checkpoint may have held.
  void crash() {
    hints.clean_shutdown = false;
    drop();
    host.crash();
    process = nullptr;
  }
  // The process dies, the machine stays: nothing written is lost.
  void kill() {
    hints.clean_shutdown = false;
    drop();
    host.kill();
    process = nullptr;
  }
  void stop() {
    auto closed = run(log->close());
    ASSERT_TRUE(closed) << closed.error().text;
    hints.recovery_point = log->end_offset();
    hints.log_start = log->start_offset();
    hints.clean_shutdown = true;
    drop();
  }

  // The log's last owner knew that it was synced up to here. REQUIRES: the log is not open.
  void was_synced_to(Offset end) {
    FileCache cache(disk(), 1);
    SyncedEnd slot(cache, SyncedEnd::path_in(folder));
    slot.load().value();
    slot.advance(end);
  }

  template <typename T>
  T run(io::Task<T> task) {
    return run_in(world, *process, std::move(task));
  }
  Offset sync() {
    auto durable = run(log->sync());
    EXPECT_TRUE(durable) << durable.error().text;
    return durable.value_or(-1);
  }

  void keep() { run(kept(log.get())); }

  // Appends as the leader of epoch 1.
  AppendInfo append(Bytes batches, LeaderEpoch epoch = 1, LeaderAppend how = {}) {
    auto info = log->append_as_leader(batches, epoch, now_ms, how);
    EXPECT_TRUE(info) << info.error().text;
    return info.value_or(AppendInfo{});
  }
  AppendInfo append_one(BatchSpec spec = {}) { return append(make_batch(spec)); }
  kafka::ErrorCode append_error(Bytes batches, LeaderEpoch epoch = 1, LeaderAppend how = {}) {
    auto info = log->append_as_leader(batches, epoch, now_ms, how);
    if (info || info.error().kind != Error::Kind::kafka) return kafka::ErrorCode::none;
    return kafka::error_code(info.error());
  }

  using Lookup = Result<std::optional<TimestampOffset>>;
  Lookup find_time(int64_t timestamp) {
    return run(log->find_time(timestamp, process->env().workers));
  }
  Lookup find_latest() { return run(log->find_latest(process->env().workers)); }

  // The headers of what a read returns.
  std::vector<kafka::BatchHeader> read(Offset from, uint64_t max_bytes = UINT64_MAX,
                                       Offset bound = INT64_MAX, bool at_least_one = true) {
    std::vector<kafka::BatchHeader> headers;
    auto rope = log->read(from, max_bytes, bound, at_least_one);
    EXPECT_TRUE(rope) << rope.error().text;
    if (!rope) return headers;
    auto bytes = rope->flatten();
    EXPECT_TRUE(bytes) << bytes.error().text;
    kafka::BatchIterator batches(*bytes, true);
    while (auto batch = batches.next()) headers.push_back(batch->header);
    EXPECT_EQ(batches.end(), kafka::BatchIterator::End::clean) << "a read ends inside a batch";
    return headers;
  }
  // Base offsets of all batches, for a short comparison.
  std::vector<Offset> offsets(Offset from = -1) {
    std::vector<Offset> bases;
    for (const auto& header : read(from < 0 ? log->start_offset() : from)) {
      bases.push_back(header.base_offset);
    }
    return bases;
  }

  std::string path(Offset base, const char* suffix) const {
    return Segment::path_of(folder, base, suffix);
  }

  sim::SimWorld world;
  sim::SimHost& host;
  sim::SimProcess* process = nullptr;
  std::string folder = "/data/orders-3";
  Uuid topic_id{{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};
  LogConfig config;
  RecoveryHints hints;
  size_t cache_capacity = 100;
  int64_t now_ms = 5000;
  std::unique_ptr<FileCache> files;
  std::unique_ptr<Log> log;

 private:
  static io::Task<bool> kept(Log* log) {
    co_await log->keep_synced_end();
    co_return true;
  }
  void boot() { process = &host.start_process(); }
  void drop() {
    log.reset();
    files.reset();
  }
};

// Cuts or changes a file of a log that is not open.
inline std::shared_ptr<io::File> file_of(LogWorld& w, const std::string& path) {
  return w.disk().open(path, io::Disk::Open::existing).value();
}

}  // namespace isthmus::broker
