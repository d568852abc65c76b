// Role: what broker, mirror and router are to the process that runs them (process/lifecycle.h) and
// to the simulator.
//
// Lives on the main loop of its Env, where all members are called, one at a time: on_failed() and
// start() once, then status() and reload() any number of times, then drain() once, also after a
// start() that failed. measure() may run beside status(), reload() and itself; waits_for() and
// stop_waiting() are for while start() runs. Destroyed after drain() has ended or the loops have.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/samples.h"
#include "io/loop.h"
#include "io/task.h"
#include "server/audit_event.h"

namespace isthmus::process {

// What /readyz and /status tell. A copy: admin threads read it while the role goes on.
struct Status {
  bool ready = false;
  std::string reason;       // of not being ready, one line
  std::string degraded;     // what is not served although it is ready, one line
  std::string json = "{}";  // one JSON object, without the members that /status itself adds
  io::Instant at{};         // when it was so
};

class Role {
 public:
  virtual ~Role() = default;

  // Returns when the role serves, or why it cannot: one line for the operator, who finds nothing
  // changed by it (a port in use, a data folder of another cluster).
  virtual io::Task<Result<void>> start() = 0;
  // What start() waits for, or how far it is, one line; empty: nothing to speak of.
  virtual std::string waits_for() { return {}; }
  // start() ends soon where it waits for something, with Error::closed.
  virtual void stop_waiting() {}
  // `failed` is called when the role cannot go on, and drain() has to come: a supervisor starts the
  // process anew.
  virtual void on_failed(std::function<void(Error)> failed) {}
  // Stops taking work, ends what is under way in order, makes everything durable.
  virtual io::Task<void> drain() = 0;
  // Takes over from the file's text what may change while running. After an error, everything is as
  // before. `file` is what errors call it.
  virtual Result<void> reload(std::string_view text, const std::string& file) = 0;
  // Asked for once a second.
  virtual io::Task<Status> status() = 0;
  // Its numbers now. Asked for while it serves, when somebody scrapes.
  virtual io::Task<Samples> measure() = 0;
  // What the admin port has to say to the audit, at any time; dropped where the role has none.
  virtual void note(server::AuditEvent event) {}
};

}  // namespace isthmus::process
