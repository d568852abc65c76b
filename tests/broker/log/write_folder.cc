// Writes a partition's folder through the Log, on the real disk, for a reader that is not ours
// (dump_log_test.py): write_folder LOG_DIR
#include <cstdio>

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
  // A gap, an empty segment at its far end, and life after it.
  if (auto done = log.advance_to(1'000'000); !done) return done;
  return append(log, records(5, {}), 1 << 20);
}

io::Task<void> write_folder(io::Runtime* runtime, std::string log_dir, int* exit_code) {
  FileCache files(runtime->env().disk, 100);
  LogConfig config;
  config.segment_bytes = segment_bytes;
  config.index_interval_bytes = 1000;
  auto log = Log::open(files, runtime->env().main_loop(), log_dir + "/orders-3", {"orders", 3},
                       Uuid{{1, 2, 3}}, config, {});
  Result<void> done = log ? fill(**log) : fail(log.error());
  if (done) done = co_await (*log)->close();
  if (!done) std::fprintf(stderr, "%s\n", done.error().text.c_str());
  *exit_code = done ? 0 : 1;
  log = fail(Error::closed("done"));
  runtime->env().main_loop().post([runtime] { runtime->stop(); });
}

}  // namespace
}  // namespace isthmus::broker

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: write_folder LOG_DIR\n");
    return 2;
  }
  int exit_code = 1;
  isthmus::io::Runtime runtime(1);
  isthmus::io::Gate gate(runtime.env().main_loop());
  runtime.env().main_loop().post([&] {
    gate.spawn("write", isthmus::broker::write_folder(&runtime, argv[1], &exit_code));
  });
  runtime.run();
  return exit_code;
}
