#include "client/fetcher.h"

#include <map>

#include "tests/client/fake_broker.h"

namespace isthmus::client {
namespace {

using kafka::ErrorCode;
using kafka::FetchRequest;
using kafka::FetchResponse;

// Partitions whose log is a sequence of one-byte "batches", led by whom the metadata name.
class FakeLogs {
 public:
  explicit FakeLogs(FakeCluster& fake, int brokers) : fake_(fake) {
    for (NodeId id = 1; id <= brokers; ++id) {
      fake.broker(id).on<FetchRequest>(
          [this, id](const FetchRequest& request) { return answer(id, request); });
    }
  }

  std::map<TopicPartition, std::string> logs;
  std::map<TopicPartition, FetchRequest::FetchPartition> latest;  // as asked
  ErrorCode error = ErrorCode::none;
  bool hints_leader = false;
  TopicPartition astray;  // of which no broker says that it is the leader
  int asked_astray = 0;
  int asked_by_name = 0;
  Offset log_start = 0;
  FetchResponse::EpochEndOffset diverging;

 private:
  FetchResponse answer(NodeId node, const FetchRequest& request) {
    FetchResponse response;
    EXPECT_EQ(request.session_id, 0);
    for (const auto& topic : request.topics) {
      auto& to = response.responses.emplace_back();
      to.topic = topic.topic;
      to.topic_id = topic.topic_id;
      if (!topic.topic.empty()) ++asked_by_name;
      const auto found = std::ranges::find_if(fake_.metadata.topics, [&](const auto& known) {
        return topic.topic.empty() ? known.topic_id == topic.topic_id : known.name == topic.topic;
      });
      for (const auto& asked : topic.partitions) {
        if (found != fake_.metadata.topics.end()) break;
        auto& unknown = to.partitions.emplace_back();
        unknown.partition_index = asked.partition;
        unknown.error_code = ErrorCode::unknown_topic_id;
      }
      if (found == fake_.metadata.topics.end()) continue;
      const auto& known = *found;
      for (const auto& asked : topic.partitions) {
        const TopicPartition partition{*known.name, asked.partition};
        latest[partition] = asked;
        to.partitions.push_back(answer_one(node, partition, asked,
                                           known.partitions[static_cast<size_t>(asked.partition)]));
      }
    }
    return response;
  }
  FetchResponse::PartitionData answer_one(
      NodeId node, const TopicPartition& partition, const FetchRequest::FetchPartition& asked,
      const kafka::MetadataResponse::MetadataResponsePartition& truth) {
    FetchResponse::PartitionData data;
    data.partition_index = asked.partition;
    asked_astray += partition == astray;
    if (truth.leader_id != node || partition == astray) {
      data.error_code = ErrorCode::not_leader_or_follower;
      if (hints_leader) data.current_leader = {truth.leader_id, truth.leader_epoch};
      return data;
    }
    const std::string& log = logs[partition];
    data.error_code = error;
    data.diverging_epoch = diverging;
    data.high_watermark = static_cast<Offset>(log.size());
    data.log_start_offset = log_start;
    if (error == ErrorCode::none && asked.fetch_offset < data.high_watermark) {
      data.records.append(Slice::copy_of(log.substr(static_cast<size_t>(asked.fetch_offset))));
    }
    return data;
  }

  FakeCluster& fake_;
};

// Collects what is delivered; asks for more at once, if told to.
class Collector : public FetchSink {
 public:
  explicit Collector(io::Loop& loop) : news(loop) {}

  void on_fetched(Fetched fetched) override {
    const std::string records(as_text(fetched.records));
    read[fetched.partition] += records;
    if (goes_on && fetcher != nullptr && !records.empty()) {
      const Offset next = fetched.asked_offset + static_cast<Offset>(records.size());
      fetcher->want(fetched.partition, {next, 0}, topic_id);
    }
    all.push_back(std::move(fetched));
    news.notify_all();
  }
  bool has_room() const override { return room; }
  io::Task<bool> until_read(TopicPartition partition, std::string text) {
    const auto deadline = io::soon(60'000);
    while (read[partition] != text) {
      const bool in_time = co_await news.wait_until(deadline);
      if (!in_time) co_return false;
    }
    co_return true;
  }
  io::Task<bool> until_told(size_t times) {
    const auto deadline = io::soon(60'000);
    while (all.size() < times) {
      const bool in_time = co_await news.wait_until(deadline);
      if (!in_time) co_return false;
    }
    co_return true;
  }

  io::Event news;
  Fetcher* fetcher = nullptr;
  bool goes_on = true;
  Uuid topic_id;  // of what it wants more
  bool room = true;
  std::map<TopicPartition, std::string> read;
  std::vector<Fetched> all;
};

struct Scene {
  explicit Scene(FakeCluster& f, FakeLogs& l, FetchOptions options = quick())
      : fake(f),
        logs(l),
        collector(f.world.loop()),
        cluster(f.world.env(), f.world.loop(), f.options()),
        fetcher(cluster, collector, options) {
    collector.fetcher = &fetcher;
  }
  static FetchOptions quick() {
    FetchOptions options;
    options.max_wait = io::milliseconds(5);
    return options;
  }
  io::Task<void> close() {
    co_await cluster.close();
    co_await fetcher.close();
  }

  FakeCluster& fake;
  FakeLogs& logs;
  Collector collector;
  Cluster cluster;
  Fetcher fetcher;
};

io::Task<void> many_partitions(FakeCluster& fake, FakeLogs& logs) {
  Scene scene(fake, logs);
  for (const auto& [partition, log] : logs.logs) scene.fetcher.want(partition, {0, -1});
  for (const auto& [partition, log] : logs.logs) {
    const bool complete = co_await scene.collector.until_read(partition, log);
    EXPECT_TRUE(complete) << partition.to_string();
  }
  logs.logs[orders] += "more";
  const bool more = co_await scene.collector.until_read(orders, logs.logs[orders]);
  EXPECT_TRUE(more);
  co_await scene.close();
}
TEST(fetcher, reads_many_partitions_from_their_leaders_as_they_grow) {
  FakeCluster fake(3);
  FakeLogs logs(fake, 3);
  for (PartitionIndex p = 0; p < 7; ++p) {
    for (const char* topic : {"orders", "payments"}) {
      fake.lead(topic, p, p % 3 + 1, 4);
      logs.logs[{topic, p}] = topic + std::to_string(p);
    }
  }
  fake.run(many_partitions(fake, logs));
  EXPECT_EQ(logs.latest[orders].current_leader_epoch, 4);
}

io::Task<void> not_wanted(FakeCluster& fake, FakeLogs& logs) {
  Scene scene(fake, logs);
  scene.collector.goes_on = false;
  scene.fetcher.want(orders, {0, -1});
  const bool first = co_await scene.collector.until_read(orders, "abc");
  EXPECT_TRUE(first);
  logs.logs[orders] = "abcdef";
  const int before = fake.broker(1).asked[kafka::ApiKey::fetch];
  co_await io::sleep(fake.world.loop(), io::milliseconds(30));
  EXPECT_EQ(fake.broker(1).asked[kafka::ApiKey::fetch], before) << "nobody wants more";
  scene.fetcher.want(orders, {3, 4});
  const bool rest = co_await scene.collector.until_read(orders, "abcdef");
  EXPECT_TRUE(rest);
  EXPECT_EQ(logs.latest[orders].last_fetched_epoch, 4);
  co_await scene.close();
}
TEST(fetcher, asks_for_no_more_than_is_wanted) {
  FakeCluster fake(1);
  FakeLogs logs(fake, 1);
  fake.lead("orders", 0, 1, 4);
  logs.logs[orders] = "abc";
  fake.run(not_wanted(fake, logs));
}

io::Task<void> no_room(FakeCluster& fake, FakeLogs& logs) {
  Scene scene(fake, logs);
  scene.collector.room = false;
  for (const auto& [partition, log] : logs.logs) scene.fetcher.want(partition, {0, -1});
  co_await io::sleep(fake.world.loop(), io::milliseconds(30));
  EXPECT_EQ(fake.broker(1).asked[kafka::ApiKey::fetch], 0);
  scene.collector.room = true;
  scene.fetcher.go_on();
  for (const auto& [partition, log] : logs.logs) {
    const bool read = co_await scene.collector.until_read(partition, log);
    EXPECT_TRUE(read) << partition.to_string();
  }
  co_await scene.close();
}
TEST(fetcher, asks_for_nothing_while_its_sink_has_no_room) {
  FakeCluster fake(1);
  FakeLogs logs(fake, 1);
  for (PartitionIndex p = 0; p < 3; ++p) {
    fake.lead("orders", p, 1, 4);
    logs.logs[{"orders", p}] = "abc";
  }
  fake.run(no_room(fake, logs));
}

io::Task<void> leader_moves(FakeCluster& fake, FakeLogs& logs) {
  Scene scene(fake, logs);
  scene.fetcher.want(orders, {0, -1});
  const bool first = co_await scene.collector.until_read(orders, "abc");
  EXPECT_TRUE(first);
  const int asked =
      fake.broker(1).asked[kafka::ApiKey::metadata] + fake.broker(2).asked[kafka::ApiKey::metadata];
  fake.lead("orders", 0, 2, 5);
  logs.logs[orders] = "abcdef";
  const bool rest = co_await scene.collector.until_read(orders, "abcdef");
  EXPECT_TRUE(rest);
  EXPECT_EQ(scene.collector.all.back().leader_epoch, 5);
  for (const auto& fetched : scene.collector.all) EXPECT_EQ(fetched.error, ErrorCode::none);
  const int now =
      fake.broker(1).asked[kafka::ApiKey::metadata] + fake.broker(2).asked[kafka::ApiKey::metadata];
  if (logs.hints_leader) EXPECT_EQ(now, asked) << "the old leader has said where the new one is";
  co_await scene.close();
}
TEST(fetcher, follows_a_leader_by_metadata) {
  FakeCluster fake(2);
  FakeLogs logs(fake, 2);
  fake.lead("orders", 0, 1, 4);
  logs.logs[orders] = "abc";
  fake.run(leader_moves(fake, logs));
}
TEST(fetcher, follows_a_leader_by_what_the_old_one_says) {
  FakeCluster fake(2);
  FakeLogs logs(fake, 2);
  logs.hints_leader = true;
  fake.lead("orders", 0, 1, 4);
  logs.logs[orders] = "abc";
  fake.run(leader_moves(fake, logs));
}

io::Task<void> broker_dies(FakeCluster& fake, FakeLogs& logs) {
  Scene scene(fake, logs);
  scene.fetcher.want(orders, {0, -1});
  bool read = co_await scene.collector.until_read(orders, "abc");
  EXPECT_TRUE(read);
  co_await fake.broker(1).stop();
  fake.lead("orders", 0, 2, 5);
  logs.logs[orders] = "abcdef";
  read = co_await scene.collector.until_read(orders, "abcdef");
  EXPECT_TRUE(read);
  co_await scene.close();
}
TEST(fetcher, goes_on_when_a_leader_dies) {
  FakeCluster fake(2);
  FakeLogs logs(fake, 2);
  fake.lead("orders", 0, 1, 4);
  logs.logs[orders] = "abc";
  fake.run(broker_dies(fake, logs));
}

// Its leader says that it is none, and the metadata say that it is: for ever.
io::Task<void> one_astray(FakeCluster& fake, FakeLogs& logs) {
  FetchOptions options = Scene::quick();
  options.requests_per_leader = 1;
  Scene scene(fake, logs, options);
  const TopicPartition astray{"orders", 1};
  logs.astray = astray;
  scene.fetcher.want(astray, {0, -1});
  scene.fetcher.want(orders, {0, -1});
  for (int i = 0; i < 40; ++i) {
    logs.logs[orders] += "x";
    const bool read = co_await scene.collector.until_read(orders, logs.logs[orders]);
    EXPECT_TRUE(read);
  }
  EXPECT_LT(logs.asked_astray, fake.broker(1).asked[kafka::ApiKey::fetch] / 2)
      << "it is set aside until the metadata were asked for";
  co_await scene.close();
}
TEST(fetcher, a_partition_whose_leader_is_unknown_holds_no_lane) {
  FakeCluster fake(1);
  FakeLogs logs(fake, 1);
  fake.lead("orders", 0, 1, 4);
  fake.lead("orders", 1, 1, 4);
  fake.run(one_astray(fake, logs));
}

io::Task<void> no_leader(FakeCluster& fake, FakeLogs& logs) {
  Scene scene(fake, logs);
  scene.fetcher.want(orders, {0, -1});
  const bool told = co_await scene.collector.until_told(2);
  EXPECT_TRUE(told);
  EXPECT_EQ(scene.collector.all[1].error, ErrorCode::leader_not_available);
  fake.lead("orders", 0, 1, 5);
  const bool read = co_await scene.collector.until_read(orders, "abc");
  EXPECT_TRUE(read) << "it was wanted all along";
  co_await scene.close();
}
TEST(fetcher, tells_of_a_partition_that_has_no_leader) {
  FakeCluster fake(1);
  FakeLogs logs(fake, 1);
  fake.lead("orders", 0, -1, 4);
  logs.logs[orders] = "abc";
  fake.run(no_leader(fake, logs));
}

io::Task<void> topic_comes_later(FakeCluster& fake, FakeLogs& logs) {
  Scene scene(fake, logs);
  scene.fetcher.want(orders, {0, -1});
  co_await io::sleep(fake.world.loop(), io::milliseconds(10));
  fake.lead("orders", 0, 1, 0);
  const bool read = co_await scene.collector.until_read(orders, "abc");
  EXPECT_TRUE(read);
  co_await scene.close();
}
TEST(fetcher, waits_for_a_topic_that_is_not_there_yet) {
  FakeCluster fake(1);
  FakeLogs logs(fake, 1);
  logs.logs[orders] = "abc";
  fake.run(topic_comes_later(fake, logs));
}

io::Task<void> told_once(FakeCluster& fake, FakeLogs& logs) {
  Scene scene(fake, logs);
  scene.fetcher.want(orders, {9, 3});
  const bool told = co_await scene.collector.until_told(1);
  EXPECT_TRUE(told);
  co_await io::sleep(fake.world.loop(), io::milliseconds(20));
  EXPECT_EQ(scene.collector.all.size(), 1u) << "the wish has ended";
  EXPECT_EQ(scene.collector.all[0].error, logs.error);
  if (logs.diverging.epoch >= 0) {
    EXPECT_TRUE(scene.collector.all[0].diverging.has_value());
    EXPECT_EQ(scene.collector.all[0].diverging->epoch, logs.diverging.epoch);
    EXPECT_EQ(scene.collector.all[0].diverging->end_offset, logs.diverging.end_offset);
  }
  co_await scene.close();
}
io::Task<void> idle_partition(FakeCluster& fake, FakeLogs& logs) {
  Scene scene(fake, logs);
  scene.fetcher.want(orders, {3, 4});
  bool told = co_await scene.collector.until_told(1);
  EXPECT_TRUE(told);
  co_await io::sleep(fake.world.loop(), io::milliseconds(30));
  EXPECT_EQ(scene.collector.all.size(), 1u) << "nothing has changed";
  logs.log_start = 2;
  told = co_await scene.collector.until_told(2);
  EXPECT_TRUE(told);
  EXPECT_EQ(scene.collector.all.back().log_start_offset, 2);
  EXPECT_TRUE(scene.collector.all.back().records.empty());
  co_await scene.close();
}
TEST(fetcher, tells_what_changes_at_an_idle_partition) {
  FakeCluster fake(1);
  FakeLogs logs(fake, 1);
  fake.lead("orders", 0, 1, 4);
  logs.logs[orders] = "abc";
  fake.run(idle_partition(fake, logs));
}

io::Task<void> idle_partition_again(FakeCluster& fake, FakeLogs& logs) {
  FetchOptions options = Scene::quick();
  options.tell_again_after = io::milliseconds(50);
  Scene scene(fake, logs, options);
  const io::Instant begun = fake.world.loop().now();
  scene.fetcher.want(orders, {3, 4});
  const bool told = co_await scene.collector.until_told(3);
  EXPECT_TRUE(told);
  EXPECT_GE(fake.world.loop().now() - begun, io::milliseconds(100));
  co_await scene.close();
}
TEST(fetcher, tells_again_what_has_not_changed_where_it_is_asked_to) {
  FakeCluster fake(1);
  FakeLogs logs(fake, 1);
  fake.lead("orders", 0, 1, 4);
  logs.logs[orders] = "abc";
  fake.run(idle_partition_again(fake, logs));
}

TEST(fetcher, reports_a_diverging_epoch) {
  FakeCluster fake(1);
  FakeLogs logs(fake, 1);
  logs.diverging = {2, 7};
  fake.lead("orders", 0, 1, 4);
  fake.run(told_once(fake, logs));
}
TEST(fetcher, reports_a_log_that_is_offline) {
  FakeCluster fake(1);
  FakeLogs logs(fake, 1);
  logs.error = ErrorCode::kafka_storage_error;
  fake.lead("orders", 0, 1, 4);
  fake.run(told_once(fake, logs));
}
TEST(fetcher, reports_an_offset_out_of_range) {
  FakeCluster fake(1);
  FakeLogs logs(fake, 1);
  logs.error = ErrorCode::offset_out_of_range;
  fake.lead("orders", 0, 1, 4);
  fake.run(told_once(fake, logs));
}

// Deleted and created again while a fetch waits, or between two: nothing tells it but the id.
io::Task<void> topic_is_recreated(FakeCluster& fake, FakeLogs& logs) {
  Scene scene(fake, logs);
  Uuid& id = fake.metadata.topics[0].topic_id;
  scene.collector.topic_id = id;
  scene.fetcher.want(orders, {0, -1}, id);
  const bool first = co_await scene.collector.until_read(orders, "abc");
  EXPECT_TRUE(first);
  id.bytes[0] = 99;
  logs.logs[orders] = "ABCDEF";
  const size_t before = scene.collector.all.size();
  const bool told = co_await scene.collector.until_told(before + 1);
  EXPECT_TRUE(told);
  EXPECT_EQ(scene.collector.all.back().error, ErrorCode::unknown_topic_id);
  EXPECT_EQ(scene.collector.all.back().asked_offset, 3);
  EXPECT_EQ(scene.collector.read[orders], "abc") << "nothing of the other topic";
  scene.collector.topic_id = id;
  scene.fetcher.want(orders, {0, -1}, id);
  const bool second = co_await scene.collector.until_read(orders, "abcABCDEF");
  EXPECT_TRUE(second) << "who means the other topic gets it";
  co_await scene.close();
}
TEST(fetcher, a_topic_that_was_created_again_is_not_the_one_that_was_meant) {
  FakeCluster fake(1);
  FakeLogs logs(fake, 1);
  fake.lead("orders", 0, 1, 4);
  logs.logs[orders] = "abc";
  fake.run(topic_is_recreated(fake, logs));
  EXPECT_EQ(logs.asked_by_name, 0);
}
TEST(fetcher, a_topic_that_was_created_again_is_told_where_fetches_name_no_ids) {
  FakeCluster fake(1);
  FakeLogs logs(fake, 1);
  fake.broker(1).apis = [](const kafka::ApiInfo& api) {
    auto range = server::public_apis(api);
    if (range && api.key == kafka::ApiKey::fetch) range->max = 12;
    return range;
  };
  fake.lead("orders", 0, 1, 4);
  logs.logs[orders] = "abc";
  fake.run(topic_is_recreated(fake, logs));
  EXPECT_GT(logs.asked_by_name, 0);
}

io::Task<void> leader_is_behind(FakeCluster& fake, FakeLogs& logs) {
  Scene scene(fake, logs);
  Uuid meant = fake.metadata.topics[0].topic_id;
  logs.error = ErrorCode::unknown_topic_id;
  scene.fetcher.want(orders, {0, -1}, meant);
  co_await io::sleep(fake.world.loop(), io::milliseconds(30));
  EXPECT_TRUE(scene.collector.all.empty());
  logs.error = ErrorCode::none;
  const bool read = co_await scene.collector.until_read(orders, "abc");
  EXPECT_TRUE(read);
  co_await scene.close();
}
TEST(fetcher, a_leader_that_does_not_know_the_topic_yet_is_asked_again) {
  FakeCluster fake(1);
  FakeLogs logs(fake, 1);
  fake.lead("orders", 0, 1, 4);
  logs.logs[orders] = "abc";
  fake.run(leader_is_behind(fake, logs));
}

}  // namespace
}  // namespace isthmus::client
