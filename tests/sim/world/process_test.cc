#include <gtest/gtest.h>

#include "tests/sim/world/world.h"

namespace isthmus::sim {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

// A program with everything that a kill must free: gates, events with deadlines, sleeps, work on
// another loop, a file being synced, a listener, and streams both ways.
class Program {
 public:
  explicit Program(io::Env& env, int* alive)
      : env_(env),
        alive_(alive),
        gate_(env.main_loop()),
        other_gate_(*env.loops.back()),
        changed_(env.main_loop()) {
    ++*alive_;
  }
  ~Program() { --*alive_; }

  io::Task<void> run(std::string peer) {
    listener_ = *env_.network.listen(env_.main_loop(), {"0.0.0.0", 9092});
    gate_.spawn("accept", accept_all());
    gate_.spawn("wait", wait_forever());
    gate_.spawn("sync", sync_forever());
    for (int i = 0; i < 3; ++i) gate_.spawn("talk", talk_forever(peer));
    co_await io::sleep(env_.main_loop(), hours(1));
  }

  uint64_t echoed = 0;

 private:
  // Counted alive while its frame is.
  struct Frame {
    int* alive;
    explicit Frame(int* a) : alive(a) { ++*alive; }
    ~Frame() { --*alive; }
  };

  io::Task<void> accept_all() {
    Frame frame(alive_);
    for (;;) {
      auto stream = co_await listener_->accept(env_.main_loop());
      if (!stream) co_return;
      gate_.spawn("echo", echo(std::move(*stream)));
    }
  }
  io::Task<void> echo(std::unique_ptr<io::Stream> stream) {
    Frame frame(alive_);
    std::vector<uint8_t> buffer(100);
    for (;;) {
      auto n = co_await stream->read_some(buffer);
      if (!n || *n == 0) co_return;
      auto sent = co_await stream->write(Rope(Slice::copy_of(Bytes(buffer).first(*n))));
      if (!sent) co_return;
    }
  }
  io::Task<void> talk_forever(std::string peer) {
    Frame frame(alive_);
    io::Gate own(env_.main_loop());  // a conversation with helpers of its own
    io::Event never(env_.main_loop());
    own.spawn("helper", helper(never));
    for (;;) {
      auto stream = co_await env_.network.dial({peer, 9092}, env_.main_loop().now() + seconds(1));
      if (!stream) {
        co_await io::sleep(env_.main_loop(), milliseconds(50));
        continue;
      }
      co_await ask(**stream);
    }
  }
  io::Task<void> ask(io::Stream& stream) {
    std::vector<uint8_t> buffer(100);
    for (;;) {
      auto sent = co_await stream.write(Rope(Slice::copy_of(std::string_view("ping"))));
      if (!sent) co_return;
      auto n = co_await stream.read_some(buffer);
      if (!n || *n == 0) co_return;
      echoed += *n;
      changed_.notify_all();
      co_await io::call_on(*env_.loops.back(), pause());
    }
  }
  io::Task<void> pause() { co_await io::sleep(*env_.loops.back(), milliseconds(3)); }
  io::Task<void> helper(io::Event& event) {
    Frame frame(alive_);
    co_await event.wait_until(env_.main_loop().now() + hours(1));
  }
  io::Task<void> wait_forever() {
    Frame frame(alive_);
    for (;;) co_await changed_.wait_until(env_.main_loop().now() + seconds(30));
  }
  io::Task<void> sync_forever() {
    Frame frame(alive_);
    env_.disk.make_folders("/data").value();
    auto file = *env_.disk.open("/data/log", io::Disk::Open::create);
    for (;;) {
      file->append(as_bytes("x")).value();
      auto done = co_await file->sync();
      if (!done) co_return;
    }
  }

  io::Env& env_;
  int* alive_;
  io::Gate gate_;
  io::Gate other_gate_;
  io::Event changed_;
  std::unique_ptr<io::Listener> listener_;
};

// Two machines whose programs talk to each other, killed, crashed, cut and paused by the seed.
class Pair {
 public:
  explicit Pair(uint64_t seed) : world(seed) {
    for (const char* name : {"a", "b"}) {
      world.add_host(name);
      start(name);
    }
  }
  void start(const std::string& name) {
    auto& process = world.host(name).start_process(2);
    auto& program = process.make<Program>(process.env(), &alive);
    process.spawn("program", program.run(name == "a" ? "b" : "a"));
    running[name] = &process;
    programs[name] = &program;
  }
  void disturb() {
    std::string name = world.random().below(2) == 0 ? "a" : "b";
    switch (world.random().below(5)) {
      case 0: world.host(name).kill(); return start(name);
      case 1: world.host(name).crash(); return start(name);
      case 2: return world.network().cut("a", "b");
      case 3: return running[name]->pause();
      default:
        world.network().heal_all();
        for (auto& [_, process] : running) process->resume();
    }
  }
  uint64_t run() {
    for (int i = 0; i < 20; ++i) {
      world.run_for(world.random().between(Duration::zero(), milliseconds(300)));
      disturb();
    }
    return world.trace_hash();
  }

  int alive = 0;
  SimWorld world;
  std::map<std::string, SimProcess*> running;
  std::map<std::string, Program*> programs;
};

TEST(Replay, EqualSeedsGiveEqualTracesAndOthersDoNot) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    uint64_t first = Pair(seed).run();
    EXPECT_EQ(first, Pair(seed).run());
    EXPECT_NE(first, Pair(seed + 100).run());
  }
}

TEST(Kill, FreesEverythingAtAnyMoment) {
  uint64_t killed = 0;
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    Pair pair(seed);
    pair.run();
    for (const char* name : {"a", "b"}) pair.world.host(name).kill();
    ASSERT_EQ(pair.alive, 0) << "seed " << seed;
    pair.world.run_for(seconds(1));  // nothing of the dead may run
    killed += pair.world.faults().at("process killed");
  }
  EXPECT_GT(killed, 300u);
}

TEST(Kill, TheWorldsEndFreesWhatStillRuns) {
  int alive = -1;
  {
    Pair pair(1);
    pair.world.run_for(seconds(1));
    EXPECT_GT(pair.programs["a"]->echoed, 0u);
    EXPECT_GT(pair.alive, 10);
    alive = pair.alive;
    for (auto& [_, process] : pair.running) process->kill();
    alive = pair.alive;
  }
  EXPECT_EQ(alive, 0);
}

io::Task<void> kill_self(SimProcess& process, bool& after) {
  process.kill();
  EXPECT_TRUE(process.running()) << "its frames are on the stack";
  co_await io::sleep(process.env().main_loop(), milliseconds(1));
  after = true;
}

TEST(Kill, FromInsideHappensAfterTheCallback) {
  SimWorld world(1);
  auto& process = world.add_host("a").start_process();
  bool after = false;
  process.spawn("suicide", kill_self(process, after));
  world.run_for(seconds(1));
  EXPECT_FALSE(process.running());
  EXPECT_FALSE(after);
}

io::Task<void> tick(io::Loop& loop, int& ticks) {
  for (;;) {
    co_await io::sleep(loop, milliseconds(10));
    ++ticks;
  }
}

TEST(Pause, StopsTheProcessAndResumesIt) {
  SimWorld world(1);
  auto& process = world.add_host("a").start_process();
  int ticks = 0;
  process.spawn("tick", tick(process.env().main_loop(), ticks));
  world.run_for(milliseconds(55));
  EXPECT_EQ(ticks, 5);
  process.pause();
  world.run_for(seconds(10));
  EXPECT_EQ(ticks, 5);
  process.resume();
  world.run_for(milliseconds(55));
  EXPECT_GE(ticks, 10);
}

TEST(Clock, TheCalendarJumpsAndTheSteadyClockDoesNot) {
  SimWorld world(1);
  auto& host = world.add_host("a");
  auto& loop = host.start_process().env().main_loop();
  int64_t wall = loop.wall_ms();
  auto steady = loop.now();
  world.run_for(seconds(2));
  EXPECT_EQ(loop.wall_ms() - wall, 2000);
  host.jump_wall_clock(-3'600'000);
  EXPECT_EQ(loop.wall_ms() - wall, 2000 - 3'600'000);
  EXPECT_EQ(loop.now() - steady, seconds(2));
}

TEST(Clock, ASteadyClockThatRunsFastKeepsDeadlinesByItself) {
  SimWorld world(1);
  auto& host = world.add_host("a");
  world.run_for(seconds(7));
  host.run_fast(5);
  auto& loop = host.start_process().env().main_loop();
  const auto begin = loop.now();
  const Instant began = world.now();
  EXPECT_EQ(begin, began);
  Instant rang{}, shown{};
  loop.run_at(begin + seconds(21), [&] {
    rang = world.now();
    shown = loop.now();
  });
  loop.run_at(Instant::max(), [] { FAIL() << "there is no such time"; });
  world.run_for(seconds(30));
  EXPECT_GE(shown, begin + seconds(21)) << "never before its time, by its own clock";
  EXPECT_LT(rang - began, seconds(20) + milliseconds(1));
  EXPECT_GE(rang - began, seconds(20));
}

TEST(World, RunUntilSaysWhetherItHappenedAndChecksEachStep) {
  SimWorld world(1);
  bool happened = false;
  int checked = 0;
  world.after_each_step([&] { ++checked; });
  world.after(seconds(5), [&] { happened = true; });
  EXPECT_FALSE(world.run_until([&] { return happened; }, seconds(4)));
  EXPECT_EQ(checked, 0);
  EXPECT_TRUE(world.run_until([&] { return happened; }, seconds(4)));
  EXPECT_EQ(checked, 1);
}

}  // namespace
}  // namespace isthmus::sim
