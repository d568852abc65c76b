// bench_floor broker|relay|mirror|warm key=value...
#include "bench/floor.h"

#include <sys/mman.h>
#include <unistd.h>

#include <ctime>
#include <string>
#include <string_view>
#include <vector>

#include "bench/sockets.h"

namespace isthmus::bench {
namespace {

void touch_memory(size_t size) {
  void* const memory =
      ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) give_up("no memory to warm");
  for (size_t at = 0; at < size; at += 4096) static_cast<volatile uint8_t*>(memory)[at] = 1;
  ::munmap(memory, size);
}

// CPU seconds per GB.
double touch_page_cache(size_t size, const std::string& path) {
  const std::clock_t began = std::clock();
  const std::vector<uint8_t> piece(size_t{1} << 20);
  const Descriptor file(create_file(path));
  for (size_t at = 0; at < size; at += piece.size()) write_all(file.get(), piece);
  ::unlink(path.c_str());
  return static_cast<double>(std::clock() - began) / CLOCKS_PER_SEC / static_cast<double>(size) *
         1e9;
}

// Touches `bytes` of memory and ends: pages that the host has not backed lately cost up to ten
// times as much at their first use, whoever's it is. The page cache takes larger blocks than a
// process does, which the kernel keeps apart: so it is warmed by a `file`, until that is cheap.
void warm(const Arguments& arguments) {
  const auto size = static_cast<size_t>(arguments.number("bytes"));
  touch_memory(size);
  constexpr double warm_cost = 0.3;
  constexpr int max_rounds = 6;
  for (int round = 0, warm_rounds = 0; round < max_rounds && warm_rounds < 2; ++round) {
    if (touch_page_cache(size, arguments.text("file")) < warm_cost) ++warm_rounds;
  }
}

int run(std::string_view what, const Arguments& arguments) {
  if (what == "broker") {
    run_floor_broker(arguments);
  } else if (what == "relay") {
    run_floor_relay(arguments);
  } else if (what == "mirror") {
    run_floor_mirror(arguments);
  } else if (what == "warm") {
    warm(arguments);
  } else {
    give_up("usage: bench_floor broker|relay|mirror|warm key=value...");
  }
  return 0;
}

}  // namespace
}  // namespace isthmus::bench

int main(int argc, char** argv) {
  return isthmus::bench::run(argc > 1 ? argv[1] : "", isthmus::bench::Arguments(argc, argv, 2));
}
