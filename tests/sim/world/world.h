// SimWorld: machines, their disks and the lines between them, in one thread and virtual time.
//
//   SimWorld world(seed);
//   SimHost& a = world.add_host("a1");
//   SimProcess& broker = a.start_process();
//   auto& service = broker.make<Service>(broker.env());   // production code, over io::Env
//   broker.spawn("service", service.run());
//   bool done = world.run_until([&] { return service.ready(); }, std::chrono::seconds(10));
//   a.crash();                                            // power loss; start_process() boots it
//
// Everything that happens follows from the seed: two worlds of one seed, driven alike, have equal
// trace_hash(). Faults go through hosts, disks (SimHost::disk) and lines (SimWorld::network), are
// counted, and may be scheduled with at()/after(). Nothing here is thread-safe.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "io/env.h"
#include "io/gate.h"
#include "tests/sim/world/sim_disk.h"
#include "tests/sim/world/sim_loop.h"
#include "tests/sim/world/sim_network.h"
#include "tests/sim/world/sim_workers.h"

namespace isthmus::sim {

class SimHost;
class SimWorld;

// One run of a program on a machine. Owned by its world until the world's end, dead or alive.
class SimProcess {
 public:
  SimProcess(SimWorld& world, SimHost& host, uint64_t number, size_t loops);
  ~SimProcess();

  io::Env& env() { return env_; }
  SimHost& host() { return host_; }
  SimWorkers& workers() { return workers_; }
  bool running() const { return running_; }

  // Makes an object of this process on its main loop. It lives until the process ends: destroyed
  // then, newest first, after every coroutine frame.
  template <typename T, typename... Args>
  T& make(Args&&... args) {
    SimLoop::Running running(&main_loop());
    auto object = std::make_shared<T>(std::forward<Args>(args)...);
    owned_.push_back(object);
    return *object;
  }
  // Starts a coroutine on the main loop, at once, as main() would.
  void spawn(std::string name, io::Task<void> task);

  // kill -9: nothing of it runs again, its frames and objects are freed, the kernel closes its
  // connections. From inside the process it happens as soon as the current callback has ended.
  void kill();
  // SIGSTOP and SIGCONT: its kernel goes on receiving, it does not run.
  void pause();
  // One loop of several stands still, as in a call that does not return; resume() ends that too.
  void pause_loop(size_t which);
  void resume();

 private:
  friend class SimHost;
  friend class SimWorld;
  class Randomness;
  SimLoop& main_loop() { return *loops_[0]; }
  ProcessId id() const;
  void end(bool silently);

  SimWorld& world_;
  SimHost& host_;
  const uint64_t number_;
  std::vector<std::unique_ptr<SimLoop>> loops_;
  SimDisk disk_;
  std::unique_ptr<io::Network> network_;
  std::unique_ptr<Randomness> random_;
  SimWorkers workers_;
  io::Env env_;
  std::unique_ptr<io::Gate> gate_;
  std::vector<std::shared_ptr<void>> owned_;
  bool running_ = true;
};

// One machine. Owned by the world.
class SimHost {
 public:
  SimHost(SimWorld& world, std::string name);

  const std::string& name() const { return machine_.name; }
  // Boots the machine if it was down.
  SimProcess& start_process(size_t loops = 1);
  // Kills what runs on it; the machine stays up.
  void kill();
  // Power loss: everything on it ends without a word, and the disk keeps only what was synced, and
  // a random part of the rest.
  void crash();
  bool powered() const { return machine_.powered; }
  Volume& disk() { return *volume_; }
  // The calendar jumps; the steady clock does not.
  void jump_wall_clock(int64_t by_ms);
  // Of what is started from now on. REQUIRES: nothing runs on it.
  void run_fast(int64_t per_cent);

 private:
  friend class SimProcess;
  SimWorld& world_;
  Machine machine_;
  WallClock wall_;
  SteadyClock steady_;
  std::shared_ptr<Volume> volume_;
  std::vector<SimProcess*> processes_;  // running ones, in order of starting
};

class SimWorld {
 public:
  explicit SimWorld(uint64_t seed);
  ~SimWorld();
  SimWorld(const SimWorld&) = delete;
  SimWorld& operator=(const SimWorld&) = delete;

  SimHost& add_host(const std::string& name);
  SimHost& host(const std::string& name);
  SimNetwork& network() { return network_; }
  Prng& random() { return schedule_.random(); }
  Schedule& schedule() { return schedule_; }

  Instant now() const { return schedule_.now(); }
  void after(Duration delay, Schedule::Callback callback);

  // Runs until `done` (asked after every step) or until so much virtual time has passed; true if
  // done. When nothing is left to happen it stops at the deadline too.
  bool run_until(const std::function<bool()>& done, Duration at_most);
  void run_for(Duration time);
  // Called after every step: the place of invariants.
  void after_each_step(std::function<void()> check) { check_ = std::move(check); }

  uint64_t seed() const { return seed_; }
  uint64_t trace_hash() const { return schedule_.trace_hash(); }
  // How often each fault was injected, by name.
  const std::map<std::string, uint64_t>& faults() const { return schedule_.faults(); }

 private:
  friend class SimHost;
  friend class SimProcess;

  const uint64_t seed_;
  Schedule schedule_;
  SimNetwork network_;
  std::map<std::string, std::unique_ptr<SimHost>> hosts_;
  std::vector<std::unique_ptr<SimProcess>> processes_;
  std::function<void()> check_;
};

}  // namespace isthmus::sim
