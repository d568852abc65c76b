// bench_walk codec=NAME record=BYTES [walk=0]: what it costs to look at a batch before it is taken:
// its header and CRC alone (walk=0, the floor), or with the pass over its records. Batches of 16
// KiB and more of text that compresses as logs do, until a second of CPU is used.
#include <fmt/core.h>

#include <ctime>
#include <string>
#include <vector>

#include "bench/arguments.h"
#include "kafka/batch.h"
#include "kafka/validate.h"

namespace isthmus::bench {
namespace {

constexpr size_t batch_bytes = size_t{64} << 10;  // of records, before they are packed
constexpr size_t pool_bytes = size_t{16} << 20;   // above the CPU's caches

// Words of a small dictionary, chosen by a generator: four to one, as logs are.
std::string text_of(size_t size, uint64_t& state) {
  constexpr std::string_view words[] = {"order ", "shipped ", "customer=", "id=", "warehouse ",
                                        "17 ",    "2026-11 ", "error: ",   "{}",  "timeout "};
  std::string text;
  while (text.size() < size) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    text += words[(state >> 33) % std::size(words)];
    if ((state >> 60) == 0) text += std::to_string(state);
  }
  text.resize(size);
  return text;
}

std::vector<Slice> make_pool(kafka::Compression codec, size_t record_bytes) {
  std::vector<Slice> pool;
  uint64_t state = 1;
  for (size_t made = 0; made < pool_bytes;) {
    kafka::BatchBuilder builder({.compression = codec});
    while (builder.uncompressed_size() < batch_bytes) {
      builder.add(1000, std::nullopt, as_bytes(text_of(record_bytes, state)));
    }
    made += builder.uncompressed_size();
    pool.push_back(std::move(builder).finish());
  }
  return pool;
}

double cpu_s() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

int run(const Arguments& arguments) {
  const auto codec = kafka::parse_compression(arguments.text("codec"));
  if (!codec) give_up(codec.error().text);
  const auto pool = make_pool(*codec, static_cast<size_t>(arguments.number("record")));
  const bool walks = arguments.number("walk", 1) != 0;
  uint64_t bytes = 0;
  const double began = cpu_s();
  while (cpu_s() - began < 1) {
    for (const Slice& batch : pool) {
      const auto read = kafka::read_produced_header(batch);
      if (!read.verdict.accepted()) give_up(read.verdict.text);
      bytes += batch.size();
      if (!walks) continue;
      const auto verdict = kafka::validate_records(batch, read.header, {}, 1000);
      if (!verdict.accepted()) give_up(verdict.text);
    }
  }
  fmt::print("{{\"cpu\": {}, \"bytes\": {}}}\n", cpu_s() - began, bytes);
  return 0;
}

}  // namespace
}  // namespace isthmus::bench

int main(int argc, char** argv) {
  return isthmus::bench::run(isthmus::bench::Arguments(argc, argv, 1));
}
