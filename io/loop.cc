#include "io/loop.h"

#include <algorithm>

#include "base/check.h"

namespace isthmus::io {

namespace {
thread_local Loop* current_loop = nullptr;
// Orders the roots of several loops that share a thread, as in the simulator.
thread_local uint64_t roots_started = 0;
}  // namespace

Loop* Loop::current() { return current_loop; }

Loop::Running::Running(Loop* loop) : before_(current_loop) { current_loop = loop; }
Loop::Running::~Running() { current_loop = before_; }

Loop::RootPlace Loop::add_root(std::coroutine_handle<> frame, const void* gate) {
  return roots_.insert(roots_.end(), Root{frame, gate, ++roots_started});
}

void Loop::destroy_root(Root& root) {
  // The frame removes itself from the list; until then nobody else may find it there.
  auto frame = std::exchange(root.frame, {});
  frame.destroy();
}

void Loop::destroy_roots_of(const void* gate) {
  CHECK(ended_, "roots are destroyed only when nothing can resume them");
  auto ours = [gate](const Root& root) { return root.gate == gate && root.frame; };
  for (;;) {
    auto newest = std::find_if(roots_.rbegin(), roots_.rend(), ours);
    if (newest == roots_.rend()) return;
    destroy_root(*newest);
  }
}

void Loop::end(std::span<Loop* const> loops) {
  for (Loop* loop : loops) loop->ended_ = true;
  // Newest first: what was started last refers to what was there before it. Searched anew each
  // time, because a frame may own gates, which free what they started.
  for (;;) {
    Root* newest = nullptr;
    Loop* home = nullptr;
    for (Loop* loop : loops) {
      auto last = std::find_if(loop->roots_.rbegin(), loop->roots_.rend(),
                               [](const Root& root) { return static_cast<bool>(root.frame); });
      if (last == loop->roots_.rend()) continue;
      if (newest != nullptr && newest->number > last->number) continue;
      newest = &*last;
      home = loop;
    }
    if (newest == nullptr) return;
    Running running(home);
    destroy_root(*newest);
  }
}

}  // namespace isthmus::io
