#include "broker/store/embedded.h"

#include <algorithm>
#include <limits>

#include "base/crc32c.h"
#include "kafka/wire.h"
#include "tests/broker/task_world.h"

namespace isthmus::broker {
namespace {

using Outcome = MetadataStore::Outcome;
using Change = MetadataStore::Change;
constexpr int64_t absent = MetadataStore::absent;

const std::string path = "/data/metadata.log";
const std::string slot = "/data/metadata.synced";

// A store, and what its watcher has seen.
class EmbeddedStoreTest : public testing::Test {
 protected:
  ~EmbeddedStoreTest() override { store_.reset(); }

  Result<void> try_open() {
    store_.reset();
    commits_.clear();
    auto opened = EmbeddedStore::open(world_.disk(), world_.loop(), "/data");
    if (!opened) return fail(opened.error());
    store_ = std::move(*opened);
    store_->watch([this](const std::vector<Change>& changes) { commits_.push_back(changes); });
    return {};
  }
  void open() {
    auto opened = try_open();
    ASSERT_TRUE(opened) << opened.error().text;
  }

  Result<Outcome> commit(std::vector<MetadataStore::Check> checks,
                         std::vector<MetadataStore::Put> puts) {
    return world_.run(store_->commit(std::move(checks), std::move(puts)));
  }
  static MetadataStore::Put put(const std::string& key, const std::string& value) {
    return {key, Slice::copy_of(value)};
  }
  void set(const std::string& key, const std::string& value) {
    auto done = commit({}, {put(key, value)});
    ASSERT_TRUE(done) << done.error().text;
    ASSERT_EQ(*done, Outcome::committed);
  }
  // What a watcher is told first: "key=value@version ...", in order of the keys.
  std::string content() {
    std::string text;
    for (const Change& c : commits_.at(0)) {
      text += (text.empty() ? "" : " ") + c.key + "=" + std::string(as_text(c.value->view())) +
              "@" + std::to_string(c.version);
    }
    return text;
  }
  std::string reopened() {
    auto opened = try_open();
    return opened ? content() : opened.error().text;
  }

  std::vector<uint8_t> bytes() { return io::read_whole(world_.disk(), path).value(); }
  void replace(Bytes content) {
    store_.reset();
    ASSERT_TRUE(io::replace_file(world_.disk(), path, content));
  }
  // As a power loss may: what was synced is not known then.
  void lose_slot() {
    store_.reset();
    ASSERT_TRUE(world_.disk().remove(slot));
  }

  TaskWorld world_;
  std::unique_ptr<EmbeddedStore> store_;
  std::vector<std::vector<Change>> commits_;
};

TEST_F(EmbeddedStoreTest, WhatWasCommittedIsThereAfterAPowerLoss) {
  open();
  set("/a", "1");
  set("/b", "2");
  set("/a", "3");
  store_.reset();
  world_.crash();
  EXPECT_EQ(reopened(), "/a=3@3 /b=2@2");
}

// A process that dies between making the file and syncing its folder leaves a name that a power
// loss takes away, and with it every commit since.
TEST_F(EmbeddedStoreTest, AFileThatWasThereAlreadyHasADurableName) {
  ASSERT_TRUE(world_.disk().open(path, io::Disk::Open::create));
  world_.kill();
  open();
  set("/a", "1");
  store_.reset();
  world_.crash();
  EXPECT_EQ(reopened(), "/a=1@1");
}

TEST_F(EmbeddedStoreTest, WatchersSeeEachCommitAsOneCall) {
  open();
  ASSERT_TRUE(commit({}, {put("/a", "1"), put("/b", "2")}));
  ASSERT_TRUE(commit({}, {{"/a", std::nullopt}}));
  ASSERT_EQ(commits_.size(), 3u) << "what was there, and two commits";
  EXPECT_TRUE(commits_[0].empty());
  ASSERT_EQ(commits_[1].size(), 2u);
  EXPECT_EQ(commits_[1][1].key, "/b");
  EXPECT_EQ(commits_[1][1].version, 1);
  EXPECT_FALSE(commits_[2][0].value);
  EXPECT_EQ(commits_[2][0].version, absent);
}

TEST_F(EmbeddedStoreTest, ACheckThatDoesNotHoldWritesNothing) {
  open();
  set("/a", "1");
  auto before = bytes();
  EXPECT_EQ(commit({{"/a", absent}}, {put("/a", "2")}), Outcome::conflict);
  EXPECT_EQ(commit({{"/a", 2}}, {put("/a", "2")}), Outcome::conflict);
  EXPECT_EQ(commit({{"/a", 1}, {"/b", 1}}, {put("/a", "2")}), Outcome::conflict);
  EXPECT_EQ(bytes(), before);
  EXPECT_EQ(commit({{"/a", 1}, {"/b", absent}}, {put("/a", "2")}), Outcome::committed);
  EXPECT_EQ(reopened(), "/a=2@2");
}

TEST_F(EmbeddedStoreTest, OfTwoWritersThatSawTheSameOneWins) {
  open();
  set("/a", "1");
  auto first = world_.start(store_->commit({{"/a", 1}}, {put("/a", "first")}));
  auto second = world_.start(store_->commit({{"/a", 1}}, {put("/a", "second")}));
  world_.run_for(std::chrono::seconds(1));
  EXPECT_EQ(first->value(), Outcome::committed);
  EXPECT_EQ(second->value(), Outcome::conflict);
  EXPECT_EQ(reopened(), "/a=first@2");
}

TEST_F(EmbeddedStoreTest, ACommitTornAtAnyByteIsAsThoughItHadNotBeen) {
  open();
  set("/a", "1");
  size_t whole = bytes().size();
  set("/b", "a longer value than the one before");
  auto all = bytes();
  for (size_t size = whole; size < all.size(); ++size) {
    replace(Bytes(all).first(size));
    lose_slot();
    ASSERT_EQ(reopened(), "/a=1@1") << "torn at byte " << size;
    ASSERT_EQ(bytes().size(), whole) << "the torn tail is cut";
    if (size > whole) {
      ASSERT_EQ(io::read_whole(world_.disk(), path + ".cut")->size(), size - whole);
    }
    set("/c", "3");
    ASSERT_EQ(reopened(), "/a=1@1 /c=3@2");
  }
  replace(all);
  EXPECT_EQ(reopened(), "/a=1@1 /b=a longer value than the one before@2");
}

// File systems leave the new length and no content.
TEST_F(EmbeddedStoreTest, ATailOfZerosIsATornTail) {
  open();
  set("/a", "1");
  for (size_t zeros : {1u, 8u, 9u, 20u, 4096u}) {
    auto torn = bytes();
    torn.resize(torn.size() + zeros, 0);
    replace(torn);
    ASSERT_EQ(reopened(), "/a=1@1") << zeros << " zeros";
  }
}

// What was acknowledged is the last commit here: nothing behind it says so.
TEST_F(EmbeddedStoreTest, ACommitThatWasSyncedAndIsBrokenOrGoneRefusesToStart) {
  open();
  set("/a", "1");
  const size_t from = bytes().size();
  set("/b", "2");
  const auto all = bytes();
  std::vector<std::vector<uint8_t>> damaged;
  for (size_t at = from; at < all.size(); ++at) {
    damaged.push_back(all);
    damaged.back()[at] ^= 0x10;
    damaged.emplace_back(all.begin(), all.begin() + static_cast<ptrdiff_t>(at));
  }
  for (const auto& content : damaged) {
    replace(content);
    for (int start = 0; start < 2; ++start) {
      auto opened = try_open();
      ASSERT_FALSE(opened) << "start " << start;
      EXPECT_EQ(opened.error().kind, Error::Kind::corrupt);
      EXPECT_NE(opened.error().text.find("version 2 was synced"), std::string::npos)
          << opened.error().text;
      EXPECT_EQ(bytes(), content) << "nothing may be cut";
    }
  }
  replace(Bytes(all).first(from));
  lose_slot();
  EXPECT_EQ(reopened(), "/a=1@1") << "an older copy, on purpose";
}

// It is in the page cache, and a start goes on from it: another loss must not take it back.
TEST_F(EmbeddedStoreTest, WhatAKilledProcessLeftUnsyncedIsSyncedBeforeItIsActedUpon) {
  open();
  set("/a", "1");
  auto under_way = world_.start(store_->commit({}, {put("/b", "2")}));
  world_.kill();
  store_.reset();
  EXPECT_EQ(reopened(), "/a=1@1 /b=2@2");
  store_.reset();
  world_.crash();
  EXPECT_EQ(reopened(), "/a=1@1 /b=2@2");
}

TEST_F(EmbeddedStoreTest, AValueThatLooksLikeACommitIsNone) {
  open();
  set("/a", "1");
  const std::string commit(as_text(bytes()));
  const size_t whole = bytes().size();
  set("/b", commit + commit + commit);
  auto torn = bytes();
  torn[whole + 4] ^= 1;
  replace(torn);
  lose_slot();
  EXPECT_EQ(reopened(), "/a=1@1");
}

TEST_F(EmbeddedStoreTest, ABrokenCommitBeforeValidOnesRefusesToStart) {
  open();
  set("/a", "1");
  size_t from = bytes().size();
  set("/b", "2");
  size_t to = bytes().size();
  set("/c", "3");
  auto all = bytes();
  for (size_t at = from; at < to; ++at) {
    auto broken = all;
    broken[at] ^= 0x10;
    replace(broken);
    if (at == from) lose_slot();
    auto opened = try_open();
    ASSERT_FALSE(opened) << "byte " << at << " is broken";
    EXPECT_EQ(opened.error().kind, Error::Kind::corrupt);
    EXPECT_NE(opened.error().text.find(path), std::string::npos);
    EXPECT_NE(opened.error().text.find("byte " + std::to_string(from)), std::string::npos);
    EXPECT_EQ(bytes().size(), all.size()) << "nothing may be cut";
  }
}

// With a right checksum: by another program, or a fault of ours.
TEST_F(EmbeddedStoreTest, AVersionThatNothingCountsUpToRefusesToStart) {
  open();
  lose_slot();
  for (const int64_t version : {int64_t{-1}, std::numeric_limits<int64_t>::max()}) {
    kafka::Writer body;
    body.int64(version);
    body.int32(0);
    const Slice commit = *std::move(body).finish().flatten();
    kafka::Writer frame;
    frame.int32(static_cast<int32_t>(commit.size()));
    frame.int32(static_cast<int32_t>(crc32c(commit.view())));
    frame.raw(commit.view());
    replace(std::move(frame).finish().flatten()->view());
    auto opened = try_open();
    ASSERT_FALSE(opened) << version;
    EXPECT_NE(opened.error().text.find("breaks its own format"), std::string::npos);
  }
}

TEST_F(EmbeddedStoreTest, ARewriteKeepsVersionsAndNeverGivesOneOutTwice) {
  open();
  set("/old", "kept");
  const std::string large(1 << 20, 'x');
  for (int i = 0; i < 6; ++i) set("/large", large);
  set("/large", "small");
  ASSERT_TRUE(commit({}, {{"/gone", std::nullopt}}));
  ASSERT_GT(bytes().size(), size_t{6} << 20);
  EXPECT_EQ(reopened(), "/large=small@8 /old=kept@1");
  EXPECT_LT(bytes().size(), 1000u);
  set("/next", "n");
  EXPECT_EQ(commits_.back()[0].version, 10);
  store_.reset();
  world_.crash();
  EXPECT_EQ(reopened(), "/large=small@8 /next=n@10 /old=kept@1");
}

TEST_F(EmbeddedStoreTest, AFailedSyncIsFinal) {
  open();
  set("/a", "1");
  world_.host.disk().fail_next_sync("metadata.log", EIO);
  auto failed = commit({}, {put("/b", "2")});
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().kind, Error::Kind::io);
  EXPECT_EQ(commits_.size(), 2u) << "nobody may see what may not be there";
  auto after = commit({}, {put("/c", "3")});
  EXPECT_FALSE(after) << "fsync was retried";
}

TEST_F(EmbeddedStoreTest, AChangeTooLargeToBeReadAgainIsRefused) {
  open();
  set("/a", "1");
  auto done = commit({}, {put("/b", std::string(65 << 20, 'x'))});
  ASSERT_FALSE(done);
  set("/c", "3");
  EXPECT_EQ(reopened(), "/a=1@1 /c=3@2");
}

// Power is lost at random moments while commits run one after another.
TEST_F(EmbeddedStoreTest, NoAcknowledgedCommitIsLostByAnyPowerLoss) {
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    TaskWorld world(seed);
    auto opened = EmbeddedStore::open(world.disk(), world.loop(), "/data");
    ASSERT_TRUE(opened);
    auto& store = *opened;
    std::vector<std::shared_ptr<std::optional<Result<Outcome>>>> done;
    for (int i = 0; i < 20; ++i) {
      done.push_back(world.start(store->commit({}, {put("/" + std::to_string(i), "v")})));
    }
    world.run_for(io::milliseconds(world.world.random().below(60)));
    auto acknowledged = std::ranges::count_if(done, [](const auto& d) { return d->has_value(); });
    world.host.crash();
    store.reset();
    auto& process = world.host.start_process();
    auto again = EmbeddedStore::open(process.env().disk, process.env().main_loop(), "/data");
    ASSERT_TRUE(again) << again.error().text;
    size_t found = 0;
    (*again)->watch([&](const std::vector<Change>& all) { found = all.size(); });
    ASSERT_GE(found, static_cast<size_t>(acknowledged)) << "seed " << seed;
  }
}

TEST_F(EmbeddedStoreTest, AFullDiskRefusesACommitAndTakesTheNext) {
  open();
  set("/a", "1");
  for (int i = 0; i < 5; ++i) {
    world_.host.disk().fail_next_append("metadata.log", ENOSPC);
    // Once more where the reserve has made room.
    if (i == 0) world_.host.disk().fail_next_append("metadata.log", ENOSPC);
    auto refused = commit({}, {put("/b", "2")});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ENOSPC);
  }
  set("/c", "3");
  store_.reset();
  world_.crash();
  EXPECT_EQ(reopened(), "/a=1@1 /c=3@2");
}

TEST_F(EmbeddedStoreTest, ADiskFullToTheLastByteTakesTheCommitThatMakesRoom) {
  open();
  set("/a", std::string(3000, 'x'));
  world_.host.disk().capacity = world_.host.disk().used();
  set("/b", std::string(3000, 'y'));
  EXPECT_FALSE(world_.disk().exists("/data/metadata.reserve"));
  world_.host.disk().capacity = UINT64_MAX;
  set("/c", "1");
  EXPECT_TRUE(world_.disk().exists("/data/metadata.reserve")) << "for the next time";
}

}  // namespace
}  // namespace isthmus::broker
