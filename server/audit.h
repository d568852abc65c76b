// Audit: writes who did what as lines of JSON, to a file or to the standard error.
//
// note() may be called on any loop and never waits for the file: lines are written by the workers,
// a few of them together, at most write_interval later. A file that fails is tried again with the
// same lines, behind whatever part of them it holds: rather twice than not at all. Meanwhile the
// queue fills up, and what does not fit is counted.
//
// Owned by the role (broker, router), on whose main loop all but note() and enabled() is
// called; outlives the connections. The one lock of it is held for an insertion, by those who have
// something to tell.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "base/samples.h"
#include "io/env.h"
#include "io/event.h"
#include "server/audit_queue.h"

namespace isthmus::server {

class Audit {
 public:
  struct Options {
    std::string file;  // empty: none
    bool to_stderr = false;
  };
  static constexpr auto write_interval = std::chrono::milliseconds(100);
  static constexpr auto retry_interval = std::chrono::seconds(1);

  Audit(io::Env& env, Options options) : env_(env), options_(std::move(options)) {}

  bool enabled() const { return options_.to_stderr || !options_.file.empty(); }
  // Whether the file can be had at all; before anybody is served.
  Result<void> open();
  void note(AuditEvent event, io::Instant now);
  // The file has been renamed (logrotate): what comes next goes to a new one of its name.
  void reopen() { reopen_ = true; }
  io::Task<void> keep_writing(io::Event& stop);
  // What waits now. REQUIRES: keep_writing() has ended.
  io::Task<void> flush();
  void add_to(Samples& samples);

 private:
  bool has_work();
  // On a worker, one at a time.
  Result<void> write();
  Result<void> put(const std::string& lines);

  io::Env& env_;
  const Options options_;
  std::mutex mutex_;  // of the queue
  AuditQueue queue_;
  std::atomic<bool> reopen_ = false;
  bool failing_ = false;

  // Of write() alone.
  std::shared_ptr<io::File> file_;
  std::string unwritten_;
  bool torn_ = false;  // the file may end within a line
  std::array<uint64_t, audit_outcomes> in_unwritten_{};

  std::array<std::atomic<uint64_t>, audit_outcomes> written_{};
};

}  // namespace isthmus::server
