// bench_walk codec=NAME record=BYTES [walk=0]: what it costs to look at a batch before it is taken:
// its header and CRC alone (walk=0, the floor), or with the pass over its records. With codec=none
// and pack=NAME: what it costs to compress it as a router does (walk=1), or its codec alone.
// Batches of 64 KiB and more of text that compresses as logs do, until a second of CPU is used.
#include <fmt/core.h>

#include <ctime>
#include <string>
#include <vector>

#include "bench/arguments.h"
#include "bench/text.h"
#include "kafka/batch.h"
#include "kafka/recompress.h"
#include "kafka/validate.h"

namespace isthmus::bench {
namespace {

constexpr size_t batch_bytes = size_t{64} << 10;  // of records, before they are packed
constexpr size_t pool_bytes = size_t{16} << 20;   // above the CPU's caches

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

void look_at(const Slice& batch, bool walks) {
  const auto read = kafka::read_produced_header(batch);
  if (!read.verdict.accepted()) give_up(read.verdict.text);
  if (!walks) return;
  const auto verdict = kafka::validate_records(batch, read.header, {}, 1000);
  if (!verdict.accepted()) give_up(verdict.text);
}

void pack(const Slice& batch, kafka::Compression codec, bool walks) {
  const int level = kafka::levels_of(codec).usual;
  const size_t size = walks ? kafka::recompress(batch, {codec, level}).batch.size()
                            : kafka::compress(codec, batch.view()).size();
  if (size >= batch.size()) give_up("text that does not compress");
}

kafka::Compression codec_of(const Arguments& arguments, const std::string& key) {
  const auto codec = kafka::parse_compression(arguments.text(key, "none"));
  if (!codec) give_up(codec.error().text);
  return *codec;
}

int run(const Arguments& arguments) {
  const auto pool =
      make_pool(codec_of(arguments, "codec"), static_cast<size_t>(arguments.number("record")));
  const auto packed_as = codec_of(arguments, "pack");
  const bool walks = arguments.number("walk", 1) != 0;
  uint64_t bytes = 0;
  const double began = cpu_s();
  while (cpu_s() - began < 1) {
    for (const Slice& batch : pool) {
      bytes += batch.size();
      packed_as == kafka::Compression::none ? look_at(batch, walks) : pack(batch, packed_as, walks);
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
