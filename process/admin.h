// Admin: the port at which a process tells about itself, in plain HTTP, on threads of its own.
//
//   /metrics   what the role counts (docs/metrics.md); 503 if its loops do not answer within 2 s
//   /healthz   200 if the main loop answers within 2 s, else 503
//   /readyz    200 if the role serves, else 503 and the reason. 200 with "ready, degraded: ..." if
//   it
//              does not serve all: who asks here (a load balancer, an orchestrator) would take
//              away, or restart, what serves the rest
//   /status    what the role last said about itself, one JSON object
//
// Its threads never touch the role: they read the board, to which the loop posts copies, and wait
// for the numbers that they have asked the loop for.
#pragma once

#include <functional>
#include <memory>

#include "base/error.h"
#include "base/published.h"
#include "base/samples.h"
#include "io/loop.h"
#include "io/stream.h"
#include "process/role.h"

namespace isthmus::process {

// The latest status of a role. Any thread.
class StatusBoard {
 public:
  void publish(Status status) { status_.store(std::make_shared<const Status>(std::move(status))); }
  std::shared_ptr<const Status> read() const { return status_.load(); }

 private:
  Published<Status> status_{
      std::make_shared<const Status>(Status{.ready = false, .reason = "starting"})};
};

// Called on the loop; calls back there, or drops the callback where there is nobody to ask.
using Measure = std::function<void(std::function<void(Samples)>)>;

class Admin {
 public:
  // Listens on `bind` (port 0: any) until destroyed; fails at once if it cannot. `loop`, `board`
  // and what `measure` needs outlive it.
  static Result<std::unique_ptr<Admin>> start(const io::Address& bind, io::Loop& loop,
                                              const StatusBoard& board, Measure measure);
  ~Admin();
  Admin(const Admin&) = delete;
  Admin& operator=(const Admin&) = delete;

  const io::Address& local() const;

 private:
  struct Impl;
  explicit Admin(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace isthmus::process
