// Mutex on a loop that the test turns by hand, where frames are destroyed at any point.
#include "io/mutex.h"

#include <gtest/gtest.h>

#include <deque>
#include <string>

namespace isthmus::io {
namespace {

class HandLoop final : public Loop {
 public:
  void post(Callback callback) override { posted_.push_back(std::move(callback)); }
  TimerId run_at(Instant, Callback) override { return 0; }
  void cancel(TimerId) override {}
  Instant now() const override { return {}; }
  int64_t wall_ms() const override { return 0; }

  void turn() {
    Running running(this);
    while (!posted_.empty()) {
      auto callback = std::move(posted_.front());
      posted_.pop_front();
      callback();
    }
  }
  void kill() {
    posted_.clear();
    Loop* self = this;
    end(std::span(&self, 1));
  }

 private:
  std::deque<Callback> posted_;
};

// A coroutine whose frame the test owns: it begins at once.
struct Owned {
  struct promise_type {
    Owned get_return_object() {
      return Owned(std::coroutine_handle<promise_type>::from_promise(*this));
    }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_always final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
  explicit Owned(std::coroutine_handle<promise_type> handle) : frame(handle) {}
  Owned(Owned&& other) noexcept : frame(std::exchange(other.frame, {})) {}
  ~Owned() { destroy(); }
  void destroy() {
    if (frame) std::exchange(frame, {}).destroy();
  }
  std::coroutine_handle<promise_type> frame;
};

// Takes the mutex, notes its name, and goes on when the test resumes it.
Owned take(Mutex& mutex, std::string name, std::string& order) {
  auto held = co_await mutex.lock();
  order += name;
  co_await std::suspend_always{};
}

class MutexTest : public testing::Test {
 protected:
  Owned take(const std::string& name) { return io::take(mutex_, name, order_); }

  HandLoop loop_;
  Mutex mutex_{loop_};
  std::string order_;
};

TEST_F(MutexTest, OneAfterTheOtherInTheOrderOfAsking) {
  Owned a = take("a");
  Owned b = take("b");
  Owned c = take("c");
  EXPECT_EQ(order_, "a");
  a.frame.resume();  // ends, and unlocks
  EXPECT_EQ(order_, "a") << "nobody runs inside the caller who unlocks";
  Owned late = take("l");
  loop_.turn();
  EXPECT_EQ(order_, "ab");
  b.frame.resume();
  loop_.turn();
  c.frame.resume();
  loop_.turn();
  EXPECT_EQ(order_, "abcl") << "who asked later does not go first";
  late.frame.resume();
  EXPECT_FALSE(mutex_.is_locked());
}

TEST_F(MutexTest, AFrameThatGoesWhileItWaitsIsForgotten) {
  Owned a = take("a");
  Owned b = take("b");
  Owned c = take("c");
  b.destroy();
  a.frame.resume();
  loop_.turn();
  EXPECT_EQ(order_, "ac");
}

TEST_F(MutexTest, AFrameThatGoesWhileItHoldsLetsTheNextIn) {
  Owned a = take("a");
  Owned b = take("b");
  a.destroy();
  loop_.turn();
  EXPECT_EQ(order_, "ab");
}

TEST_F(MutexTest, AFrameThatGoesBetweenItsTurnAndItsResumptionPassesItOn) {
  Owned a = take("a");
  Owned b = take("b");
  Owned c = take("c");
  a.frame.resume();
  b.destroy();  // it is b's turn, and the loop has not run yet
  loop_.turn();
  EXPECT_EQ(order_, "ac");
}

TEST_F(MutexTest, WhoOnlyTriesDoesNotWait) {
  auto held = mutex_.try_lock();
  EXPECT_TRUE(held);
  EXPECT_FALSE(mutex_.try_lock());
  Owned a = take("a");
  EXPECT_EQ(order_, "");
  held.reset();
  EXPECT_FALSE(mutex_.try_lock()) << "it is a's turn";
  loop_.turn();
  EXPECT_EQ(order_, "a");
}

// The simulator's kill -9: owners go first, then the frames of those who held and waited.
TEST(Mutex, MayGoBeforeTheFramesOfALoopThatHasEnded) {
  HandLoop loop;
  std::string order;
  auto mutex = std::make_unique<Mutex>(loop);
  Owned holds = take(*mutex, "a", order);
  Owned waits = take(*mutex, "b", order);
  loop.kill();
  mutex.reset();
  waits.destroy();
  holds.destroy();

  HandLoop other;
  auto second = std::make_unique<Mutex>(other);
  Owned first = take(*second, "c", order);
  Owned granted = take(*second, "d", order);
  first.frame.resume();
  other.kill();
  second.reset();
  granted.destroy();
  EXPECT_EQ(order, "ac");
}

}  // namespace
}  // namespace isthmus::io
