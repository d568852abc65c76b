#include "io/gate.h"

#include <atomic>

#include "base/check.h"
#include "base/log.h"

namespace isthmus::io {

namespace {
std::atomic<uint64_t> escaped_count{0};
}

// A coroutine that owns itself: it starts at once and frees its frame when it ends.
struct Gate::Detached {
  struct promise_type {
    Detached get_return_object() noexcept { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() noexcept {}
    void unhandled_exception() noexcept { std::terminate(); }  // run() catches everything
  };
};

Gate::Detached Gate::run(Gate* gate, std::string name, Task<void> task) {
  try {
    co_await task;
  } catch (const std::exception& e) {
    escaped_count.fetch_add(1);
    Logger("gate").error("task={} escaped exception: {}", name, e.what());
  }
  task = {};  // frees what it owns before the owner hears that it has ended
  if (--gate->running_ == 0) gate->changed_.notify_all();
}

Gate::~Gate() { CHECK(running_ == 0, "a gate is closed before it is destroyed"); }

bool Gate::spawn(std::string name, Task<void> task) {
  if (closing_) return false;
  ++running_;
  run(this, std::move(name), std::move(task));
  return true;
}

Task<void> Gate::close() {
  closing_ = true;
  while (running_ > 0) co_await changed_.wait();
}

uint64_t Gate::escaped() { return escaped_count.load(); }

}  // namespace isthmus::io
