// Lifecycle: the life of a role in a process, from start to drained. The same for all three.
//
//   starting --ok--> serving --SIGTERM, failed--> draining --> ended
//        \--failed-----------------------------------^
//
// SIGTERM and SIGINT drain; a second one ends the process at once, which loses nothing that was
// acknowledged (it is the kill -9 that everything here survives). SIGHUP reads the configuration
// file again. While serving, the role's status is posted to the board once a second, and before
// that what its start waits for.
//
// Whoever watches over the process (io/service_manager.h) is told the same: READY=1 when the start
// has ended, from when on the role serves or says in STATUS= what it waits for; WATCHDOG=1 once a
// second, by the main loop, which thereby shows that it answers; that a start takes its time (a
// recovery, a ZooKeeper that is not there) in EXTEND_TIMEOUT_USEC=, but not that a stop does.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "io/env.h"
#include "io/event.h"
#include "io/gate.h"
#include "io/real.h"
#include "process/admin.h"
#include "process/admin_config.h"
#include "process/logging.h"
#include "process/role.h"

namespace isthmus::process {

// Lives on the main loop of `env`; the role outlives it. Knows no signals, so tests drive it over
// any Env.
class Lifecycle {
 public:
  using Ended = std::function<void(Result<void>)>;
  // Takes lines as of sd_notify(3).
  using Tell = std::function<void(std::string_view)>;

  Lifecycle(
      io::Env& env, Role& role, StatusBoard& board, Tell tell = [](std::string_view) {})
      : env_(env),
        loop_(env.main_loop()),
        role_(role),
        board_(board),
        tell_(std::move(tell)),
        drain_asked_(loop_),
        start_ended_(loop_),
        drained_(loop_),
        gate_(loop_),
        telling_(loop_),
        petting_(loop_),
        measuring_(loop_) {}

  // Starts the role. `ended` is called once, when it has drained, or why it failed; then nothing of
  // this runs any more.
  void begin(Ended ended);
  // Drains the role as soon as it has started; a start that waits for something ends. Repeating it
  // does nothing.
  void drain();
  bool draining() const { return draining_; }
  // The role's numbers; none while it does not serve. `done` is called on the loop, or never where
  // the role cannot tell.
  void measure(std::function<void(Samples)> done);
  // Hands a new text of the configuration to the role, which refuses it or takes it over. The log
  // says so, too.
  Result<void> reload(std::string_view text, const std::string& file);

 private:
  io::Task<void> live(Ended ended);
  io::Task<Result<void>> start_role();
  io::Task<void> tell_of_start();
  io::Task<void> pet_watchdog();
  Result<void> outcome_of(Result<void> started, bool told_to_end) const;
  io::Task<void> serve();
  io::Task<Status> status_of_role();
  io::Task<void> measure_role(std::function<void(Samples)> done);

  io::Env& env_;
  io::Loop& loop_;
  Role& role_;
  StatusBoard& board_;
  const Tell tell_;
  io::Event drain_asked_;
  io::Event start_ended_;
  io::Event drained_;
  io::Gate gate_;
  io::Gate telling_;
  io::Gate petting_;
  io::Gate measuring_;
  std::optional<Error> failure_;
  bool serving_ = false;
  bool draining_ = false;
};

struct RunSettings {
  AdminConfig admin;
  TlsConfigs tls;           // whose names admin.tls is among
  std::string config_file;  // read again on SIGHUP
};

// The real thing: signals, admin port and role on `runtime`, until the role has drained. Returns
// why it did not start, or could not go on, if so it was. Once per runtime. `logging` outlives it;
// a reload is for it first, whatever the role says to the rest, and while the role starts, too.
Result<void> run_role(io::Runtime& runtime, Role& role, Logging& logging,
                      const RunSettings& settings);

}  // namespace isthmus::process
