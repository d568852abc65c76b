#include "broker/replica/append_group.h"

#include <gtest/gtest.h>

#include "broker/replica/storage_room.h"
#include "kafka/batch.h"

namespace isthmus::broker {
namespace {

std::shared_ptr<PendingAppend> of(size_t bytes) {
  return std::make_shared<PendingAppend>(ClientWriter{}, Slice::take(std::vector<uint8_t>(bytes)),
                                         std::nullopt);
}

TEST(AppendGroup, IsFullWhenMoreWouldNotMakeTheWriteCheaper) {
  AppendGroup group;
  EXPECT_TRUE(group.empty());
  const size_t sixteen = 16 << 10;
  for (int i = 0; i < 15; ++i) EXPECT_FALSE(group.add(of(sixteen)));
  EXPECT_TRUE(group.add(of(sixteen)));
  EXPECT_EQ(group.take().size(), 16u);
  EXPECT_TRUE(group.empty());
  EXPECT_FALSE(group.add(of(sixteen))) << "what was taken counts no more";
  EXPECT_TRUE(group.add(of(1 << 20)));
}

TEST(AppendGroup, KeepsTheOrderOfArrival) {
  AppendGroup group;
  std::vector<PendingAppend*> arrived;
  for (size_t i = 1; i < 9; ++i) {
    auto append = of(i);
    arrived.push_back(append.get());
    group.add(std::move(append));
  }
  std::vector<PendingAppend*> taken;
  for (const auto& append : group.take()) taken.push_back(append.get());
  EXPECT_EQ(taken, arrived);
}

// A batch whose producer is refused one before it would come out of sequence.
TEST(AppendGroup, WhatIsLateTakesWithItWhatItsProducerHasSentBehind) {
  const auto at = [](int second) { return io::Instant{std::chrono::seconds(second)}; };
  AppendGroup group;
  std::vector<std::shared_ptr<PendingAppend>> all;
  const auto add = [&](ProducerId producer, int waits_until) {
    kafka::BatchBuilder builder({.producer_id = producer, .producer_epoch = 0, .base_sequence = 0});
    builder.add(1000, std::nullopt, as_bytes("value"));
    all.push_back(std::make_shared<PendingAppend>(ClientWriter{{}, at(waits_until)},
                                                  std::move(builder).finish(), std::nullopt));
    group.add(all.back());
  };
  add(7, 10);
  add(8, 5);
  add(-1, 9);
  add(8, 20);
  add(7, 20);
  EXPECT_EQ(group.next_late(), at(5));
  EXPECT_TRUE(group.take_late(at(4)).empty());
  EXPECT_EQ(group.take_late(at(5)), (std::vector{all[1], all[3]}));
  EXPECT_EQ(group.next_late(), at(9));
  EXPECT_EQ(group.take_late(at(9)), std::vector{all[2]}) << "it has no sequence to break";
  EXPECT_EQ(group.take(), (std::vector{all[0], all[4]}));
  EXPECT_EQ(group.next_late(), io::Instant::max());
}

TEST(StorageRoom, IsLowBelowTheReserveAndAgainEnoughSomewhatAboveIt) {
  constexpr uint64_t total = 10'000, reserve = 800;
  StorageRoom room(reserve);
  EXPECT_FALSE(room.note({800, total}));
  EXPECT_FALSE(room.is_low());
  EXPECT_TRUE(room.note({799, total}));
  EXPECT_TRUE(room.is_low());
  EXPECT_FALSE(room.note({850, total})) << "it would soon be low again";
  EXPECT_TRUE(room.note({900, total}));
  EXPECT_FALSE(room.is_low());
}

TEST(StorageRoom, TakesAtMostATenthOfASmallDisk) {
  StorageRoom room(800);
  room.note({150, 1000});
  EXPECT_FALSE(room.is_low());
  room.note({99, 1000});
  EXPECT_TRUE(room.is_low());
}

// A fast writer has eaten the reserve before a second is over.
TEST(StorageRoom, ChargesWhatIsAppendedAgainstTheLastLook) {
  constexpr uint64_t total = 10'000, reserve = 800;
  StorageRoom room(reserve);
  EXPECT_FALSE(room.charge(5000)) << "nobody has looked";
  EXPECT_FALSE(room.is_low());
  room.note({900, total}, room.charged());
  EXPECT_FALSE(room.charge(100));
  EXPECT_FALSE(room.is_low());
  EXPECT_FALSE(room.charge(1));
  EXPECT_TRUE(room.is_low()) << "before anybody looks again";
  EXPECT_FALSE(room.note({800, total}, room.charged())) << "it was not so much after all";
  EXPECT_FALSE(room.is_low());
}

TEST(StorageRoom, IsLookedAtAgainWhenAQuarterOfTheReserveIsCharged) {
  constexpr uint64_t total = 100'000, reserve = 800;
  StorageRoom room(reserve);
  room.note({50'000, total});
  EXPECT_FALSE(room.charge(199));
  EXPECT_TRUE(room.charge(1));
  EXPECT_FALSE(room.charge(300)) << "once for each look";
  const uint64_t seen = room.charged();
  EXPECT_FALSE(room.charge(150)) << "while someone looks";
  room.note({49'500, total}, seen);
  EXPECT_EQ(room.charged(), 150u);
  EXPECT_TRUE(room.charge(50));
  // Others have filled it meanwhile.
  EXPECT_TRUE(room.note({799, total}, room.charged()));
  EXPECT_FALSE(room.charge(1000));
  EXPECT_TRUE(room.is_low());
}

TEST(StorageRoom, OfNothingIsNeverLow) {
  StorageRoom room(0);
  room.note({0, 1000});
  EXPECT_FALSE(room.charge(1000));
  EXPECT_FALSE(room.is_low());
}

}  // namespace
}  // namespace isthmus::broker
