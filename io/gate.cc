#include "io/gate.h"

#include <atomic>

#include "base/check.h"
#include "base/log.h"

namespace isthmus::io {

namespace {
std::atomic<uint64_t> escaped_count{0};
}

// A coroutine that owns itself: it starts at once and frees its frame when it ends, or is freed by
// its loop when that ends first.
struct Gate::Detached {
  struct promise_type {
    promise_type(Gate* gate, const std::string&, const Task<void>&)
        : loop(gate->changed_.loop()),
          place(loop.add_root(std::coroutine_handle<promise_type>::from_promise(*this), gate)) {}
    ~promise_type() { loop.remove_root(place); }

    Detached get_return_object() noexcept { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() noexcept {}
    void unhandled_exception() noexcept { std::terminate(); }  // run() catches everything

    Loop& loop;
    Loop::RootPlace place;
  };
};

// One conversation in the gate's count, whether it ends or its frame is destroyed.
struct Gate::Count {
  Gate* gate;
  explicit Count(Gate* g) : gate(g) { ++gate->running_; }
  ~Count() {
    if (--gate->running_ == 0) gate->changed_.notify_all();
  }
};

Gate::Detached Gate::run(Gate* gate, std::string name, Task<void> task) {
  Count count(gate);
  // Freed before the count falls: when the owner hears that it has ended, it holds nothing.
  Task<void> work = std::move(task);
  try {
    co_await work;
  } catch (const std::exception& e) {
    escaped_count.fetch_add(1);
    Logger(LogComponent::process, "gate").error("task={} escaped exception: {}", name, e.what());
  }
}

Gate::~Gate() {
  if (changed_.loop().has_ended()) changed_.loop().destroy_roots_of(this);
  CHECK(running_ == 0, "a gate is closed before it is destroyed");
}

bool Gate::spawn(std::string name, Task<void> task) {
  if (closing_ || changed_.loop().has_ended()) return false;
  run(this, std::move(name), std::move(task));
  return true;
}

Task<void> Gate::close() {
  closing_ = true;
  while (running_ > 0) co_await changed_.wait();
}

uint64_t Gate::escaped() { return escaped_count.load(); }

}  // namespace isthmus::io
