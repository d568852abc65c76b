#include "broker/log/checkpoints.h"

#include "broker/log/text_checkpoint.h"
#include "tests/broker/log/log_world.h"

namespace isthmus::broker {
namespace {

std::string text_of(LogWorld& w, const std::string& path) {
  return std::string(as_text(io::read_whole(w.disk(), path).value()));
}

TEST(OffsetCheckpoint, IsKafkasFormat) {
  LogWorld w;
  OffsetCheckpoint points(w.disk(), "/data", OffsetCheckpoint::recovery_points);
  EXPECT_TRUE(points.read()->empty());
  const OffsetCheckpoint::Offsets offsets{{{"orders", 0}, 17}, {{"orders", 12}, 0}, {{"a", 1}, 5}};
  ASSERT_TRUE(points.write(offsets));
  EXPECT_EQ(text_of(w, "/data/recovery-point-offset-checkpoint"),
            "0\n3\na 1 5\norders 0 17\norders 12 0\n");
  EXPECT_EQ(points.read(), offsets);
}

TEST(OffsetCheckpoint, ACrashLeavesTheOldOrTheNew) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    LogWorld w(seed);
    const OffsetCheckpoint::Offsets before{{{"t", 0}, 1}};
    const OffsetCheckpoint::Offsets after{{{"t", 0}, 2}};
    OffsetCheckpoint(w.disk(), "/data", OffsetCheckpoint::log_starts).write(before).value();
    w.host.disk().fail_next_sync("", 5);
    ASSERT_FALSE(OffsetCheckpoint(w.disk(), "/data", OffsetCheckpoint::log_starts).write(after));
    w.crash();
    EXPECT_EQ(OffsetCheckpoint(w.disk(), "/data", OffsetCheckpoint::log_starts).read(), before);
  }
}

TEST(TextCheckpoint, RefusesWhatIsNotOne) {
  for (const char* text : {"", "1\n0\n", "x\n0\n", "0\n2\na 1 5\n", "0\n1\na 1\n", "0\n-1\n",
                           "0\n1\na 1 5\nb 1 5\n"}) {
    EXPECT_FALSE(parse_checkpoint(text, 3, "file")) << text;
  }
  EXPECT_TRUE(parse_checkpoint("0\n1\na 1 5\n", 3, "file"));
}

TEST(CleanShutdown, IsTakenBeforeLogsAreOpenedAndOnlyOnce) {
  LogWorld w;
  EXPECT_FALSE(CleanShutdownMark(w.disk(), "/data").take()->clean);
  ASSERT_TRUE(CleanShutdownMark(w.disk(), "/data").leave(42));
  w.crash();
  auto found = CleanShutdownMark(w.disk(), "/data").take();
  EXPECT_TRUE(found->clean);
  EXPECT_EQ(found->broker_epoch, 42);
  w.crash();
  EXPECT_FALSE(CleanShutdownMark(w.disk(), "/data").take()->clean);
}

TEST(CleanShutdown, AnOlderKafkasEmptyMarkCounts) {
  LogWorld w;
  w.disk().open("/data/.kafka_cleanshutdown", io::Disk::Open::create).value();
  auto found = CleanShutdownMark(w.disk(), "/data").take();
  EXPECT_TRUE(found->clean);
  EXPECT_EQ(found->broker_epoch, -1);
}

TEST(MetaProperties, ComeBackAndSayWhatIsMissing) {
  LogWorld w;
  EXPECT_EQ(*MetaProperties::read(w.disk(), "/data"), std::nullopt);
  const MetaProperties mine{"abc", 3, 12, 255, {}};
  ASSERT_TRUE(mine.write(w.disk(), "/data"));
  EXPECT_EQ(**MetaProperties::read(w.disk(), "/data"), mine);
  io::replace_file(w.disk(), "/data/meta.properties", as_bytes("version=1\nnode.id=3\n")).value();
  auto read = MetaProperties::read(w.disk(), "/data");
  ASSERT_FALSE(read);
  EXPECT_NE(read.error().text.find("cluster.number"), std::string::npos);
}

TEST(PartitionMetadata, IsKafkasFormat) {
  LogWorld w;
  EXPECT_EQ(*read_partition_topic_id(w.disk(), "/data"), std::nullopt);
  ASSERT_TRUE(write_partition_topic_id(w.disk(), "/data", w.topic_id));
  EXPECT_EQ(text_of(w, "/data/partition.metadata"),
            "version: 0\ntopic_id: " + w.topic_id.to_string() + "\n");
  EXPECT_EQ(**read_partition_topic_id(w.disk(), "/data"), w.topic_id);
}

TEST(FileCache, KeepsTheMostRecentlyUsed) {
  LogWorld w;
  for (const char* name : {"/data/a", "/data/b", "/data/c"}) {
    w.disk().open(name, io::Disk::Open::create).value();
  }
  FileCache cache(w.disk(), 2);
  const auto a = cache.open("/data/a").value();
  cache.open("/data/b").value();
  EXPECT_EQ(cache.open("/data/a").value(), a);
  cache.open("/data/c").value();
  EXPECT_EQ(cache.size(), 2u);
  EXPECT_EQ(cache.open("/data/a").value(), a) << "b was used longer ago";
  cache.forget("/data/a");
  EXPECT_NE(cache.open("/data/a").value(), a);
  EXPECT_FALSE(cache.open("/data/absent"));
}

}  // namespace
}  // namespace isthmus::broker
