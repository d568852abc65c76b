// What the controller relies on, whichever store is behind the seam.
#include "broker/store/metadata_store.h"

#include <functional>

#include "broker/store/embedded.h"
#include "broker/store/zookeeper_store.h"
#include "tests/broker/task_world.h"
#include "tests/sim/world/zookeeper.h"

namespace isthmus::broker {
namespace {

using Outcome = MetadataStore::Outcome;
using Change = MetadataStore::Change;
constexpr int64_t not_there = MetadataStore::absent;

// What keeps the records, and outlives the process.
class Backing {
 public:
  virtual ~Backing() = default;
  virtual std::unique_ptr<MetadataStore> open(TaskWorld& world) = 0;
  virtual void close(TaskWorld& world) {}
};

class EmbeddedBacking final : public Backing {
 public:
  std::unique_ptr<MetadataStore> open(TaskWorld& world) override {
    return EmbeddedStore::open(world.disk(), world.loop(), "/data").value();
  }
};

class ZookeeperBacking final : public Backing {
 public:
  std::unique_ptr<MetadataStore> open(TaskWorld& world) override {
    session_ = std::make_unique<sim::ZookeeperSession>(ensemble_, world.loop());
    auto store = std::make_unique<ZookeeperStore>(world.loop(), world.env().random, *session_,
                                                  ZookeeperStoreOptions{});
    store_ = store.get();
    EXPECT_TRUE(world.run(store_->open()));
    return store;
  }
  void close(TaskWorld& world) override {
    world.run([](ZookeeperStore& store) -> io::Task<bool> {
      co_await store.close();
      co_return true;
    }(*store_));
  }

 private:
  sim::ZookeeperEnsemble ensemble_;
  std::unique_ptr<sim::ZookeeperSession> session_;
  ZookeeperStore* store_ = nullptr;
};

struct Kind {
  const char* name;
  std::function<std::unique_ptr<Backing>()> make;
};

class MetadataStoreTest : public testing::TestWithParam<Kind> {
 protected:
  MetadataStoreTest() : backing_(GetParam().make()) { open(); }
  ~MetadataStoreTest() override { close(); }

  void open() {
    calls_.clear();
    store_ = backing_->open(world_);
    store_->watch([this](const std::vector<Change>& changes) { calls_.push_back(changes); });
  }
  void close() {
    backing_->close(world_);
    store_.reset();
  }
  Outcome commit(std::vector<MetadataStore::Check> checks, std::vector<MetadataStore::Put> puts) {
    auto done = world_.run(store_->commit(std::move(checks), std::move(puts)));
    EXPECT_TRUE(done) << done.error().text;
    return done.value_or(Outcome::conflict);
  }
  static MetadataStore::Put put(const std::string& key, const std::string& value) {
    return {key, Slice::copy_of(value)};
  }
  // "key=value@version ..." of one call; without a value the key was deleted.
  std::string told(size_t call) {
    std::string text;
    for (const Change& c : calls_.at(call)) {
      text += (text.empty() ? "" : " ") + c.key + "=";
      if (c.value) text += std::string(as_text(c.value->view()));
      text += "@" + std::to_string(c.version);
    }
    return text;
  }

  TaskWorld world_;
  std::unique_ptr<Backing> backing_;
  std::unique_ptr<MetadataStore> store_;
  std::vector<std::vector<Change>> calls_;
};

TEST_P(MetadataStoreTest, WhatWasCommittedIsThereAfterARestart) {
  commit({}, {put("/a", "1"), put("/b", "2")});
  commit({}, {put("/a", "3")});
  close();
  open();
  ASSERT_EQ(calls_.size(), 1u);
  EXPECT_EQ(told(0), "/a=3@2 /b=2@1");
}

TEST_P(MetadataStoreTest, EachCommitIsToldAsOneCallBeforeItReturns) {
  EXPECT_EQ(told(0), "");
  commit({}, {put("/a", "1"), put("/b", "1")});
  ASSERT_EQ(calls_.size(), 2u);
  EXPECT_EQ(told(1), "/a=1@1 /b=1@1");
  commit({}, {{"/a", std::nullopt}});
  ASSERT_EQ(calls_.size(), 3u);
  EXPECT_EQ(told(2), "/a=@-1");
}

TEST_P(MetadataStoreTest, OneCheckThatDoesNotHoldAndNothingHappens) {
  commit({{"/a", not_there}}, {put("/a", "1")});
  EXPECT_EQ(commit({{"/a", not_there}}, {put("/a", "2"), put("/b", "2")}), Outcome::conflict);
  EXPECT_EQ(commit({{"/a", 1}, {"/b", 7}}, {put("/a", "2")}), Outcome::conflict);
  EXPECT_EQ(calls_.size(), 2u) << "nobody is told of what did not happen";
  EXPECT_EQ(commit({{"/a", 1}, {"/b", not_there}}, {put("/b", "2")}), Outcome::committed);
  close();
  open();
  EXPECT_EQ(told(0), "/a=1@1 /b=2@2");
}

// A version that comes again would let somebody overwrite what he has not seen.
TEST_P(MetadataStoreTest, AKeyThatWasDeletedComesBackUnderAHigherVersion) {
  commit({}, {put("/a", "1")});
  commit({{"/a", 1}}, {{"/a", std::nullopt}});
  EXPECT_EQ(commit({{"/a", 1}}, {put("/a", "2")}), Outcome::conflict);
  EXPECT_EQ(commit({{"/a", not_there}}, {put("/a", "2")}), Outcome::committed);
  EXPECT_EQ(told(3), "/a=2@3");
}

TEST_P(MetadataStoreTest, WritersThatSawTheSameCommitOneAfterTheOther) {
  auto first = world_.start(store_->commit({{"/a", not_there}}, {put("/a", "1")}));
  auto second = world_.start(store_->commit({{"/a", not_there}}, {put("/a", "2")}));
  world_.run_for(std::chrono::seconds(1));
  ASSERT_TRUE(first->has_value() && second->has_value());
  EXPECT_EQ(**first, Outcome::committed);
  EXPECT_EQ(**second, Outcome::conflict);
}

const Kind kinds[] = {
    {"embedded", [] { return std::unique_ptr<Backing>(new EmbeddedBacking); }},
    {"zookeeper", [] { return std::unique_ptr<Backing>(new ZookeeperBacking); }},
};
INSTANTIATE_TEST_SUITE_P(Both, MetadataStoreTest, testing::ValuesIn(kinds),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace isthmus::broker
