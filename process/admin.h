// Admin: the port at which a process tells about itself, by HTTP, or HTTPS where its section names
// a certificate.
//
//   GET /metrics   what the role counts (docs/metrics.md); 503 where its loops do not answer in 2 s
//   GET /healthz   200 if the main loop answers within 2 s, else 503
//   GET /readyz    200 if the role serves, else 503 and the reason. 200 with "ready, degraded: ..."
//                  if it does not serve all: who asks here (a load balancer, an orchestrator) would
//                  take away, or restart, what serves the rest
//   GET /status    what the role last said about itself, one JSON object (docs/status.md)
//   GET /          a page that shows it (process/page/)
//   GET /log       which levels of the log are in force (process/logging.h), one JSON object
//   POST /log/mirror=debug, POST /log/debug
//                  sets the level of a component, or of all, until the next reload or restart; also
//                  while the main loop stands. An operator's
//   POST /reload   what SIGHUP does; 409 and the reason if the role refuses it. An operator's
//
// Who may ask for what decides AdminAccess (process/admin_access.h). Each connection is for one
// request and has ten seconds; so many may be open, beyond that the oldest ends, because one that
// means it takes milliseconds.
//
// Lives on a loop and a thread of its own, which answer while the role's do not. It never touches
// the role: it reads the board, to which the role's loop posts copies, and waits on its workers for
// what it has asked that loop for.
#pragma once

#include <functional>
#include <memory>

#include "base/error.h"
#include "base/published.h"
#include "base/samples.h"
#include "io/loop.h"
#include "io/stream.h"
#include "process/admin_config.h"
#include "process/logging.h"
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

// What the port asks the role for. Each is called on the role's loop; `logging` is any thread's,
// and outlives the port.
struct AdminWork {
  // Calls back there, or drops the callback where there is nobody to ask.
  std::function<void(std::function<void(Samples)>)> measure;
  std::function<Result<void>()> reload;
  std::function<void(server::AuditEvent)> note;
  Logging& logging;
};

class Admin {
 public:
  // Listens at config.bind (port 0: any) until destroyed; fails at once if it cannot, or if a
  // certificate or a password cannot be read. `loop`, `board` and what `work` needs outlive it.
  // REQUIRES: config.bind, and that problem_of(config) has found nothing.
  static Result<std::unique_ptr<Admin>> start(const AdminConfig& config, const TlsConfigs& tls,
                                              io::Loop& loop, const StatusBoard& board,
                                              AdminWork work);
  ~Admin();
  Admin(const Admin&) = delete;
  Admin& operator=(const Admin&) = delete;

  const io::Address& local() const;
  // Looks at certificates and passwords again; it does so by itself every few seconds. Any thread.
  void look();

 private:
  struct Impl;
  explicit Admin(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace isthmus::process
