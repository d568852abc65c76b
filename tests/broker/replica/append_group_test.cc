#include "broker/replica/append_group.h"

#include <gtest/gtest.h>

#include "broker/replica/storage_room.h"

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
