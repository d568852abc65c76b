#include "broker/replica/waiters.h"

#include "tests/broker/task_world.h"

namespace isthmus::broker {
namespace {

using Outcome = AckQueue::Outcome;
using std::chrono::milliseconds;

class AckQueueTest : public testing::Test {
 protected:
  static io::Task<Outcome> wait(AckQueue* queue, Offset end, io::Instant deadline) {
    Outcome outcome = co_await queue->wait(end, deadline);
    co_return outcome;
  }
  std::shared_ptr<std::optional<Outcome>> wait(Offset end, io::Duration at_most) {
    return world_.start(wait(&queue_, end, world_.loop().now() + at_most));
  }
  void advance(Offset to) {
    world_.loop().post([this, to] { queue_.advance(to); });
    world_.run_for(milliseconds(1));
  }

  TaskWorld world_;
  AckQueue queue_{world_.loop()};
};

TEST_F(AckQueueTest, AMovingWatermarkWakesThosePrefixOnly) {
  auto five = wait(5, std::chrono::hours(1));
  auto seven = wait(7, std::chrono::hours(1));
  advance(4);
  EXPECT_FALSE(five->has_value());
  advance(6);
  EXPECT_EQ(*five, Outcome::woken);
  EXPECT_FALSE(seven->has_value());
  advance(7);
  EXPECT_EQ(*seven, Outcome::woken);
}

TEST_F(AckQueueTest, WhoComesLateStandsInItsPlace) {
  auto ten = wait(10, std::chrono::hours(1));
  auto five = wait(5, std::chrono::hours(1));
  advance(5);
  EXPECT_TRUE(five->has_value());
  EXPECT_FALSE(ten->has_value());
}

// An expired wait between them must not hide that a later one waits in front.
TEST_F(AckQueueTest, WhoComesLateStandsInItsPlaceAlsoBehindOneThatHasExpired) {
  auto ten = wait(10, std::chrono::hours(1));
  auto expires = wait(12, milliseconds(5));
  world_.run_for(milliseconds(10));
  EXPECT_EQ(*expires, Outcome::expired);
  auto five = wait(5, std::chrono::hours(1));
  advance(5);
  EXPECT_TRUE(five->has_value()) << "an acknowledgement waits for records behind it";
  EXPECT_FALSE(ten->has_value());
  advance(10);
  EXPECT_TRUE(ten->has_value());
}

TEST_F(AckQueueTest, WakeAllWakesEverybody) {
  auto five = wait(5, std::chrono::hours(1));
  auto seven = wait(7, std::chrono::hours(1));
  world_.loop().post([this] { queue_.wake_all(); });
  world_.run_for(milliseconds(1));
  EXPECT_TRUE(five->has_value());
  EXPECT_TRUE(seven->has_value());
}

class FetchWaitTest : public testing::Test {
 protected:
  static io::Task<bool> wait(std::shared_ptr<FetchWait> wait, io::Instant deadline) {
    if (wait->notified()) co_return true;
    bool woken = co_await wait->event().wait_until(deadline);
    co_return woken;
  }
  TaskWorld world_{1, 2};
  const FetchWait::From first_{Uuid{}, 1}, second_{Uuid{}, 2};
  FetchWaiters here_{first_}, there_{second_};
};

TEST_F(FetchWaitTest, AnyPartitionOfAnyLoopWakesItOnce) {
  auto poll = std::make_shared<FetchWait>(world_.loop());
  here_.add(poll);
  there_.add(poll);
  auto woken = world_.start(wait(poll, world_.loop().now() + std::chrono::hours(1)));
  world_.env().loops[1]->post([this] { there_.notify_all(); });
  world_.run_for(milliseconds(1));
  EXPECT_EQ(*woken, true);
  here_.notify_all();
  world_.run_for(milliseconds(1));
}

TEST_F(FetchWaitTest, AnyPartitionMayEndIt) {
  auto poll = std::make_shared<FetchWait>(world_.loop());
  here_.add(poll);
  there_.add(poll);
  here_.notify_all();
  world_.run_for(milliseconds(1));
  EXPECT_TRUE(poll->notified() && !poll->over());
  world_.env().loops[1]->post([this] { there_.end_all(); });
  world_.run_for(milliseconds(1));
  EXPECT_TRUE(poll->over());
}

// A session waits on: it looks where there is something, and asks to be told of it anew.
TEST_F(FetchWaitTest, WhoNotifiedIsNamedOnceAndTheOthersAreStillWaitedFor) {
  auto session = std::make_shared<FetchWait>(world_.loop());
  here_.add(session);
  there_.add(session);
  here_.notify_all();
  here_.notify_all();
  world_.run_for(milliseconds(1));
  EXPECT_TRUE(session->notified());
  EXPECT_EQ(session->take_news(), std::vector{first_});
  EXPECT_FALSE(session->notified());
  world_.env().loops[1]->post([this] { there_.notify_all(); });
  here_.notify_all();
  world_.run_for(milliseconds(1));
  EXPECT_EQ(session->take_news(), std::vector{second_}) << "of the first it was not told anew";
  EXPECT_TRUE(session->take_news().empty());
}

// A session asks anew for a partition that it has named anew; without writers nobody answers.
TEST_F(FetchWaitTest, OneThatComesAgainAndAgainIsKeptOnceOrSo) {
  auto session = std::make_shared<FetchWait>(world_.loop());
  for (int i = 0; i < 10'000; ++i) here_.add(session);
  EXPECT_LE(here_.size(), 64u);
}

TEST_F(FetchWaitTest, APollThatHasEndedIsNotWoken) {
  auto poll = std::make_shared<FetchWait>(world_.loop());
  here_.add(poll);
  std::weak_ptr<FetchWait> left = poll;
  poll.reset();
  EXPECT_TRUE(left.expired()) << "a partition keeps polls alive that have ended";
  here_.notify_all();
}

}  // namespace
}  // namespace isthmus::broker
