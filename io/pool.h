// Pool: a few threads beside the loops, for work that blocks (fsync). Private to io/.
//
// The queue is not bounded here: every job has a coroutine that waits for it, and those are.
#pragma once

#include <condition_variable>
#include <coroutine>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "io/loop.h"
#include "io/task.h"

namespace isthmus::io {

class Pool {
 public:
  using Job = std::move_only_function<void()>;

  explicit Pool(size_t threads);
  ~Pool();  // runs what is queued, then joins
  // Any thread may call it.
  void submit(Job job);

 private:
  void work();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> jobs_;
  bool closing_ = false;
  std::vector<std::thread> threads_;
};

// Runs `work` on the pool and continues the caller on the loop it came from.
template <typename Work>
struct PoolCall {
  using Value = std::invoke_result_t<Work&>;

  Pool& pool;
  Work work;
  std::optional<Value> value = std::nullopt;

  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> awaiting) {
    pool.submit([this, awaiting, home = Loop::current()] {
      value.emplace(work());
      home->post([awaiting] { awaiting.resume(); });
    });
  }
  Value await_resume() { return std::move(*value); }
};

// REQUIRES: called on a loop; what `work` refers to outlives the call.
template <typename Work>
Task<std::invoke_result_t<Work&>> run_on(Pool& pool, Work work) {
  auto value = co_await PoolCall<Work>{pool, std::move(work)};
  co_return value;
}

}  // namespace isthmus::io
