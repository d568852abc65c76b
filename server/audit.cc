#include "server/audit.h"

#include <cstdio>
#include <utility>

#include "base/log.h"

namespace isthmus::server {

namespace {

// One call, which stdio does not mix with those of the log.
Result<void> put_to_stderr(const std::string& lines) {
  const size_t count = std::fwrite(lines.data(), 1, lines.size(), stderr);
  if (count == lines.size()) return {};
  std::clearerr(stderr);
  return fail(Error::io(errno, "cannot write to the standard error"));
}

}  // namespace

Result<void> Audit::open() {
  if (options_.file.empty()) return {};
  auto file = env_.disk.open(options_.file, io::Disk::Open::create);
  if (!file) return fail("audit.file: " + file.error().text);
  file_ = std::move(*file);
  return {};
}

void Audit::note(AuditEvent event, io::Instant now) {
  const std::lock_guard guard(mutex_);
  queue_.add(std::move(event), now);
}

bool Audit::has_work() {
  if (failing_ || reopen_) return true;
  const std::lock_guard guard(mutex_);
  return !queue_.empty();
}

io::Task<void> Audit::keep_writing(io::Event& stop) {
  io::Loop& loop = env_.main_loop();
  while (!stop.closed()) {
    const io::Duration pause = failing_ ? io::Duration(retry_interval) : write_interval;
    co_await stop.wait_until(loop.now() + pause);
    co_await flush();
  }
}

io::Task<void> Audit::flush() {
  if (!enabled() || !has_work()) co_return;
  auto done = co_await io::run_on(env_.workers, [this] { return write(); });
  if (!done && !failing_) {
    Logger(LogComponent::audit)
        .error("lines cannot be written, tried again: {}", done.error().text);
  } else if (done && failing_) {
    Logger(LogComponent::audit).warn("lines are written again");
  }
  failing_ = !done;
}

Result<void> Audit::write() {
  if (unwritten_.empty()) {
    std::vector<AuditEvent> events;
    {
      const std::lock_guard guard(mutex_);
      events = queue_.take();
    }
    for (const AuditEvent& event : events) {
      unwritten_ += audit_line(event) + "\n";
      ++in_unwritten_[static_cast<size_t>(event.outcome)];
    }
  }
  if (auto done = put(unwritten_); !done) return done;
  unwritten_.clear();
  for (size_t i = 0; i < written_.size(); ++i) written_[i] += std::exchange(in_unwritten_[i], 0);
  return {};
}

Result<void> Audit::put(const std::string& lines) {
  if (options_.to_stderr) {
    reopen_ = false;
    return put_to_stderr(lines);
  }
  if (reopen_.exchange(false)) file_.reset();
  if (!file_) {
    if (auto opened = open(); !opened) return opened;
  }
  if (lines.empty()) return {};
  auto done = file_->append(as_bytes(torn_ ? "\n" + lines : lines));
  // What has failed stays so; another look at the path may find another file. A part of the lines
  // may be there.
  if (done) {
    torn_ = false;
  } else if (!io::lacks_room(done.error())) {
    torn_ = true;
    file_.reset();
  }
  return done;
}

void Audit::add_to(Samples& samples) {
  if (!enabled()) return;
  for (size_t i = 0; i < written_.size(); ++i) {
    const std::string outcome(to_string(static_cast<AuditOutcome>(i)));
    samples.add(metric::audit_lines, static_cast<double>(written_[i]), {outcome});
  }
  const std::lock_guard guard(mutex_);
  samples.add(metric::audit_dropped, static_cast<double>(queue_.dropped()));
}

}  // namespace isthmus::server
