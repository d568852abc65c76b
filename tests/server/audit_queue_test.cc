// The limits of what waits to be written, and that nothing is lost without being told of.
#include "server/audit_queue.h"

#include <gtest/gtest.h>

#include <chrono>

namespace isthmus::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

AuditEvent event(AuditOutcome outcome = AuditOutcome::allowed, size_t bytes = 0) {
  AuditEvent e;
  e.action = "CreateTopics";
  e.principal = std::string(bytes, 'x');
  e.outcome = outcome;
  return e;
}

class AuditQueueTest : public testing::Test {
 protected:
  void add(AuditQueue& queue, int count, AuditOutcome outcome = AuditOutcome::allowed) {
    for (int i = 0; i < count; ++i) queue.add(event(outcome), now);
  }
  io::Instant now = io::Instant{} + std::chrono::hours(1);
};

TEST_F(AuditQueueTest, TakesABurstAndThenARate) {
  AuditQueue queue({.per_second = 10, .burst = 30});
  add(queue, 50);
  EXPECT_EQ(queue.take().size(), 30u);
  EXPECT_EQ(queue.dropped(), 20u);
  now += milliseconds(500);
  add(queue, 50);
  EXPECT_EQ(queue.take().size(), 5u);
  now += seconds(3600);
  add(queue, 50);
  EXPECT_EQ(queue.take().size(), 30u) << "what is saved has a limit";
}

TEST_F(AuditQueueTest, TheNextLineSaysHowManyAreMissingBeforeIt) {
  AuditQueue queue({.per_second = 1, .burst = 2});
  add(queue, 5);
  now += seconds(1);
  add(queue, 1);
  now += seconds(1);
  add(queue, 1);
  const auto lines = queue.take();
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_EQ(lines[1].dropped, 0u);
  EXPECT_EQ(lines[2].dropped, 3u);
  EXPECT_EQ(lines[3].dropped, 0u) << "once";
}

TEST_F(AuditQueueTest, WhoIsRefusedALotHidesNothingThatWasAllowed) {
  AuditQueue queue({.per_second = 10, .burst = 100, .lines = 20});
  add(queue, 1000, AuditOutcome::refused);
  add(queue, 5);
  add(queue, 4, AuditOutcome::failed);
  size_t refused = 0, others = 0;
  for (const auto& e : queue.take()) ++(e.outcome == AuditOutcome::refused ? refused : others);
  EXPECT_EQ(refused, 10u) << "half of the room";
  EXPECT_EQ(others, 9u);
  now += milliseconds(1);
  add(queue, 1000, AuditOutcome::refused);
  add(queue, 5);
  EXPECT_EQ(queue.take().back().outcome, AuditOutcome::allowed) << "nor has it used up their rate";
}

TEST_F(AuditQueueTest, HasRoomForSoManyLines) {
  AuditQueue queue({.per_second = 1000, .burst = 1000, .lines = 20});
  add(queue, 50);
  EXPECT_EQ(queue.dropped(), 30u);
  EXPECT_EQ(queue.take().size(), 20u);
  EXPECT_TRUE(queue.empty());
  add(queue, 20);
  EXPECT_EQ(queue.take().size(), 20u);
}

TEST_F(AuditQueueTest, HasRoomForSoManyBytes) {
  AuditQueue queue({.bytes = 100'000});
  for (int i = 0; i < 50; ++i) queue.add(event(AuditOutcome::allowed, 9'500), now);
  EXPECT_EQ(queue.take().size(), 10u);
  for (int i = 0; i < 50; ++i) queue.add(event(AuditOutcome::refused, 9'500), now);
  EXPECT_EQ(queue.take().size(), 5u);
}

TEST_F(AuditQueueTest, ALoopWhoseClockIsBehindGainsNothing) {
  AuditQueue queue({.per_second = 10, .burst = 1});
  add(queue, 1);
  now -= seconds(10);
  add(queue, 1);
  now += seconds(10);
  add(queue, 1);
  EXPECT_EQ(queue.take().size(), 1u);
}

}  // namespace
}  // namespace isthmus::server
