// Gate: counts the conversations that an owner has started, so that it can stop: refuse new ones,
// wait until the last has ended. spawn() is the only way to start a coroutine that nobody awaits;
// what escapes it as an exception is logged and counted, never dropped.
//
// Lives on one loop, owned by whoever spawns. close() before destruction is required while
// anything runs, except on a loop that has ended (Loop::has_ended): there the gate frees the frames
// of what it started.
#pragma once

#include <string>

#include "io/event.h"
#include "io/loop.h"
#include "io/task.h"

namespace isthmus::io {

class Gate {
 public:
  explicit Gate(Loop& loop) : changed_(loop) {}
  ~Gate();

  // Starts `task` at once on the gate's loop, unless the gate is closed or the loop has ended (the
  // task is then dropped unstarted and false returned). `name` appears in the log if an exception
  // escapes.
  // REQUIRES: called on the gate's loop.
  bool spawn(std::string name, Task<void> task);

  bool closing() const { return closing_; }
  size_t running() const { return running_; }
  // Refuses new work and returns when the last conversation has ended. Ending them is the owner's
  // job: close their streams, their events.
  Task<void> close();
  // Refuses new work without waiting.
  void begin_close() { closing_ = true; }

  // How many exceptions have escaped spawned tasks, in this process.
  static uint64_t escaped();

 private:
  struct Detached;
  struct Count;
  static Detached run(Gate* gate, std::string name, Task<void> task);

  Event changed_;
  size_t running_ = 0;
  bool closing_ = false;
};

}  // namespace isthmus::io
