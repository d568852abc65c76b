// bench_floor broker|relay|mirror|warm key=value...
#include "bench/floor.h"

#include <sys/mman.h>

#include <string_view>

namespace isthmus::bench {
namespace {

// Touches memory and ends: pages that the host has not backed lately cost up to ten times as much
// at their first use, whoever's it is.
void warm(const Arguments& arguments) {
  const auto size = static_cast<size_t>(arguments.number("bytes"));
  void* const memory =
      ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) give_up("no memory to warm");
  for (size_t at = 0; at < size; at += 4096) static_cast<volatile uint8_t*>(memory)[at] = 1;
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
