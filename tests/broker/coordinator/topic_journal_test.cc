// The journal of the coordinator: what it holds is there again after any start, and read quickly.
#include "broker/coordinator/topic_journal.h"

#include "tests/broker/apply_plan.h"
#include "tests/broker/task_world.h"

namespace isthmus::broker {
namespace {

using std::chrono::seconds;
using Records = std::map<std::string, std::string>;

class TopicJournalTest : public testing::Test {
 protected:
  TopicJournalTest() {
    create(1);
    boot();
  }
  ~TopicJournalTest() override { stop(); }

  // __consumer_offsets, under an id.
  void create(uint8_t id) {
    TopicImage topic;
    topic.name = "__consumer_offsets";
    topic.id.bytes.fill(id);
    topic.partitions.resize(2, led_by(1));
    Plan plan;
    plan.create(topic);
    image_ = after(*std::make_shared<const Image>(), plan, 1);
  }
  void boot() {
    published_ = std::make_unique<PublishedImage>();
    published_->store(image_);
    table_ = std::make_unique<PartitionTable>(world.env(), 1, *published_,
                                              std::vector<std::string>{"/data"},
                                              [](const auto&) { return LogConfig{}; });
    auto claimed = table_->claim();
    ASSERT_TRUE(claimed) << claimed.error().text;
    if (!world.disk().exists("/data/meta.properties")) {
      const MetaProperties mark{"cluster", 101, 1, 0, uuid_of(9)};
      mark.write(world.disk(), "/data").value();
    }
    auto taken = table_->take_over();
    ASSERT_TRUE(taken) << taken.error().text;
    auto followed = world.run(table_->follow(image_));
    ASSERT_TRUE(followed) << followed.error().text;
    journal = world.on_loop([&] {
      return std::make_unique<TopicJournal>(
          world.env(), *table_,
          TopicJournal::Options{.topic = "__consumer_offsets",
                                .kind = "groups",
                                .folder = "/data",
                                .limits = {.bytes_behind = 20 << 10, .least = 1 << 10}});
    });
  }
  static io::Task<bool> close(TopicJournal& journal, PartitionTable& table) {
    co_await journal.close();
    co_await table.close();
    co_return true;
  }
  void stop() {
    world.run(close(*journal, *table_));
    journal.reset();
    table_.reset();
  }
  void restart() {
    stop();
    world.kill();
    boot();
  }
  void lose_power() {
    world.host.crash();
    journal.reset();
    table_.reset();
    world.crash();
    boot();
  }

  // Also what it amounts to, in `expected`. No value is a tombstone.
  void write(PartitionIndex partition, const std::string& key, std::optional<std::string> value) {
    JournalRecord record{Slice::copy_of(key), std::nullopt};
    if (value) record.value = Slice::copy_of(*value);
    const auto written = world.run(journal->append(partition, 0, {record}));
    ASSERT_TRUE(written) << written.error().text;
    if (value) {
      expected[partition][key] = *value;
    } else {
      expected[partition].erase(key);
    }
  }
  // Of a few keys.
  void write_many(PartitionIndex partition, int count) {
    for (int i = 0; i < count; ++i) {
      const std::string text = std::to_string(++written_);
      write(partition, "key " + std::to_string(i % 7), "value " + text + std::string(90, '.'));
    }
  }
  Records replay(PartitionIndex partition) {
    Records records;
    shown = 0;
    const auto visit = [&](const JournalRecord& record) -> Result<void> {
      ++shown;
      const std::string key(as_text(record.key.view()));
      if (record.value) {
        records[key] = as_text(record.value->view());
      } else {
        records.erase(key);
      }
      return {};
    };
    const auto done = world.run(journal->replay(partition, visit));
    EXPECT_TRUE(done) << done.error().text;
    return records;
  }
  bool has_snapshot(PartitionIndex partition) {
    return world.disk().exists(journal->snapshot_path(partition));
  }

  TaskWorld world;
  std::unique_ptr<TopicJournal> journal;
  std::map<PartitionIndex, Records> expected;
  size_t shown = 0;  // by the latest replay

 private:
  std::shared_ptr<const Image> image_;
  std::unique_ptr<PublishedImage> published_;
  std::unique_ptr<PartitionTable> table_;
  int written_ = 0;
};

TEST_F(TopicJournalTest, AStartReadsASnapshotAndTheRestOfTheLog) {
  write(0, "gone", "soon");
  write_many(0, 400);
  write_many(1, 30);
  write(0, "gone", std::nullopt);
  write_many(0, 20);
  world.run_for(seconds(1));
  EXPECT_LE(journal->bytes_behind(), 20u << 10);
  EXPECT_TRUE(has_snapshot(0));
  EXPECT_FALSE(has_snapshot(1)) << "little happens there";
  restart();
  EXPECT_EQ(replay(0), expected[0]);
  EXPECT_LT(shown, 200u);
  EXPECT_EQ(replay(1), expected[1]);
  EXPECT_LE(journal->bytes_behind(), 20u << 10) << "what was not read counts as done";
}

TEST_F(TopicJournalTest, ALogWithoutASnapshotGetsOneAfterItWasRead) {
  write_many(0, 400);
  world.run_for(seconds(1));
  stop();
  ASSERT_TRUE(world.disk().remove("/data/groups-0.snapshot"));
  world.kill();
  boot();
  EXPECT_EQ(replay(0), expected[0]);
  EXPECT_EQ(shown, 400u);
  world.run_for(seconds(1));
  EXPECT_TRUE(has_snapshot(0));
  EXPECT_EQ(replay(0), expected[0]);
  EXPECT_LT(shown, 50u);
}

TEST_F(TopicJournalTest, WhatIsWrittenWhileASnapshotIsTakenIsInTheLogBehindIt) {
  for (int i = 0; i < 5; ++i) {
    write_many(0, 100);
    replay(0);
    restart();
    EXPECT_EQ(replay(0), expected[0]);
  }
}

TEST_F(TopicJournalTest, ASnapshotHoldsNothingThatALossOfPowerTakesAway) {
  for (int i = 0; i < 5; ++i) {
    write_many(0, 150);
    write_many(1, 150);
    lose_power();
    EXPECT_EQ(replay(0), expected[0]);
    EXPECT_EQ(replay(1), expected[1]);
  }
}

TEST_F(TopicJournalTest, OfAnotherEpochNothingIsWritten) {
  write(0, "key", "value");
  const JournalRecord record{Slice::copy_of("key"), Slice::copy_of("of another term")};
  const auto written = world.run(journal->append(0, 1, {record}));
  ASSERT_FALSE(written);
  EXPECT_EQ(kafka::error_code(written.error()), kafka::ErrorCode::fenced_leader_epoch);
  EXPECT_EQ(replay(0), expected[0]);
}

TEST_F(TopicJournalTest, ADamagedSnapshotIsNotUsed) {
  write_many(0, 400);
  world.run_for(seconds(1));
  const std::string path = journal->snapshot_path(0);
  const uint64_t size = (*world.disk().open(path, io::Disk::Open::existing))->size();
  for (const uint64_t at : {uint64_t{0}, uint64_t{9}, uint64_t{20}, size / 2, size - 1}) {
    stop();
    world.kill();
    auto file = *world.disk().open(path, io::Disk::Open::existing);
    uint8_t byte = 0;
    ASSERT_TRUE(file->read_at(at, {&byte, 1}));
    byte ^= 0x10;
    ASSERT_TRUE(file->write_at(at, {&byte, 1}));
    boot();
    EXPECT_EQ(replay(0), expected[0]) << at;
    EXPECT_GE(shown, 400u) << "the whole log";
    byte ^= 0x10;
    ASSERT_TRUE(file->write_at(at, {&byte, 1}));
  }
}

// As after a restore of the folder, or a repair that has cut the log.
TEST_F(TopicJournalTest, ASnapshotThatIsNotOfThisLogIsNotUsed) {
  write_many(0, 10);
  const auto forge = [&](SnapshotHead head) {
    Fold fold;
    fold.add(as_bytes("forged"), as_bytes("x"));
    SnapshotWriter writer(head, fold);
    auto file = *world.disk().open(journal->snapshot_path(0), io::Disk::Open::create);
    file->truncate(0).value();
    for (auto part = writer.next(); !part.empty(); part = writer.next()) file->append(part).value();
  };
  SnapshotHead right{.topic_id = {}, .partition = 0, .offset = 5, .epoch = 0};
  right.topic_id.bytes.fill(1);
  forge(right);
  EXPECT_TRUE(replay(0).contains("forged")) << "or the rest proves nothing";
  SnapshotHead other = right;
  other.topic_id.bytes.fill(2);
  forge(other);
  EXPECT_EQ(replay(0), expected[0]);
  other = right;
  other.partition = 1;
  forge(other);
  EXPECT_EQ(replay(0), expected[0]);
  other = right;
  other.offset = 11;
  forge(other);
  EXPECT_EQ(replay(0), expected[0]) << "beyond the log's end";
  other = right;
  other.epoch = 7;
  forge(other);
  EXPECT_EQ(replay(0), expected[0]) << "that part of the log is another now";
}

}  // namespace
}  // namespace isthmus::broker
