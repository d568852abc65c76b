#include "broker/controller/controller.h"

#include <set>

#include "broker/controller/topic_plans.h"
#include "broker/store/embedded.h"
#include "tests/broker/plans.h"
#include "tests/broker/task_world.h"

namespace isthmus::broker {
namespace {

using kafka::ErrorCode;
using Outcome = MetadataStore::Outcome;

// Answers what the test says, and otherwise keeps everything in memory.
class ScriptedStore final : public MetadataStore {
 public:
  io::Task<Result<Outcome>> commit(std::vector<Check>, std::vector<Put> puts) override {
    ++commits;
    if (conflicts > 0) {
      --conflicts;
      if (meanwhile) watcher_(std::exchange(meanwhile, {})());
      co_return Outcome::conflict;
    }
    std::vector<Change> changes;
    for (auto& put : puts) changes.push_back({put.key, put.value, put.value ? ++version_ : absent});
    watcher_(changes);
    co_return Outcome::committed;
  }
  void watch(Watcher watcher) override {
    watcher_ = std::move(watcher);
    watcher_(there);
  }
  void on_session_lost(std::function<void()>) override {}

  int commits = 0;
  int conflicts = 0;
  std::vector<Change> there;
  std::function<std::vector<Change>()> meanwhile;  // what another writer has done

 private:
  Watcher watcher_;
  int64_t version_ = 0;
};

class ControllerTest : public testing::Test {
 protected:
  void boot() {
    controller_.reset();
    published_ = std::make_unique<PublishedImage>();
    controller_ = std::make_unique<Controller>(world_.env(), *published_);
  }
  void use_embedded() {
    auto store = EmbeddedStore::open(world_.disk(), world_.loop(), "/data");
    ASSERT_TRUE(store);
    controller_->use(std::move(*store));
  }
  ScriptedStore& use_scripted() {
    auto store = std::make_unique<ScriptedStore>();
    ScriptedStore& scripted = *store;
    controller_->use(std::move(store));
    return scripted;
  }
  Result<void> start(Identity who = {"seoul", 7, 701}) {
    return world_.run(controller_->start(std::move(who)));
  }
  Result<void> restart(Identity who = {"seoul", 7, 701}) {
    boot();
    use_embedded();
    return start(std::move(who));
  }
  Result<void> create(const std::string& name, uint8_t id) {
    auto decide = [=](const Image& image) {
      return plan_create_topic(image, topic_wish(name, id));
    };
    return world_.run(controller_->update(decide));
  }
  ProducerId allocate() {
    auto id = world_.run(controller_->allocate_producer_id());
    EXPECT_TRUE(id) << id.error().text;
    return id.value_or(-1);
  }

  TaskWorld world_;
  std::unique_ptr<PublishedImage> published_;
  std::unique_ptr<Controller> controller_;
};

TEST_F(ControllerTest, FoundsTheClusterOnceAndCountsItsStarts) {
  ASSERT_TRUE(restart());
  Uuid id = controller_->snapshot()->cluster_id;
  EXPECT_FALSE(id.is_zero());
  EXPECT_EQ(controller_->snapshot()->starts.number, 1);
  ASSERT_TRUE(restart());
  EXPECT_EQ(controller_->snapshot()->cluster_id, id);
  EXPECT_EQ(controller_->snapshot()->starts.number, 2);
  EXPECT_EQ(published_->load()->starts.number, 2) << "readers see what the controller sees";
}

TEST_F(ControllerTest, ADirectoryOfAnotherClusterIsRefusedWithBothNames) {
  ASSERT_TRUE(restart());
  auto other_number = restart({"seoul", 8, 701});
  EXPECT_TRUE(says(other_number, "number 7"));
  EXPECT_TRUE(says(other_number, "number 8"));
  auto other_name = restart({"busan", 7, 701});
  EXPECT_TRUE(says(other_name, "cluster seoul"));
  EXPECT_TRUE(says(other_name, "busan"));
  auto other_node = restart({"seoul", 7, 702});
  EXPECT_TRUE(says(other_node, "node 701"));
  EXPECT_TRUE(says(other_node, "702"));
  ASSERT_TRUE(restart());
  EXPECT_EQ(controller_->snapshot()->starts.number, 2) << "a refused start is no election";
}

TEST_F(ControllerTest, AnUpdateIsDurableAndFollowedWhenItReturns) {
  ASSERT_TRUE(restart());
  std::vector<size_t> followed;
  controller_->follow([&](std::shared_ptr<const Image> image) -> io::Task<Result<void>> {
    followed.push_back(image->topics.size());
    return io::ready(Result<void>{});
  });
  ASSERT_TRUE(create("orders", 9));
  EXPECT_EQ(followed, std::vector<size_t>{1});
  world_.host.crash();
  controller_.reset();
  world_.crash();
  ASSERT_TRUE(restart());
  EXPECT_NE(controller_->snapshot()->find("orders"), nullptr);
}

io::Task<Result<void>> follow_when(io::Event& told) {
  co_await told.wait();
  co_return Result<void>{};
}

// A request that was repeated is answered when the first one would be: what it asks for is decided,
// but its partitions are not open yet.
TEST_F(ControllerTest, AnUpdateThatFindsItDecidedWaitsForThePartitionsToo) {
  ASSERT_TRUE(restart());
  io::Event told(world_.loop());
  controller_->follow([&](std::shared_ptr<const Image>) { return follow_when(told); });
  const auto first = world_.start(controller_->update(
      [](const Image& image) { return plan_create_topic(image, topic_wish("orders", 9)); }));
  world_.run_for(std::chrono::seconds(1));
  const auto again =
      world_.start(controller_->update([](const Image&) { return Result<Plan>(Plan{}); }));
  world_.run_for(std::chrono::seconds(1));
  EXPECT_NE(controller_->snapshot()->find("orders"), nullptr);
  EXPECT_FALSE(first->has_value());
  EXPECT_FALSE(again->has_value());
  world_.on_loop([&] { told.close(); });
  world_.run_for(std::chrono::seconds(1));
  EXPECT_TRUE(first->has_value());
  EXPECT_TRUE(again->has_value());
}

TEST_F(ControllerTest, AConflictIsDecidedAgainOnTheNewImage) {
  boot();
  auto& store = use_scripted();
  ASSERT_TRUE(start());
  store.conflicts = 1;
  store.meanwhile = [this] {
    auto image = controller_->snapshot();
    return changes_of(*plan_create_topic(*image, topic_wish("orders", 8)), 99);
  };
  EXPECT_EQ(code_of(create("orders", 9)), ErrorCode::topic_already_exists);
  EXPECT_EQ(controller_->snapshot()->find("orders")->id, uuid_of(8));
  store.conflicts = 3;
  EXPECT_TRUE(create("other", 9));
}

TEST_F(ControllerTest, EndlessConflictsEndInATimeoutNotInADefiniteFailure) {
  boot();
  auto& store = use_scripted();
  ASSERT_TRUE(start());
  store.conflicts = 1'000'000;
  EXPECT_EQ(code_of(create("orders", 9)), ErrorCode::request_timed_out);
}

TEST_F(ControllerTest, AnEmptyPlanWritesNothing) {
  boot();
  auto& store = use_scripted();
  ASSERT_TRUE(start());
  int before = store.commits;
  EXPECT_TRUE(world_.run(controller_->update([](const Image&) { return Result<Plan>(Plan{}); })));
  EXPECT_EQ(store.commits, before);
}

TEST_F(ControllerTest, MetadataOfANewerReleaseRefusesToStart) {
  boot();
  use_scripted().there = {{"/from/the/future", Slice::copy_of("x"), 1}};
  EXPECT_TRUE(says(start(), "/from/the/future"));
}

// Batches keep their producer ids when they are mirrored: an id given out twice would have one
// producer's records dropped as another's duplicates.
TEST_F(ControllerTest, ProducerIdsAreNeverGivenOutTwice) {
  std::set<ProducerId> all;
  for (int life = 0; life < 3; ++life) {
    ASSERT_TRUE(restart());
    for (int i = 0; i < 1500; ++i) {
      ProducerId id = allocate();
      ASSERT_TRUE(all.insert(id).second) << id;
      ASSERT_EQ(id >> 48, 7);
      ASSERT_GT(id, 0);
    }
  }
}

TEST(ProducerIds, NeitherTwoClustersNorTwoIncarnationsShareAny) {
  constexpr int64_t last = (int64_t{1} << 40) - 1;
  EXPECT_LT(make_producer_id(1, 0, last), make_producer_id(1, 1, 0));
  EXPECT_LT(make_producer_id(1, -1, last), make_producer_id(2, 0, 0));
  EXPECT_GT(make_producer_id(32767, -1, last), 0) << "a negative id means none";
  EXPECT_EQ(make_producer_id(32767, -1, last) >> 48, 32767);
  EXPECT_EQ(make_producer_id(1, 127, last) >> 48, 1);
}

}  // namespace
}  // namespace isthmus::broker
