// TaskWorld: one simulated machine with one process on it, on whose main loop tests run coroutines
// of production code. Owned by the test; what the test makes over env() goes before it.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>

#include "tests/sim/world/world.h"

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
    auto result = start(std::move(task));
    world.run_until([&] { return result->has_value(); }, std::chrono::minutes(5));
    EXPECT_TRUE(result->has_value()) << "the coroutine did not end";
    return std::move(result->value());
  }
  // Starts it only; the result appears later.
  template <typename T>
  std::shared_ptr<std::optional<T>> start(io::Task<T> task) {
    auto result = std::make_shared<std::optional<T>>();
    process->spawn("test", keep(std::move(task), result));
    return result;
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
  template <typename T>
  static io::Task<void> keep(io::Task<T> task, std::shared_ptr<std::optional<T>> result) {
    T value = co_await task;
    result->emplace(std::move(value));
  }
  void boot() { process = &host.start_process(loops_); }

  const size_t loops_;
};

}  // namespace isthmus::broker
