// AdminPages: what stands at each path of the admin port. Waits up to two seconds for the role's
// loop: called on the port's workers, several at once.
#pragma once

#include <atomic>
#include <memory>

#include "process/admin.h"
#include "process/http_request.h"

namespace isthmus::process {

class AdminPages {
 public:
  // `loop` and `board` are the role's, and outlive it.
  AdminPages(io::Loop& loop, const StatusBoard& board, AdminWork work)
      : loop_(loop), board_(board), work_(std::move(work)) {}

  // The port's clocks when it was asked.
  struct Asked {
    io::Instant at{};
    int64_t wall_ms = 0;
  };

  // `own`: what the port itself has counted.
  HttpResponse answer(const HttpRequest& request, Asked asked, Samples own) const;
  // Hands it to the role, without waiting; beyond what a role that answers has taken, lines are
  // dropped. Any thread.
  void note(server::AuditEvent event) const;

 private:
  HttpResponse metrics(Samples own) const;
  HttpResponse healthz() const;
  HttpResponse readyz() const;
  HttpResponse status(Asked asked) const;
  HttpResponse reload() const;
  HttpResponse log(const HttpRequest& request) const;

  io::Loop& loop_;
  const StatusBoard& board_;
  const AdminWork work_;
  const std::shared_ptr<std::atomic<int>> noted_ = std::make_shared<std::atomic<int>>(0);
};

}  // namespace isthmus::process
