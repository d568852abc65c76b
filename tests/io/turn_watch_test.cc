#include "io/turn_watch.h"

#include <gtest/gtest.h>

#include <thread>

#include "tests/io/real_world.h"

namespace isthmus::io {
namespace {

class TurnWatchTest : public testing::Test {
 protected:
  Instant at(int ms) const { return Instant() + milliseconds(ms); }
  // A turn at `ms` that does one thing for `took`.
  std::optional<std::string> turn(int ms, int took, std::string_view what) {
    watch.begin(at(ms));
    watch.doing(what, at(ms));
    return watch.end(at(ms + took));
  }

  TurnWatch watch;
};

TEST_F(TurnWatchTest, ATurnThatGivesTheLoopBackInTimeIsCountedAndNotTold) {
  EXPECT_EQ(turn(0, 100, "Produce"), std::nullopt);
  EXPECT_EQ(watch.turns().count(), 1u);
  EXPECT_TRUE(watch.stalls().empty());
}

TEST_F(TurnWatchTest, AStallIsToldUnderWhatTookLongestInIt) {
  watch.begin(at(0));
  watch.doing("Fetch", at(10));
  watch.doing("CreateTopics", at(30));
  watch.doing("Produce", at(330));
  const auto told = watch.end(at(350));
  EXPECT_EQ(told, "held for 350 ms, of which 300 ms by: CreateTopics");
  EXPECT_EQ(watch.stalls().at("CreateTopics"), 1u);
}

TEST_F(TurnWatchTest, WhatHasNoNameIsCountedToo) {
  watch.begin(at(0));
  EXPECT_EQ(watch.end(at(200)), "held for 200 ms, of which 200 ms by: other");
  turn(1000, 1, "Fetch");
  watch.begin(at(2000));
  watch.end(at(2200));
  EXPECT_EQ(watch.stalls().at("other"), 2u) << "a name ends with its turn";
}

TEST_F(TurnWatchTest, AFloodOfStallsIsOneLineAndANumber) {
  EXPECT_TRUE(turn(0, 150, "Fetch"));
  for (int i = 1; i < 40; ++i) EXPECT_FALSE(turn(i * 200, 150, "Fetch"));
  EXPECT_EQ(turn(20'000, 150, "Fetch"),
            "held for 150 ms, of which 150 ms by: Fetch (39 more since this was last said)");
  EXPECT_EQ(turn(40'000, 150, "Fetch"), "held for 150 ms, of which 150 ms by: Fetch");
  EXPECT_EQ(watch.stalls().at("Fetch"), 42u);
}

TEST_F(TurnWatchTest, ANameOutsideOfATurnIsNobodys) {
  watch.doing("Fetch", at(0));
  EXPECT_EQ(watch.end(at(500)), std::nullopt);
  EXPECT_EQ(watch.turns().count(), 0u);
}

// In a real loop: callbacks that are posted, timers, and what comes from sockets and the pool.

Task<void> hold(Loop& loop, TurnWatch& after) {
  doing("a timer");
  std::this_thread::sleep_for(milliseconds(120));
  co_await sleep(loop, milliseconds(1));
  doing("what follows it");
  std::this_thread::sleep_for(milliseconds(120));
  co_await sleep(loop, milliseconds(1));
  after = *running_turns();
}

TEST(RealTurns, EachCallbackOfALoopIsATurn) {
  RealWorld world;
  TurnWatch watch;
  world.run(hold(world.loop(), watch));
  EXPECT_EQ(watch.stalls().at("a timer"), 1u);
  EXPECT_EQ(watch.stalls().at("what follows it"), 1u);
}

Task<void> read_slowly(Env& env, TurnWatch& after) {
  auto listener = env.network.listen(env.main_loop(), {"127.0.0.1", 0});
  const Address to = (*listener)->local();
  auto ours = co_await env.network.dial(to, soon(5000));
  auto theirs = co_await (*listener)->accept(env.main_loop());
  auto written = co_await (*ours)->write(Rope(Slice::copy_of("x")));
  EXPECT_TRUE(written);
  uint8_t byte[1];
  auto n = co_await (*theirs)->read_some(byte);
  EXPECT_TRUE(n);
  doing("what was read");
  std::this_thread::sleep_for(milliseconds(120));
  co_await yield(env.main_loop());
  after = *running_turns();
}

TEST(RealTurns, WhatASocketBringsIsATurn) {
  RealWorld world;
  TurnWatch watch;
  world.run(read_slowly(world.env(), watch));
  EXPECT_EQ(watch.stalls().at("what was read"), 1u);
}

}  // namespace
}  // namespace isthmus::io
