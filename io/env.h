// Env: the world outside one process, as one bundle of seams, and the loops it runs on. main()
// makes the real one (io/real.h), the simulator makes one per simulated process. Passed by
// reference from the top; outlives everything.
#pragma once

#include <cstdint>
#include <vector>

#include "io/disk.h"
#include "io/loop.h"
#include "io/stream.h"
#include "io/workers.h"

namespace isthmus::io {

class Random {
 public:
  virtual ~Random() = default;
  virtual void fill(MutableBytes out) = 0;
  uint64_t next() {
    uint64_t v;
    fill({reinterpret_cast<uint8_t*>(&v), sizeof v});
    return v;
  }
};

struct Env {
  std::vector<Loop*> loops;  // at least one; loops[0] runs what exists once per process
  Disk& disk;
  Network& network;
  Random& random;
  Workers& workers;

  Loop& main_loop() const { return *loops[0]; }
  Loop& loop_of(size_t hash) const { return *loops[hash % loops.size()]; }
};

}  // namespace isthmus::io
