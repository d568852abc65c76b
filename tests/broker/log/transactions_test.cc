#include "tests/broker/log/log_world.h"

namespace isthmus::broker {
namespace {

using kafka::ControlType;

class Transactions : public ::testing::Test {
 protected:
  void SetUp() override { w.open(); }
  void data(ProducerId id, int32_t sequence) {
    w.append_one({.producer_id = id, .sequence = sequence, .transactional = true});
  }
  void end(ProducerId id, ControlType type) {
    w.append(make_marker(id, 0, type), 1, {.origin = AppendOrigin::coordinator});
  }
  Offset stable() { return w.log->last_stable_offset(w.log->end_offset()); }
  std::vector<AbortedTxn> aborted(Offset from, Offset upper) {
    return w.log->aborted_in(from, upper).value();
  }
  LogWorld w;
};

TEST_F(Transactions, TheOldestOpenOneHoldsTheStableOffset) {
  w.append_one();
  EXPECT_EQ(stable(), 1);
  data(7, 0);
  data(8, 0);
  EXPECT_EQ(stable(), 1);
  end(7, ControlType::commit);
  EXPECT_EQ(stable(), 2);
  end(8, ControlType::abort);
  EXPECT_EQ(stable(), 5);
}

TEST_F(Transactions, AMarkerAboveTheHighWatermarkDecidesNothingYet) {
  data(7, 0);
  end(7, ControlType::commit);
  EXPECT_EQ(w.log->last_stable_offset(1), 0);
  EXPECT_EQ(w.log->last_stable_offset(2), 2);
}

TEST_F(Transactions, AbortsAreListedForWhatTheyOverlap) {
  data(7, 0);                   // 0
  data(8, 0);                   // 1
  end(7, ControlType::abort);   // 2
  data(7, 1);                   // 3
  end(8, ControlType::commit);  // 4
  end(7, ControlType::abort);   // 5
  const AbortedTxn first{7, 0, 2, 1};
  const AbortedTxn second{7, 3, 5, 6};
  EXPECT_EQ(aborted(0, 6), (std::vector<AbortedTxn>{first, second}));
  EXPECT_EQ(aborted(0, 1), (std::vector<AbortedTxn>{first}));
  EXPECT_EQ(aborted(3, 6), (std::vector<AbortedTxn>{second}));
  EXPECT_TRUE(aborted(6, 6).empty());
}

TEST_F(Transactions, SurviveACrashARebuildAndASegmentOfTheirOwn) {
  data(7, 0);
  ASSERT_TRUE(w.log->roll());
  data(8, 0);
  data(9, 0);
  ASSERT_TRUE(w.log->roll());
  end(7, ControlType::abort);
  end(8, ControlType::commit);
  w.sync();
  const auto before = aborted(0, 100);
  ASSERT_EQ(before.size(), 1u);
  for (Offset recovery_point : {w.log->end_offset(), Offset{0}}) {
    w.hints.recovery_point = recovery_point;
    w.crash();
    w.open();
    EXPECT_EQ(stable(), 2) << "producer 9 is still inside its transaction";
    EXPECT_EQ(aborted(0, 100), before);
  }
  w.stop();
  w.open();
  EXPECT_EQ(stable(), 2);
  end(9, ControlType::abort);
  EXPECT_EQ(aborted(0, 100).size(), 2u);
}

TEST_F(Transactions, TruncationTakesBackTheAbort) {
  data(7, 0);
  end(7, ControlType::abort);
  ASSERT_TRUE(w.log->truncate_to(1));
  EXPECT_TRUE(aborted(0, 100).empty());
  EXPECT_EQ(stable(), 0);
  end(7, ControlType::commit);
  EXPECT_TRUE(aborted(0, 100).empty());
  EXPECT_EQ(stable(), 2);
}

TEST_F(Transactions, ArriveByMirrorWithoutACoordinatorHere) {
  const auto put = [&](const Slice& batch) {
    auto info = w.log->append_verbatim(batch, 0, {});
    ASSERT_TRUE(info) << info.error().text;
  };
  put(make_batch(
      {.base_offset = 100, .epoch = 2, .producer_id = 5, .sequence = 40, .transactional = true}));
  EXPECT_EQ(stable(), 100);
  put(make_marker(5, 0, ControlType::abort, 3, 200, 2));
  EXPECT_EQ(stable(), 201);
  EXPECT_EQ(aborted(0, 201), (std::vector<AbortedTxn>{{5, 100, 200, 201}}));
}

TEST_F(Transactions, ARepeatedMarkerCompletesNothingTwice) {
  data(7, 0);
  end(7, ControlType::abort);
  end(7, ControlType::abort);
  EXPECT_EQ(aborted(0, 100).size(), 1u);
  EXPECT_EQ(stable(), 3);
}

TEST_F(Transactions, AMarkerOfAFencedCoordinatorIsRefused) {
  data(7, 0);
  w.append(make_marker(7, 0, ControlType::abort, 5), 1, {.origin = AppendOrigin::coordinator});
  EXPECT_EQ(w.append_error(make_marker(7, 0, ControlType::commit, 4), 1,
                           {.origin = AppendOrigin::coordinator}),
            kafka::ErrorCode::transaction_coordinator_fenced);
}

}  // namespace
}  // namespace isthmus::broker
