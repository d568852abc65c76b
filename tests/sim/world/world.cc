#include "tests/sim/world/world.h"

#include <algorithm>

#include "base/check.h"

namespace isthmus::sim {

// Each process draws from its own sequence, so that one more draw in one does not change the rest.
class SimProcess::Randomness final : public io::Random {
 public:
  explicit Randomness(uint64_t seed) : prng_(seed) {}
  void fill(MutableBytes out) override {
    for (auto& byte : out) byte = static_cast<uint8_t>(prng_.next() >> 32);
  }

 private:
  Prng prng_;
};

namespace {

std::vector<std::unique_ptr<SimLoop>> make_loops(size_t count, Schedule& schedule,
                                                 const WallClock& wall, const SteadyClock& steady) {
  CHECK(count >= 1, "a process has at least one loop");
  std::vector<std::unique_ptr<SimLoop>> loops;
  for (size_t i = 0; i < count; ++i) {
    loops.push_back(std::make_unique<SimLoop>(schedule, wall, steady));
  }
  // Code that keeps loops in order of their addresses must find them in one order in every run.
  std::ranges::sort(loops);
  return loops;
}

std::vector<io::Loop*> pointers(const std::vector<std::unique_ptr<SimLoop>>& loops) {
  std::vector<io::Loop*> all;
  for (const auto& loop : loops) all.push_back(loop.get());
  return all;
}

}  // namespace

SimProcess::SimProcess(SimWorld& world, SimHost& host, uint64_t number, size_t loops)
    : world_(world),
      host_(host),
      number_(number),
      loops_(make_loops(loops, world.schedule_, host.wall_, host.steady_)),
      disk_(host.volume_, *loops_[0]),
      network_(world.network_.for_process({&host.machine_, number})),
      random_(std::make_unique<Randomness>(world.random().next())),
      workers_(world.schedule_),
      env_{pointers(loops_), disk_, *network_, *random_, workers_},
      gate_(std::make_unique<io::Gate>(*loops_[0])) {}

SimProcess::~SimProcess() { CHECK(!running_, "the world ends its processes first"); }

ProcessId SimProcess::id() const { return {&host_.machine_, number_}; }

void SimProcess::spawn(std::string name, io::Task<void> task) {
  SimLoop::Running running(&main_loop());
  gate_->spawn(std::move(name), std::move(task));
}

void SimProcess::kill() {
  if (!running_) return;
  auto ours = [](const auto& loop) { return loop.get() == io::Loop::current(); };
  if (std::any_of(loops_.begin(), loops_.end(), ours)) {
    // Its frames are on the stack now.
    world_.schedule_.after(Duration::zero(), [this] { kill(); });
    return;
  }
  world_.schedule_.count_fault("process killed");
  end(false);
}

void SimProcess::end(bool silently) {
  running_ = false;
  std::erase(host_.processes_, this);
  world_.schedule_.note(number_);
  // A machine without power says nothing, so its streams must be mute before they are destroyed.
  if (silently) world_.network_.process_ended(id(), true);
  SimLoop::end(env_.loops);
  {
    SimLoop::Running running(&main_loop());
    for (const auto& loop : loops_) loop->drop_all();
    gate_.reset();
    while (!owned_.empty()) owned_.pop_back();
  }
  world_.network_.process_ended(id(), silently);
}

void SimProcess::pause() {
  world_.schedule_.count_fault("process paused");
  for (const auto& loop : loops_) loop->pause();
}

void SimProcess::pause_loop(size_t which) {
  world_.schedule_.count_fault("loop paused");
  loops_.at(which)->pause();
}

void SimProcess::resume() {
  for (const auto& loop : loops_) loop->resume();
}

SimHost::SimHost(SimWorld& world, std::string name)
    : world_(world),
      machine_{std::move(name)},
      volume_(std::make_shared<Volume>(world.schedule())) {
  world_.network_.add(machine_);
}

SimProcess& SimHost::start_process(size_t loops) {
  if (!machine_.powered) {
    machine_.powered = true;
    world_.network_.machine_started();
  }
  auto number = world_.processes_.size() + 1;
  world_.processes_.push_back(std::make_unique<SimProcess>(world_, *this, number, loops));
  processes_.push_back(world_.processes_.back().get());
  return *processes_.back();
}

void SimHost::kill() {
  const auto all = processes_;
  for (SimProcess* process : all) process->kill();
}

void SimHost::crash() {
  CHECK(io::Loop::current() == nullptr, "a machine crashes between callbacks: SimWorld::after");
  if (!machine_.powered) return;
  world_.schedule_.count_fault("machine crashed");
  machine_.powered = false;
  const auto all = processes_;
  for (SimProcess* process : all) process->end(true);
  volume_->crash();
}

void SimHost::jump_wall_clock(int64_t by_ms) {
  world_.schedule_.count_fault("wall clock jumped");
  wall_.offset_ms += by_ms;
}

void SimHost::run_fast(int64_t per_cent) {
  CHECK(processes_.empty(), "a steady clock changes its pace while nobody reads it");
  world_.schedule_.count_fault("steady clock fast");
  steady_ = {per_cent, world_.now()};
}

SimWorld::SimWorld(uint64_t seed) : seed_(seed), schedule_(seed), network_(schedule_) {}

SimWorld::~SimWorld() {
  for (const auto& process : processes_) {
    if (process->running()) process->end(true);
  }
  // Events and connections refer to loops, which go with the processes.
  schedule_.clear();
  network_.clear();
}

SimHost& SimWorld::add_host(const std::string& name) {
  auto& host = hosts_[name];
  CHECK(!host, "one machine per name");
  host = std::make_unique<SimHost>(*this, name);
  return *host;
}

SimHost& SimWorld::host(const std::string& name) {
  auto found = hosts_.find(name);
  CHECK(found != hosts_.end(), "no such machine");
  return *found->second;
}

void SimWorld::after(Duration delay, Schedule::Callback callback) {
  schedule_.after(delay, std::move(callback));
}

bool SimWorld::run_until(const std::function<bool()>& done, Duration at_most) {
  const Instant limit = now() + at_most;
  while (!done()) {
    if (!schedule_.step(limit)) return done();
    if (check_) check_();
  }
  return true;
}

void SimWorld::run_for(Duration time) {
  run_until([] { return false; }, time);
}

}  // namespace isthmus::sim
