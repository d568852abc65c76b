// A partition's folder on the real disk, for kafka_folder_test.py:
//
//   log_folder write FOLDER   fills a new one through the Log, for Kafka's tools to read
//   log_folder read FOLDER    opens one that Kafka left, after a clean stop and after none; prints
//                             what the Log makes of it
#include <fmt/core.h>

#include <cstdio>

#include "base/leader_epoch.h"
#include "broker/log/checkpoints.h"
#include "broker/log/log.h"
#include "io/gate.h"
#include "io/real.h"

namespace isthmus::broker {
namespace {

constexpr int segment_bytes = 20'000;
constexpr int batches = 300;
constexpr ProducerId transactional_producer = 4001;
constexpr ProducerId idempotent_producer = 4002;

Result<void> append(Log& log, Slice batch, LeaderEpoch epoch,
                    AppendOrigin origin = AppendOrigin::client) {
  auto info = log.append_as_leader(batch, epoch, 1'700'000'000'000, {.origin = origin});
  if (!info) return fail(info.error());
  return {};
}

Slice records(int i, kafka::BatchBuilder::Options options) {
  kafka::BatchBuilder builder(options);
  const std::string value(static_cast<size_t>(50 + i % 200), static_cast<char>('a' + i % 26));
  const std::string key = "key-" + std::to_string(i);
  for (int r = 0; r <= i % 3; ++r) {
    builder.add(1'700'000'000'000 + i * 1000 + r, as_bytes(key), as_bytes(value));
  }
  return std::move(builder).finish();
}

Result<void> fill(Log& log) {
  int32_t sequence = 0;
  for (int i = 0; i < batches; ++i) {
    kafka::BatchBuilder::Options options;
    options.compression = static_cast<kafka::Compression>(i % 5);
    if (i % 10 == 0) {
      options.producer_id = idempotent_producer;
      options.producer_epoch = 1;
      options.base_sequence = sequence;
      sequence += i % 3 + 1;
    }
    if (auto done = append(log, records(i, options), 1 + i / 100); !done) return done;
  }
  for (kafka::ControlType end : {kafka::ControlType::abort, kafka::ControlType::commit}) {
    kafka::BatchBuilder::Options options{.producer_id = transactional_producer,
                                         .producer_epoch = 0,
                                         .base_sequence = end == kafka::ControlType::abort ? 0 : 1,
                                         .transactional = true};
    if (auto done = append(log, records(0, options), 3); !done) return done;
    const Slice marker = kafka::build_marker(
        {.producer_id = transactional_producer, .producer_epoch = 0}, {end, 7}, 1'700'000'900'000);
    if (auto done = append(log, marker, 3, AppendOrigin::coordinator); !done) return done;
  }
  // A failover's gap, and life after it.
  const LeaderEpoch promoted = 1 << election_bits;
  if (auto done = log.leave_gap(1'000'000, promoted, 1'700'000'901'000); !done) return done;
  return append(log, records(5, {}), promoted);
}

io::Task<Result<void>> write_folder(io::Runtime* runtime, std::string folder) {
  FileCache files(runtime->env().disk, 100);
  LogConfig config;
  config.segment_bytes = segment_bytes;
  config.index_interval_bytes = 1000;
  auto log = Log::open(files, runtime->env().main_loop(), folder, {"orders", 3}, Uuid{{1, 2, 3}},
                       config, {});
  if (!log) co_return fail(log.error());
  if (auto done = fill(**log); !done) co_return done;
  auto closed = co_await (*log)->close();
  co_return closed;
}

io::Task<Result<void>> describe(Log& log, io::Workers& workers) {
  auto rope = log.read(log.start_offset(), UINT64_MAX, INT64_MAX, true);
  if (!rope) co_return fail(rope.error());
  auto bytes = rope->flatten();
  if (!bytes) co_return fail(bytes.error());
  int64_t records = 0;
  kafka::BatchIterator iterator(*bytes, true);
  while (auto batch = iterator.next()) records += batch->header.record_count;
  if (iterator.end() != kafka::BatchIterator::End::clean) {
    co_return fail("the log does not end well");
  }
  auto newest = co_await log.find_latest(workers);
  if (!newest) co_return fail(newest.error());
  fmt::print("scanned={} segments={} start={} end={} records={} epochs={} producers={} newest={}\n",
             log.recovery().segments_scanned, log.segment_count(), log.start_offset(),
             log.end_offset(), records, log.epochs().entries().size(), log.producers().all().size(),
             *newest ? (*newest)->offset : -1);
  co_return Result<void>{};
}

io::Task<Result<void>> read_folder(io::Runtime* runtime, std::string folder) {
  io::Disk& disk = runtime->env().disk;
  auto topic_id = read_partition_topic_id(disk, folder);
  if (!topic_id) co_return fail(topic_id.error());
  for (bool clean : {true, false}) {
    FileCache files(disk, 100);
    auto log = Log::open(files, runtime->env().main_loop(), folder, {"carried", 0},
                         topic_id->value_or(Uuid{}), {}, {.clean_shutdown = clean});
    if (!log) co_return fail(log.error());
    auto done = co_await describe(**log, runtime->env().workers);
    if (!done) co_return done;
    auto closed = co_await (*log)->close();
    if (!closed) co_return closed;
  }
  co_return Result<void>{};
}

io::Task<void> run(io::Runtime* runtime, std::string command, std::string folder, int* exit_code) {
  auto work = command == "write" ? write_folder(runtime, folder) : read_folder(runtime, folder);
  const Result<void> done = co_await work;
  if (!done) std::fprintf(stderr, "%s\n", done.error().text.c_str());
  *exit_code = done ? 0 : 1;
  runtime->env().main_loop().post([runtime] { runtime->stop(); });
}

}  // namespace
}  // namespace isthmus::broker

int main(int argc, char** argv) {
  const std::string command = argc == 3 ? argv[1] : "";
  if (command != "write" && command != "read") {
    std::fprintf(stderr, "usage: log_folder write|read FOLDER\n");
    return 2;
  }
  int exit_code = 1;
  isthmus::io::Runtime runtime(1);
  isthmus::io::Gate gate(runtime.env().main_loop());
  runtime.env().main_loop().post(
      [&] { gate.spawn(command, isthmus::broker::run(&runtime, command, argv[2], &exit_code)); });
  runtime.run();
  return exit_code;
}
