// TaskWorld: one simulated machine with one process on it, on whose main loop tests run coroutines
// of production code. Owned by the test; what the test makes over env() goes before it.
#pragma once

#include "tests/broker/started.h"

namespace isthmus::broker {

class TaskWorld {
 public:
  explicit TaskWorld(uint64_t seed = 1, size_t loops = 1)
      : world(seed), host(world.add_host("a")), loops_(loops) {
    boot();
    disk().make_folders("/data").value();
    disk().sync_folder("/").value();
  }

  io::Env& env() { return process->env(); }
  io::Disk& disk() { return env().disk; }
  io::Loop& loop() { return env().main_loop(); }

  // Power loss, and the machine boots again.
  void crash() {
    host.crash();
    boot();
  }
  // The process dies, the machine stays: nothing written is lost.
  void kill() {
    host.kill();
    boot();
  }

  // Runs `task` to its end and returns what it yields.
  template <typename T>
  T run(io::Task<T> task) {
    return run_in(world, *process, std::move(task));
  }
  // Starts it only; the result appears later.
  template <typename T>
  Started<T> start(io::Task<T> task) {
    return start_in(*process, std::move(task));
  }
  // Calls `work` as the loop would, for code that starts coroutines of its own.
  template <typename Work>
  auto on_loop(Work work) {
    sim::SimLoop::Running running(&loop());
    return work();
  }
  void run_for(io::Duration time) { world.run_for(time); }

  sim::SimWorld world;
  sim::SimHost& host;
  sim::SimProcess* process = nullptr;

 private:
  void boot() { process = &host.start_process(loops_); }

  const size_t loops_;
};

}  // namespace isthmus::broker
