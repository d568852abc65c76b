// bench_slot folder=PATH [rounds=1000]: what it costs to note, after a sync, up to where a log is
// synced (broker/log/synced_end.h): by itself, and behind a sync of 16 KiB that were appended.
// Prints medians in microseconds.
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "bench/arguments.h"
#include "broker/log/synced_end.h"
#include "io/real.h"

namespace isthmus::bench {
namespace {

using Clock = std::chrono::steady_clock;

class Times {
 public:
  template <typename Work>
  void measure(Work work) {
    const auto began = Clock::now();
    work();
    all_.push_back(std::chrono::duration<double, std::micro>(Clock::now() - began).count());
  }
  double median() {
    std::ranges::sort(all_);
    return all_[all_.size() / 2];
  }

 private:
  std::vector<double> all_;
};

void must(const Result<void>& done) {
  if (!done) give_up(done.error().text);
}

int run(const Arguments& arguments) {
  io::Runtime runtime(1);
  io::Disk& disk = runtime.env().disk;
  const std::string folder = arguments.text("folder");
  const int64_t rounds = arguments.number("rounds", 1000);
  must(disk.make_folders(folder));
  auto log = disk.open(folder + "/bench.log", io::Disk::Open::create);
  if (!log) give_up(log.error().text);
  broker::FileCache files(disk, 1);
  broker::SyncedEnd synced(files, folder + "/bench.synced-end");
  const std::vector<uint8_t> bytes(16384, 7);
  Offset end = 0;
  synced.advance(++end);
  Times alone, sync, behind;
  for (int64_t i = 0; i < rounds; ++i) alone.measure([&] { synced.advance(++end); });
  for (int64_t i = 0; i < rounds; ++i) {
    must((*log)->append(bytes));
    sync.measure([&] { must((*log)->sync_now()); });
    behind.measure([&] { synced.advance(++end); });
  }
  must(disk.remove(folder + "/bench.log"));
  must(disk.remove(folder + "/bench.synced-end"));
  fmt::print("slot alone {:.2f}, sync {:.1f}, slot behind a sync {:.2f}\n", alone.median(),
             sync.median(), behind.median());
  return 0;
}

}  // namespace
}  // namespace isthmus::bench

int main(int argc, char** argv) {
  return isthmus::bench::run(isthmus::bench::Arguments(argc, argv, 1));
}
