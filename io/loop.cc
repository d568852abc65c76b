#include "io/loop.h"

namespace isthmus::io {

namespace {
thread_local Loop* current_loop = nullptr;
}

Loop* Loop::current() { return current_loop; }

Loop::Running::Running(Loop* loop) : before_(current_loop) { current_loop = loop; }
Loop::Running::~Running() { current_loop = before_; }

}  // namespace isthmus::io
