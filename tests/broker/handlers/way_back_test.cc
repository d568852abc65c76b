// The way back after a failover, at the site that was lost.
#include "kafka/gen/become_mirror.h"
#include "kafka/gen/epoch_history.h"
#include "kafka/gen/take_way_back_step.h"
#include "tests/broker/handlers/mirroring_world.h"

namespace isthmus::broker {
namespace {

class GoingBack : public Mirroring {
 protected:
  using Outcome = kafka::BecomeMirrorResponse::BecomeMirrorResult;

  void write(const std::string& topic, int records) {
    for (int i = 0; i < records; ++i) produce(topic, make_batch({{}}));
  }
  // The new source has of each topic what we have, up to `common`.
  kafka::BecomeMirrorResponse become_mirror(const std::vector<std::string>& topics, Offset common,
                                            bool dry_run = false) {
    kafka::EpochHistoryRequest ask;
    ask.topics = topics;
    kafka::BecomeMirrorRequest request;
    request.link = "busan-seoul";
    request.left_link = "seoul-busan";
    request.origin = 3;
    request.dry_run = dry_run;
    for (const auto& history : ask_peers(ask).topics) {
      auto& topic = request.topics.emplace_back();
      topic.name = history.name;
      topic.topic_id = history.name == another_ ? id(99) : history.topic_id;
      topic.promoted_at = 1;
      for (const auto& p : history.partitions) {
        auto& partition = topic.partitions.emplace_back();
        partition.index = p.index;
        partition.leader_epoch = p.leader_epoch + (1 << 20);
        partition.end_offset = common;
        for (const auto& e : p.entries) {
          partition.history.push_back({e.epoch, e.owner, e.start_offset});
        }
      }
    }
    return ask_peers(request);
  }
  std::pair<Offset, Offset> bounds(const std::string& topic) {
    return {list_offset(topic, -2).offset, list_offset(topic, -1).offset};
  }
  kafka::WriterKind writer_of(const std::string& name) {
    kafka::DescribeSiteRequest request;
    request.include_topics = true;
    for (const auto& topic : ask_peers(request).topics) {
      if (topic.name == name) return topic.writer;
    }
    return kafka::WriterKind::clients;
  }
  std::string another_;  // has another id at the new source
};
ON_ONE_LOOP_AND_ON_TWO(GoingBack);

TEST_P(GoingBack, AnExportNeverGoesIntoATopicOfThatName) {
  using Bounds = std::pair<Offset, Offset>;
  start();
  create("t");
  write("t", 3);
  const auto told = become_mirror({"t"}, 1, true);
  ASSERT_EQ(told.error_code, ErrorCode::none) << told.error_message.value_or("");
  const std::string usual = told.topics.at(0).exported_to;
  EXPECT_TRUE(usual.starts_with("t.diverged.")) << usual;
  create(usual);
  write(usual, 1);
  const auto done = become_mirror({"t"}, 1);
  ASSERT_EQ(done.error_code, ErrorCode::none) << done.error_message.value_or("");
  const std::string other = done.topics.at(0).exported_to;
  EXPECT_EQ(other, usual + ".2");
  EXPECT_EQ(bounds(usual), (Bounds{0, 1})) << "it is a user's";
  EXPECT_EQ(bounds(other), (Bounds{1, 3}));
  EXPECT_EQ(bounds("t"), (Bounds{0, 1}));
}

TEST_P(GoingBack, ANameThatIsTooLongForAnExportIsShortened) {
  start();
  const std::string name(249, 'x');
  create(name);
  write(name, 2);
  const auto done = become_mirror({name}, 1);
  ASSERT_EQ(done.error_code, ErrorCode::none) << done.error_message.value_or("");
  EXPECT_EQ(done.topics.at(0).exported_to.size(), 249u);
  EXPECT_EQ(bounds(done.topics.at(0).exported_to), (std::pair<Offset, Offset>{1, 2}));
}

TEST_P(GoingBack, ATopicThatCannotHoldsUpNoOther) {
  start();
  for (const char* name : {"bad", "good"}) {
    create(name);
    write(name, 2);
  }
  another_ = "bad";
  const auto done = become_mirror({"bad", "good"}, 1);
  ASSERT_EQ(done.error_code, ErrorCode::none) << done.error_message.value_or("");
  EXPECT_EQ(done.topics.at(0).error_code, ErrorCode::invalid_request);
  EXPECT_NE(done.topics.at(0).error_message.value_or("").find("another topic"), std::string::npos);
  EXPECT_EQ(done.topics.at(1).error_code, ErrorCode::none);
  EXPECT_EQ(writer_of("good"), kafka::WriterKind::link);
  EXPECT_EQ(writer_of("bad"), kafka::WriterKind::clients) << "as it was";
  EXPECT_EQ(list_offset("bad", -1).offset, 2) << "nothing of it is cut";
  EXPECT_EQ(list_offset("good", -1).offset, 1);
  EXPECT_EQ(become_mirror({"bad"}, 1).error_code, ErrorCode::invalid_request) << "none could";
}

// Another broker of the cluster has written that down, and asks before it is read here.
TEST_P(GoingBack, NothingIsCutWhereClientsStillWrite) {
  start();
  create("orders");
  write("orders", 3);
  kafka::EpochHistoryRequest ask;
  ask.topics = {"orders"};
  kafka::TakeWayBackStepRequest cut;
  cut.step = kafka::WayBackStep::cut;
  cut.topic_id = ask_peers(ask).topics.at(0).topic_id;
  cut.offset = 1;
  cut.end_offset = 3;
  EXPECT_EQ(ask_peers(cut).error_code, ErrorCode::not_leader_or_follower);
  EXPECT_EQ(list_offset("orders", -1).offset, 3);
}

}  // namespace
}  // namespace isthmus::broker
