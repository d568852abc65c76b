#include "process/lifecycle.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/resource.h>

#include <cstdlib>

#include "base/log.h"
#include "io/service_manager.h"
#include "io/turn_watch.h"
#include "process/config_file.h"
#include "process/metrics.h"

namespace isthmus::process {
namespace {

constexpr auto status_every = std::chrono::seconds(1);
// A start that still says so has not failed.
constexpr auto start_patience = std::chrono::seconds(60);
constexpr auto start_lines_every = std::chrono::seconds(10);
constexpr rlim_t wanted_descriptors = 20'000;  // sockets, and the files of many partitions
const Logger logger(LogComponent::process);

// A shell's usual 1,024 are fewer than the clients of one small site; the system lets a process
// have more if it asks.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < wanted_descriptors) {
    logger.warn(
        "the process may have {} descriptors, {} are wanted: raise `ulimit -n`, or "
        "LimitNOFILE of its unit",
        limit.rlim_cur, wanted_descriptors);
  }
}

Result<void> reload_from_file(Lifecycle& life, Logging& logging, const std::string& file) {
  Result<std::string> text = read_config_file(file);
  if (text) {
    logging.reload(*text, file);
    return life.reload(*text, file);
  }
  logger.error("reload refused: {}", text.error().text);
  return fail(text.error());
}

io::Task<std::optional<io::TurnWatch>> copy_of_turns() {
  const io::TurnWatch* turns = io::running_turns();
  co_return turns == nullptr ? std::nullopt : std::optional(*turns);
}

int64_t micros(io::Duration time) {
  return std::chrono::duration_cast<std::chrono::microseconds>(time).count();
}

std::string in_words(const Status& status) {
  if (!status.ready) return "STATUS=not ready: " + status.reason;
  return status.degraded.empty() ? "STATUS=ready" : "STATUS=ready, degraded: " + status.degraded;
}

void terminate(Lifecycle& life) {
  if (!life.draining()) return life.drain();
  logger.warn("second signal: ending without draining");
  std::_Exit(EXIT_FAILURE);
}

}  // namespace

void Lifecycle::begin(Ended ended) { gate_.spawn("lifecycle", live(std::move(ended))); }

void Lifecycle::drain() {
  draining_ = true;
  drain_asked_.close();
  if (!start_ended_.closed()) role_.stop_waiting();
}

Result<void> Lifecycle::reload(std::string_view text, const std::string& file) {
  if (!serving_ || draining_) return fail("it is starting or draining");
  tell_(fmt::format("RELOADING=1\nMONOTONIC_USEC={}", micros(loop_.now().time_since_epoch())));
  Result<void> taken = role_.reload(text, file);
  tell_("READY=1");
  if (taken) {
    logger.info("reloaded {}", file);
  } else {
    logger.error("reload refused: {}", taken.error().text);
  }
  return taken;
}

io::Task<void> Lifecycle::tell_of_start() {
  io::Instant next_line = loop_.now() + start_lines_every;
  while (!start_ended_.closed()) {
    const std::string what = role_.waits_for();
    std::string reason = what.empty() ? "starting" : "starting: " + what;
    if (loop_.now() >= next_line) {
      logger.info("{}", reason);
      next_line = loop_.now() + start_lines_every;
    }
    tell_(fmt::format("STATUS={}\nEXTEND_TIMEOUT_USEC={}", reason, micros(start_patience)));
    board_.publish({.ready = false, .reason = std::move(reason), .at = loop_.now()});
    co_await start_ended_.wait_until(loop_.now() + status_every);
  }
}

// Also while it drains; how long that may take is the service manager's to say.
io::Task<void> Lifecycle::pet_watchdog() {
  while (!drained_.closed()) {
    tell_("WATCHDOG=1");
    co_await drained_.wait_until(loop_.now() + status_every);
  }
}

io::Task<Result<void>> Lifecycle::start_role() {
  role_.on_failed([this](Error failure) {
    if (!failure_) failure_ = std::move(failure);
    drain();
  });
  telling_.spawn("tell of the start", tell_of_start());
  Result<void> started = co_await role_.start();
  start_ended_.close();
  co_await telling_.close();
  co_return started;
}

// Who was told to end while he waited has not failed.
Result<void> Lifecycle::outcome_of(Result<void> started, bool told_to_end) const {
  if (failure_) return fail(*failure_);
  const bool only_waited = !started && started.error().kind == Error::Kind::closed;
  if (only_waited && told_to_end) return {};
  return started;
}

io::Task<void> Lifecycle::live(Ended ended) {
  Result<void> started = co_await start_role();
  const bool told_to_end = draining_;
  if (started) {
    serving_ = true;
    tell_("READY=1");
    petting_.spawn("watchdog", pet_watchdog());
    co_await serve();
    serving_ = false;
  }
  draining_ = true;
  co_await measuring_.close();
  tell_("STOPPING=1\nSTATUS=draining");
  board_.publish(
      {.ready = false, .reason = "draining", .json = board_.read()->json, .at = loop_.now()});
  co_await role_.drain();
  drained_.close();
  co_await petting_.close();
  // Posted, so that this frame has ended when the owner acts on it.
  Result<void> outcome = outcome_of(std::move(started), told_to_end);
  loop_.post([ended = std::move(ended), outcome = std::move(outcome)] { ended(outcome); });
}

void Lifecycle::measure(std::function<void(Samples)> done) {
  if (!serving_ || draining_) return done({});
  measuring_.spawn("measure", measure_role(std::move(done)));
}

io::Task<void> Lifecycle::measure_role(std::function<void(Samples)> done) {
  io::doing("metrics");
  Samples samples = co_await role_.measure();
  for (io::Loop* loop : env_.loops) {
    const auto turns = co_await io::call_on(*loop, copy_of_turns());
    if (turns) add_turns(samples, *turns);
  }
  done(std::move(samples));
}

// A role whose status cannot be had still serves, and is drained like any other.
io::Task<Status> Lifecycle::status_of_role() {
  try {
    co_return co_await role_.status();
  } catch (const std::exception& escaped) {
    logger.error("status: {}", escaped.what());
    co_return Status{.reason = std::string("its status cannot be had: ") + escaped.what()};
  }
}

io::Task<void> Lifecycle::serve() {
  while (!draining_) {
    Status status = co_await status_of_role();
    tell_(in_words(status));
    status.at = loop_.now();
    board_.publish(std::move(status));
    co_await drain_asked_.wait_until(loop_.now() + status_every);
  }
}

Result<void> run_role(io::Runtime& runtime, Role& role, Logging& logging,
                      const RunSettings& settings) {
  raise_descriptor_limit();
  io::Loop& loop = runtime.env().main_loop();
  StatusBoard board;
  const io::ServiceManager manager = io::ServiceManager::of_environment();
  Lifecycle life(runtime.env(), role, board,
                 [&manager](std::string_view lines) { manager.tell(lines); });
  std::unique_ptr<Admin> admin;
  const auto reload = [&]() -> Result<void> {
    if (admin) admin->look();
    return reload_from_file(life, logging, settings.config_file);
  };
  if (settings.admin.bind) {
    AdminWork work{
        .measure = [&life](std::function<void(Samples)> done) { life.measure(std::move(done)); },
        .reload = reload,
        .note = [&role](server::AuditEvent event) { role.note(std::move(event)); },
        .logging = logging};
    auto started = Admin::start(settings.admin, settings.tls, loop, board, std::move(work));
    if (!started) return fail(started.error());
    admin = std::move(*started);
  }
  Result<void> outcome;
  runtime.on_signal(SIGTERM, [&life] { terminate(life); });
  runtime.on_signal(SIGINT, [&life] { terminate(life); });
  runtime.on_signal(SIGHUP, [&] { (void)reload(); });
  loop.post([&] {
    life.begin([&](Result<void> how) {
      outcome = std::move(how);
      runtime.stop();
    });
  });
  runtime.run();
  return outcome;
}

}  // namespace isthmus::process
