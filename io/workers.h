// Workers: a few threads beside the loops, for work that takes long and touches nothing of a loop:
// unpacking a large batch, walking over files. They are not the disk's (both are io/pool.h): what
// unpacks for a second keeps nobody's fsync waiting.
//
// A job's coroutine waits for it, so the queue is as bounded as those are. The simulator runs jobs
// on the loop that asked, some virtual time later.
#pragma once

#include <coroutine>
#include <functional>
#include <optional>
#include <utility>

#include "io/loop.h"
#include "io/task.h"

namespace isthmus::io {

class Workers {
 public:
  using Job = std::move_only_function<void()>;

  virtual ~Workers() = default;
  // From a loop. Jobs begin in the order of their coming.
  virtual void submit(Job job) = 0;
};

template <typename Work>
struct WorkersCall {
  using Value = std::invoke_result_t<Work&>;

  Workers& workers;
  Work work;
  std::optional<Value> value = std::nullopt;

  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> awaiting) {
    workers.submit([this, awaiting, home = Loop::current()] {
      value.emplace(work());
      home->post([awaiting] { awaiting.resume(); });
    });
  }
  Value await_resume() { return std::move(*value); }
};

// Runs `work` there and continues the caller on the loop it came from.
// REQUIRES: called on a loop; what `work` refers to outlives the call.
template <typename Work>
Task<std::invoke_result_t<Work&>> run_on(Workers& workers, Work work) {
  auto value = co_await WorkersCall<Work>{workers, std::move(work)};
  co_return value;
}

}  // namespace isthmus::io
