#include <csignal>
#include <thread>

#include "tests/io/real_world.h"

namespace isthmus::io {
namespace {

Task<void> collect(Loop& loop, std::vector<int>& order) {
  const Instant begun = loop.now();
  for (int ms : {30, 10, 40, 20}) {
    loop.run_at(begun + milliseconds(ms), [&order, ms] { order.push_back(ms); });
  }
  co_await sleep(loop, milliseconds(50));
}

TEST(RealLoop, TimersFireInOrderOfTime) {
  RealWorld world;
  std::vector<int> order;
  world.run(collect(world.loop(), order));
  EXPECT_EQ(order, (std::vector{10, 20, 30, 40}));
}

Task<void> cancel_one(Loop& loop, int& fired) {
  auto first = loop.run_at(loop.now() + milliseconds(5), [&] { ++fired; });
  loop.run_at(loop.now() + milliseconds(5), [&] { ++fired; });
  loop.cancel(first);
  co_await sleep(loop, milliseconds(20));
}

TEST(RealLoop, ACancelledTimerDoesNotFire) {
  RealWorld world;
  int fired = 0;
  world.run(cancel_one(world.loop(), fired));
  EXPECT_EQ(fired, 1);
}

Task<std::thread::id> where() { co_return std::this_thread::get_id(); }

Task<void> ask_the_other(RealWorld& world, std::thread::id& here, std::thread::id& there) {
  there = co_await call_on(world.loop(1), where());
  here = co_await where();
  EXPECT_EQ(Loop::current(), &world.loop(0));
}

TEST(RealLoop, CallOnRunsThereAndComesBack) {
  RealWorld world(2);
  std::thread::id here, there;
  world.run(ask_the_other(world, here, there));
  EXPECT_EQ(here, std::this_thread::get_id());
  EXPECT_NE(there, here);
}

Task<void> wait_for(Event& event, bool& flag, int& woken) {
  while (!flag) co_await event.wait();
  ++woken;
}

Task<void> wake_all(RealWorld& world, int& woken) {
  Event event(world.loop());
  bool flag = false;
  Gate waiters(world.loop());
  for (int i = 0; i < 3; ++i) waiters.spawn("waiter", wait_for(event, flag, woken));
  event.notify_all();  // not yet true: they look and wait again
  co_await sleep(world.loop(), milliseconds(1));
  EXPECT_EQ(event.waiters(), 3u);
  flag = true;
  event.notify_all();
  EXPECT_EQ(woken, 0) << "notify_all never runs a waiter inside its caller";
  co_await waiters.close();
}

TEST(Event, WakesEveryWaiter) {
  RealWorld world;
  int woken = 0;
  world.run(wake_all(world, woken));
  EXPECT_EQ(woken, 3);
}

Task<void> wait_twice(Loop& loop, bool& first, bool& second) {
  Event event(loop);
  first = co_await event.wait_until(loop.now() + milliseconds(5));
  loop.run_at(loop.now() + milliseconds(1), [&] { event.notify_all(); });
  second = co_await event.wait_until(loop.now() + milliseconds(5000));
}

TEST(Event, SaysWhetherTheDeadlineCameFirst) {
  RealWorld world;
  bool first = true, second = false;
  world.run(wait_twice(world.loop(), first, second));
  EXPECT_FALSE(first);
  EXPECT_TRUE(second);
}

Task<void> start_and_drop(Loop& loop) {
  Event event(loop);
  bool never = false;
  int woken = 0;
  {
    // Started and then destroyed unfinished: the event must forget it.
    Gate gate(loop);
    auto waiter = wait_for(event, never, woken);
    auto handle = waiter.operator co_await().await_suspend(std::noop_coroutine());
    handle.resume();
    EXPECT_EQ(event.waiters(), 1u);
  }
  EXPECT_EQ(event.waiters(), 0u);
  event.notify_all();
  co_await sleep(loop, milliseconds(1));
}

TEST(Event, ForgetsAWaiterWhoseFrameIsDestroyed) {
  RealWorld world;
  world.run(start_and_drop(world.loop()));
}

Task<void> throws() {
  throw std::runtime_error("expected by the test");
  co_return;
}

TEST(Gate, CountsWhatEscapes) {
  RealWorld world;
  auto before = Gate::escaped();
  world.run(throws());
  EXPECT_EQ(Gate::escaped(), before + 1);
}

Task<void> refuse_after_close(Loop& loop, bool& started, int& ran) {
  Gate gate(loop);
  bool flag = true;
  Event event(loop);
  co_await gate.close();
  started = gate.spawn("late", wait_for(event, flag, ran));
}

TEST(Gate, RefusesAfterClose) {
  RealWorld world;
  bool started = true;
  int ran = 0;
  world.run(refuse_after_close(world.loop(), started, ran));
  EXPECT_FALSE(started);
  EXPECT_EQ(ran, 0);
}

struct Counted {
  int* alive;
  explicit Counted(int* a) : alive(a) { ++*alive; }
  ~Counted() { --*alive; }
};

Task<void> stuck(Event& event, int* alive) {
  Counted counted(alive);
  co_await event.wait();
}

// Owns an event and a gate of its own, as a service does that was never told to end.
Task<void> stuck_service(Loop& loop, int* alive) {
  Counted counted(alive);
  Event event(loop);
  Gate gate(loop);
  gate.spawn("child", stuck(event, alive));
  gate.spawn("child", stuck(event, alive));
  co_await event.wait_until(loop.now() + std::chrono::hours(1));
}

TEST(Runtime, FreesWhatIsStillWaitingWhenItStops) {
  int alive = 0;
  Runtime runtime(1);
  Loop& loop = runtime.env().main_loop();
  Gate gate(loop);
  loop.post([&] {
    gate.spawn("service", stuck_service(loop, &alive));
    EXPECT_EQ(alive, 3);
    runtime.stop();
  });
  runtime.run();
  EXPECT_EQ(alive, 0);
  EXPECT_EQ(gate.running(), 0u);
  EXPECT_FALSE(gate.spawn("late", stuck_service(loop, &alive)));
}

Task<void> wait_for_signal(RealWorld& world, int& seen) {
  Event event(world.loop());
  world.runtime.on_signal(SIGHUP, [&] {
    ++seen;
    event.notify_all();
  });
  for (int expected = 1; expected <= 2; ++expected) {
    std::raise(SIGHUP);
    while (seen < expected) co_await event.wait();
  }
}

TEST(Runtime, DeliversEverySignalOnTheMainLoop) {
  RealWorld world;
  int seen = 0;
  world.run(wait_for_signal(world, seen));
  EXPECT_EQ(seen, 2);
}

}  // namespace
}  // namespace isthmus::io
