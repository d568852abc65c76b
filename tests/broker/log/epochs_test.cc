#include "broker/log/epochs.h"

#include "tests/broker/log/log_world.h"

namespace isthmus::broker {
namespace {

EpochCache three() { return EpochCache({{2, 0, 1}, {4, 10, 1}, {7, 25, 1}}); }

TEST(Epochs, TheEndOfAnEpochIsTheStartOfTheNext) {
  const EpochCache epochs = three();
  EXPECT_EQ(epochs.end_offset_for(2, 40), (EpochEnd{2, 10}));
  EXPECT_EQ(epochs.end_offset_for(4, 40), (EpochEnd{4, 25}));
  EXPECT_EQ(epochs.end_offset_for(7, 40), (EpochEnd{7, 40}));
}

// KIP-279: after two quick failovers a follower asks for an epoch that this leader never had.
TEST(Epochs, AnUnknownEpochGivesTheLargestBelowIt) {
  const EpochCache epochs = three();
  EXPECT_EQ(epochs.end_offset_for(3, 40), (EpochEnd{2, 10}));
  EXPECT_EQ(epochs.end_offset_for(6, 40), (EpochEnd{4, 25}));
  EXPECT_EQ(epochs.end_offset_for(1, 40), (EpochEnd{1, 0}));
  EXPECT_EQ(epochs.end_offset_for(8, 40), EpochEnd{});
  EXPECT_EQ(EpochCache().end_offset_for(0, 40), EpochEnd{});
}

TEST(Epochs, TheEpochOfARecord) {
  const EpochCache epochs = three();
  EXPECT_EQ(epochs.epoch_of(0), 2);
  EXPECT_EQ(epochs.epoch_of(24), 4);
  EXPECT_EQ(epochs.epoch_of(25), 7);
  EXPECT_EQ(EpochCache().epoch_of(5), -1);
}

TEST(Epochs, OneWithoutRecordsGivesWay) {
  EpochCache epochs = three();
  EXPECT_FALSE(epochs.assign(7, 30, 1));
  EXPECT_TRUE(epochs.assign(8, 30, 1));
  EXPECT_TRUE(epochs.assign(9, 30, 2));
  EXPECT_EQ(epochs.entries().back(), (EpochEntry{9, 30, 2}));
  EXPECT_EQ(epochs.entries().size(), 4u);
  EXPECT_EQ(epochs.owner_of(9), 2);
  EXPECT_EQ(epochs.owner_of(8), std::nullopt);
}

TEST(Epochs, AreCutWithTheLog) {
  EpochCache epochs = three();
  EXPECT_TRUE(epochs.truncate_end(25));
  EXPECT_EQ(epochs.latest(), 4);
  EXPECT_FALSE(epochs.truncate_end(25));
  EXPECT_TRUE(epochs.truncate_start(12));
  const std::vector<EpochEntry> expected{{4, 12, 1}};
  EXPECT_EQ(epochs.entries(), expected);
  EXPECT_FALSE(epochs.truncate_start(12));
  EXPECT_FALSE(epochs.truncate_start(5));
}

TEST(CommonPrefix, IsTheShorterOfTheNewestSharedEpoch) {
  const std::vector<EpochEntry> ours{{1, 0, 1}, {2, 10, 1}, {3, 20, 1}};
  const std::vector<EpochEntry> theirs{{1, 0, 1}, {2, 10, 1}, {5, 15, 1}};
  EXPECT_EQ(common_prefix(ours, 30, theirs, 40), (CommonPrefix{15, 2}));
  EXPECT_EQ(common_prefix(theirs, 40, ours, 30), (CommonPrefix{15, 2}));
  EXPECT_EQ(common_prefix(ours, 30, ours, 27), (CommonPrefix{27, 3}));
}

TEST(CommonPrefix, AnEpochOfAnotherOwnerIsAnotherHistory) {
  // Both went on under "epoch 2" after the line was cut.
  const std::vector<EpochEntry> ours{{1, 0, 1}, {2, 10, 1}};
  const std::vector<EpochEntry> theirs{{1, 0, 1}, {2, 10, 2}};
  EXPECT_EQ(common_prefix(ours, 30, theirs, 40), (CommonPrefix{10, 1}));
}

TEST(CommonPrefix, OfAPromotedMirrorEndsWhereItWasPromotedDespiteTheGap) {
  // The target was promoted at 50 under a new generation, and went on at 1,000; the source had
  // written up to 70 meanwhile.
  const std::vector<EpochEntry> source{{5, 0, 1}};
  const std::vector<EpochEntry> target{{5, 0, 1}, {1 << 20, 50, 2}};
  EXPECT_EQ(common_prefix(source, 70, target, 1010), (CommonPrefix{50, 5}));
}

TEST(CommonPrefix, WithNothingSharedEndsAtTheEarlierStart) {
  const std::vector<EpochEntry> ours{{3, 100, 1}};
  const std::vector<EpochEntry> theirs{{3, 40, 2}};
  EXPECT_EQ(common_prefix(ours, 200, theirs, 90), (CommonPrefix{40, -1}));
  EXPECT_EQ(common_prefix({}, 0, {}, 0), (CommonPrefix{0, -1}));
}

TEST(EpochFiles, AreKafkasTextAndKeepTheOwnersBeside) {
  LogWorld w;
  w.disk().make_folders(w.folder).value();
  EpochCache epochs({{1, 0, 7}, {5, 100, 9}});
  epochs.assign(6, 200, 7);
  epochs.set_old_gaps({{6, 1200}});
  EXPECT_TRUE(epochs.dirty());
  ASSERT_TRUE(save_epochs(w.disk(), w.folder, epochs));
  EXPECT_FALSE(epochs.dirty());
  const auto text = io::read_whole(w.disk(), w.folder + "/leader-epoch-checkpoint").value();
  EXPECT_EQ(as_text(text), "0\n3\n1 0\n5 100\n6 200\n");
  auto loaded = load_epochs(w.disk(), w.folder, 7);
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->entries(), epochs.entries());
  EXPECT_EQ(loaded->old_gaps(), epochs.old_gaps());
  EXPECT_EQ(loaded->kafka_end(), 0);
  // A directory of Kafka's own has no owners: they are ours.
  ASSERT_TRUE(w.disk().remove(w.folder + "/epoch-owners"));
  loaded = load_epochs(w.disk(), w.folder, 3);
  EXPECT_EQ(loaded->owner_of(5), 3);
  EXPECT_EQ(loaded->kafka_end(), EpochCache::all_of_it);
  loaded->set_kafka_end(150);
  ASSERT_TRUE(save_epochs(w.disk(), w.folder, *loaded));
  EXPECT_EQ(load_epochs(w.disk(), w.folder, 3)->kafka_end(), 150);
  loaded->truncate_end(120);
  EXPECT_EQ(loaded->kafka_end(), 120);
}

TEST(EpochFiles, EpochsOfRecordsSurviveACrashThatTheFileDidNotSee) {
  LogWorld w;
  w.open();
  w.append(make_batch({}), 3);
  w.append(make_batch({.records = 4}), 9);
  w.sync();
  w.crash();
  w.open();
  const std::vector<EpochEntry> expected{{3, 0, 0}, {9, 1, 0}};
  EXPECT_EQ(w.log->epochs().entries(), expected);
}

}  // namespace
}  // namespace isthmus::broker
