// Runtime: the real world. Owns the loops (one thread and one asio::io_context each; loops[0] runs
// on the thread that calls run()), the pool of threads for blocking work, and the real disk,
// network and random source behind Env.
//
// One per process, made by main(), outlives everything; and a small one for the admin port, whose
// loop answers while the main one does not (process/admin.h). Whoever lives on its loops ends in
// order before stop(); conversations that still wait when run() returns (main() gave up) are freed
// there.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "io/env.h"

namespace isthmus::io {

// The calendar, for who has no loop: a configuration is checked before there is one.
std::chrono::system_clock::time_point wall_time();

class Runtime {
 public:
  // Beside the loops.
  struct Threads {
    // fsync waits for the device, not for a core: a few threads keep it busy.
    size_t disk = 4;
    // One may be long at a bomb; the other goes on.
    size_t workers = 2;
    // Those that read what is to be sent and is not in memory.
    size_t readers = 2;
  };
  // REQUIRES: loops >= 1.
  explicit Runtime(size_t loops) : Runtime(loops, Threads{}) {}
  Runtime(size_t loops, Threads threads);
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  Env& env();

  // Runs all loops until stop(); returns when every thread has ended. Once only.
  void run();
  // Any thread may call it, before or during run().
  void stop();

  // Runs `callback` on the main loop each time the process gets `signal` (SIGTERM, SIGINT, SIGHUP),
  // instead of what the system does by default. REQUIRES: before run(), or on the main loop.
  void on_signal(int signal, std::function<void()> callback);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace isthmus::io
