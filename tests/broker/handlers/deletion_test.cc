// A whole broker whose process or machine dies while it deletes a topic.
#include <cerrno>

#include "kafka/gen/delete_topics.h"
#include "tests/broker/handlers/broker_world.h"

namespace isthmus::broker {
namespace {

class Deletion : public BrokerWorld {
 protected:
  ErrorCode remove(const std::string& name) {
    kafka::DeleteTopicsRequest request;
    request.timeout_ms = 30'000;
    request.topics.push_back({name, {}});
    return ask(request).responses.at(0).error_code;
  }
  // Of topic "a", under whatever name.
  size_t folders() {
    size_t found = 0;
    for (const char* dir : {"/data/1", "/data/2"}) {
      for (const std::string& name : site.disk().list(dir)) {
        found += name.starts_with("a-") || name.ends_with("-delete") || name.ends_with("-stray");
      }
    }
    return found;
  }
  // How often the metadata log speaks of deleted topics: once that there is one, once that nothing
  // is left of it.
  size_t records_of_deletions() {
    const auto& log = site.disk().find("/data/1/metadata.log")->data();
    const std::string_view text = as_text(log), key = "/deleted/";
    size_t found = 0;
    for (size_t at = 0; (at = text.find(key, at)) != text.npos; at += key.size()) ++found;
    return found;
  }
  void create_and_fill() {
    create("a", 3);
    for (PartitionIndex p = 0; p < 3; ++p) {
      ASSERT_EQ(produce("a", make_batch({{}}), -1, p).base_offset, 0);
    }
  }
};
ON_ONE_LOOP_AND_ON_TWO(Deletion);

TEST_P(Deletion, IsForgottenWhenNothingIsLeft) {
  start();
  create_and_fill();
  EXPECT_EQ(remove("a"), ErrorCode::none);
  EXPECT_EQ(folders(), 0u);
  EXPECT_GE(records_of_deletions(), 1u);
  world.run_for(std::chrono::seconds(1));
  EXPECT_EQ(records_of_deletions(), 2u) << "soon: a link may wait to bring it back";
  create_and_fill();
  world.run_for(std::chrono::seconds(30));
  EXPECT_EQ(folders(), 3u);
  EXPECT_EQ(records_of_deletions(), 2u);
}

// The second disk is full, so the new topic of the name cannot be followed, whatever is finished:
// that is tried now and then, and not without a pause.
TEST_P(Deletion, IsNotTriedWithoutAPauseWhereItCannotBeFollowed) {
  start();
  create_and_fill();
  sim::Volume& disk = site.disk();
  for (int i = 0; i < 4; ++i) disk.fail_next_name_change("/a-0", EIO);
  for (int i = 0; i < 10'000; ++i) disk.fail_next_append("/data/2/recovery-point", ENOSPC);
  EXPECT_EQ(remove("a"), ErrorCode::none);
  world.run_for(std::chrono::milliseconds(100));
  EXPECT_EQ(records_of_deletions(), 1u);
  kafka::CreateTopicsRequest request;
  request.topics.push_back({"a", 1, 1, {}, {}});
  EXPECT_NE(ask(request).topics.at(0).error_code, ErrorCode::none);
  const uint64_t before = disk.operations();
  world.run_for(std::chrono::seconds(25));
  EXPECT_LT(disk.operations() - before, 1000u);
  EXPECT_EQ(records_of_deletions(), 2u);
  disk.forget_planned_failures();
  world.run_for(std::chrono::seconds(25));
  EXPECT_EQ(records_of_deletions(), 2u);
  EXPECT_EQ(produce("a", make_batch({{}})).base_offset, 0);
  EXPECT_EQ(folders(), 1u);
}

TEST_P(Deletion, ThatIsCutAtAnyStepIsNeverHalfDone) {
  start();
  int deleted = 0, kept = 0, unanswered = 0;
  for (bool power : {false, true}) {
    bool more = true;
    for (uint64_t number = 1; more; ++number) {
      SCOPED_TRACE(testing::Message() << "power " << power << " operation " << number);
      if (folders() == 0) create_and_fill();
      sim::Volume& disk = site.disk();
      const uint64_t last = disk.operations() + number;
      disk.fail_operations_from(last, EIO);
      const bool done = remove("a") == ErrorCode::none;
      more = disk.operations() >= last;
      disk.forget_planned_failures();
      if (power) lose_power();
      if (!power) {
        kill();
        start();
      }
      const ErrorCode found = list_offset("a", -1).error_code;
      const bool gone = found == ErrorCode::unknown_topic_or_partition;
      ASSERT_TRUE(gone || found == ErrorCode::none);
      ASSERT_TRUE(gone || !done) << "an answer that was taken back";
      world.run_for(std::chrono::seconds(11));
      ASSERT_EQ(folders(), gone ? 0u : 3u);
      ASSERT_EQ(records_of_deletions() % 2, 0u);
      if (!gone) EXPECT_EQ(list_offset("a", -1).offset, 1);
      ++(gone ? deleted : kept);
      unanswered += gone && !done;
    }
  }
  EXPECT_GT(deleted, 10);
  EXPECT_GE(kept, 2);
  EXPECT_GT(unanswered, 10);
}

}  // namespace
}  // namespace isthmus::broker
