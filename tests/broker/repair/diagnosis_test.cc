#include "broker/repair/diagnosis.h"

#include "broker/repair/offline_partitions.h"
#include "tests/broker/log/log_world.h"

namespace isthmus::broker {
namespace {

// Five batches of three records, all synced, in the one directory of a broker that is stopped.
class Repair : public ::testing::Test {
 protected:
  Repair() {
    w.open();
    for (int i = 0; i < 5; ++i) w.append_one({.records = 3});
    size = w.log->size_bytes() / 5;
    w.stop();
    const MetaProperties mark{"cluster", 101, 1, 0, w.topic_id};
    mark.write(w.disk(), "/data").value();
    Assignments assigned;
    assigned.directories[w.topic_id] = "/data";
    assigned.partitions[{w.topic_id, 3}] = {"orders", w.topic_id};
    assigned.write(w.disk(), "/data").value();
  }
  void flip(uint64_t position) { w.host.disk().flip_bit(w.path(0, ".log"), position, 3); }
  OfflinePartitions broker() { return OfflinePartitions::open(w.disk(), {"/data"}).value(); }
  Diagnosis diagnosis() {
    OfflinePartitions stopped = broker();
    return stopped.diagnose(stopped.find(tp).value(), w.config).value();
  }
  // Everything in the folder, to see that nothing was changed.
  std::map<std::string, std::vector<uint8_t>> contents() {
    std::map<std::string, std::vector<uint8_t>> all;
    for (const auto& name : w.disk().list(w.folder).value()) {
      all[name] = io::read_whole(w.disk(), w.folder + "/" + name).value();
    }
    return all;
  }

  LogWorld w;
  const TopicPartition tp{"orders", 3};
  uint64_t size = 0;
};

TEST_F(Repair, OfAPartitionThatIsWellFindsNothing) {
  const auto before = contents();
  const Diagnosis found = diagnosis();
  EXPECT_TRUE(found.well());
  EXPECT_EQ(found.end, 15);
  EXPECT_EQ(found.known_end, 15);
  EXPECT_EQ(found.records, 15);
  EXPECT_EQ(contents(), before);
}

TEST_F(Repair, NamesWhatIsLostAndWhatCanBeRead) {
  flip(size + 70);
  const auto before = contents();
  const Diagnosis found = diagnosis();
  EXPECT_FALSE(found.well());
  EXPECT_EQ(found.end, 3);
  EXPECT_EQ(found.lost_end(), 15);
  EXPECT_EQ(found.readable(), 9);
  ASSERT_EQ(found.behind.size(), 1u);
  EXPECT_EQ(found.behind[0].first, 6);
  EXPECT_EQ(found.behind[0].last, 14);
  EXPECT_EQ(found.behind[0].position, 2 * size);
  EXPECT_EQ(contents(), before) << "looking changes nothing";
}

TEST_F(Repair, FindsGoodBatchesBehindABadLength) {
  flip(size + 9);
  const Diagnosis found = diagnosis();
  EXPECT_EQ(found.end, 3);
  ASSERT_EQ(found.behind.size(), 1u);
  EXPECT_EQ(found.behind[0].first, 6);
}

TEST_F(Repair, ExportsFirstThenCutsWhereTheDamageBegins) {
  flip(size + 70);
  const auto log = io::read_whole(w.disk(), w.path(0, ".log")).value();
  ASSERT_FALSE(w.try_open());
  {
    OfflinePartitions stopped = broker();
    const Whereabouts place = stopped.find(tp).value();
    const Diagnosis found = stopped.diagnose(place, w.config).value();
    EXPECT_TRUE(found.mark);
    const std::string path = stopped.export_path(place, found);
    EXPECT_EQ(path, "/data/orders-3.from-00000000000000000003.log");
    ASSERT_TRUE(stopped.save(place, found, path));
    EXPECT_FALSE(stopped.save(place, found, path)) << "an export is never written over";
    ASSERT_TRUE(stopped.repair(place, found, w.config));
    const auto saved = io::read_whole(w.disk(), path).value();
    EXPECT_TRUE(std::ranges::equal(saved, Bytes(log).subspan(2 * size)));
    EXPECT_TRUE(stopped.diagnose(place, w.config)->well());
  }
  w.crash();
  w.hints = {.recovery_point = 15};  // a checkpoint from before the repair
  w.open();
  EXPECT_EQ(w.log->end_offset(), 3);
}

// As the next start sees it: the segments that the power brought back are no damage.
TEST(Diagnosing, ACutThatAPowerLossEndedFindsNothing) {
  size_t back = 0;
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    for (uint64_t number = 1;; ++number) {
      LogWorld w(seed);
      w.open();
      for (int i = 0; i < 3; ++i) {
        for (int j = 0; j < 4; ++j) w.append_one({.records = 3});
        w.sync();
        if (i < 2) ASSERT_TRUE(w.log->roll());
      }
      const uint64_t before = w.host.disk().operations();
      w.host.disk().fail_operations_from(before + number, EIO);
      const bool whole = w.log->truncate_to(6).has_value();
      w.host.disk().forget_planned_failures();
      w.crash();
      back += w.disk().exists(w.path(24, ".log"));
      FileCache files(w.disk(), 10);
      const auto found = diagnose(files, w.folder, w.hints, Durability::fsync);
      ASSERT_TRUE(found) << found.error().text;
      EXPECT_TRUE(found->well()) << seed << ", " << number << ": " << found->damage->why;
      if (whole) break;
    }
  }
  EXPECT_GT(back, 0u);
}

TEST(Diagnosing, ATailThatPageCacheLostIsNoDamageToAStartWithFsync) {
  LogWorld w;
  w.config.durability = Durability::page_cache;
  w.open();
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 4; ++j) w.append_one({.records = 3});
    if (i < 2) ASSERT_TRUE(w.log->roll());
  }
  w.kill();
  auto log = w.disk().open(w.path(0, ".log"), io::Disk::Open::existing).value();
  ASSERT_TRUE(log->truncate(2 * make_batch({.records = 3}).size()));
  FileCache files(w.disk(), 10);
  const auto found = diagnose(files, w.folder, w.hints, Durability::fsync);
  ASSERT_TRUE(found) << found.error().text;
  EXPECT_TRUE(found->well()) << found->damage->why;
}

TEST_F(Repair, OfATailThatIsGoneGivesItUp) {
  auto log = w.disk().open(w.path(0, ".log"), io::Disk::Open::existing).value();
  ASSERT_TRUE(log->truncate(4 * size));
  const Diagnosis found = diagnosis();
  EXPECT_EQ(found.end, 12);
  EXPECT_EQ(found.lost_end(), 15);
  EXPECT_TRUE(found.behind.empty());
  {
    OfflinePartitions stopped = broker();
    ASSERT_TRUE(stopped.repair(stopped.find(tp).value(), found, w.config));
  }
  w.hints = {};
  w.open();
  EXPECT_EQ(w.log->end_offset(), 12);
}

TEST_F(Repair, RemovesAMarkWhereNothingIsWrongAnyMore) {
  flip(size + 70);
  w.hints.clean_shutdown = false;
  ASSERT_FALSE(w.try_open());
  flip(size + 70);
  ASSERT_FALSE(w.try_open()) << "only an operator removes a mark";
  const Diagnosis found = diagnosis();
  EXPECT_TRUE(found.mark);
  EXPECT_FALSE(found.damage);
  {
    OfflinePartitions stopped = broker();
    ASSERT_TRUE(stopped.repair(stopped.find(tp).value(), found, w.config));
  }
  w.hints = {};
  w.open();
  EXPECT_EQ(w.log->end_offset(), 15);
}

TEST_F(Repair, BesideARunningBrokerIsForWhatIsMarkedAlone) {
  auto lock = w.disk().lock("/data/.lock").value();
  flip(size + 70);
  {
    OfflinePartitions running = broker();
    EXPECT_TRUE(running.broker_runs());
    auto refused = running.may_work_on(running.find(tp).value());
    ASSERT_FALSE(refused) << "the broker may be about to open it";
    EXPECT_NE(refused.error().text.find("a broker runs here"), std::string::npos);
  }
  ASSERT_FALSE(w.try_open());
  OfflinePartitions running = broker();
  EXPECT_TRUE(running.may_work_on(running.find(tp).value()));
  auto second = OfflinePartitions::open(w.disk(), {"/data"});
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().text.find("another"), std::string::npos);
  ASSERT_TRUE(w.disk().remove_folder(w.folder));
  EXPECT_FALSE(running.may_work_on(running.find(tp).value())) << "forget is for a stopped one";
}

TEST_F(Repair, IsNotForOtherFolders) {
  auto nowhere = OfflinePartitions::open(w.disk(), {"/nowhere"});
  ASSERT_FALSE(nowhere);
  EXPECT_FALSE(w.disk().exists("/nowhere"));
}

TEST_F(Repair, APartitionWithoutFolderIsGivenUpOnRequest) {
  ASSERT_TRUE(w.disk().remove_folder(w.folder));
  using State = Whereabouts::State;
  {
    OfflinePartitions stopped = broker();
    EXPECT_EQ(stopped.find({"orders", 4})->state, State::unknown);
    EXPECT_EQ(stopped.find(tp)->state, State::no_folder);
    EXPECT_EQ(stopped.find(tp)->to_string(), "its folder /data/orders-3 is gone");
    ASSERT_TRUE(stopped.forget(tp));
  }
  EXPECT_EQ(broker().find(tp)->state, State::given_up);
}

TEST(PartitionName, IsATopicAndANumber) {
  EXPECT_EQ(parse_partition("a-b-12"), (TopicPartition{"a-b", 12}));
  for (const char* other :
       {"", "-", "orders", "orders-", "-3", "orders--3x", "orders-99999999999"}) {
    EXPECT_FALSE(parse_partition(other)) << other;
  }
}

}  // namespace
}  // namespace isthmus::broker
