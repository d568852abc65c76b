// A link between two whole brokers on simulated machines, and a client that deletes at its target.
#include "mirror/mirror.h"

#include "kafka/gen/create_partitions.h"
#include "kafka/gen/delete_records.h"
#include "kafka/gen/delete_topics.h"
#include "kafka/gen/describe_site.h"
#include "kafka/gen/offset_commit.h"
#include "kafka/gen/offset_fetch.h"
#include "kafka/gen/pause_link.h"
#include "tests/broker/handlers/broker_world.h"

namespace isthmus::broker {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// What every produce of this file brings.
uint64_t one_batch() { return make_batch({{}}).size(); }

// The broker of BrokerWorld is the target.
class SessionTest : public BrokerWorld {
 protected:
  void start_both() {
    start();
    start_source();
  }
  void start_source() {
    process::BrokerConfig other = config;
    other.cluster = {"tokyo", 8};
    other.broker.node_id = 801;
    for (auto& listener : other.listeners) listener.advertised.host = "source";
    sim::SimProcess& process = source_.start_process();
    auto& broker = process.make<Broker>(process.env(), other);
    ASSERT_TRUE(run_on(process, broker.start()));
    measure_source_ = [this, &process, &broker] { return run_on(process, broker.measure()); };
    at_source_ = dial({"source", 9092});
  }
  // The target loses power; the connection of the test to the source ends with its process.
  void restart_target() {
    lose_power();
    at_source_ = dial({"source", 9092});
  }
  void start_mirror(seconds delete_delay = std::chrono::hours(1)) {
    process::MirrorConfig links;
    process::LinkConfig& link = links.links["tokyo-seoul"];
    link.source.bootstrap_servers = {{"source", 9093}};
    link.target.bootstrap_servers = {{"site", 9093}};
    link.delete_delay = delete_delay;
    link.start = link_start;
    link.groups = link_groups;
    sim::SimProcess& process = mirror_.start_process();
    mirror_process_ = &process;
    auto& role =
        process.make<std::unique_ptr<process::Role>>(mirror::make_mirror(process.env(), links));
    ASSERT_TRUE(run_on(process, role->start()));
  }
  template <typename Request>
  typename Request::Response ask_source(Request request) {
    auto answer = run_on(*client(), at_source_->call(std::move(request), deadline(), INT16_MAX));
    EXPECT_TRUE(answer) << answer.error().text;
    return answer.value_or(typename Request::Response{});
  }
  void create_at_source(const std::string& name, int32_t partitions = 1) {
    kafka::CreateTopicsRequest request;
    request.topics.push_back({name, partitions, 1, {}, {}});
    EXPECT_EQ(ask_source(std::move(request)).topics.at(0).error_code, ErrorCode::none);
  }
  Offset produce_at_source(const std::string& name) {
    auto answer = ask_source(produce_request(name, make_batch({{}})));
    return answer.responses.at(0).partition_responses.at(0).base_offset;
  }
  void produce_many(const std::string& name, int count) {
    for (int i = 0; i < count; ++i) produce_at_source(name);
  }
  // How the link stands, as the target has written it down: "waiting target_full: ...".
  std::string stands(const std::string& name) {
    kafka::DescribeSiteRequest request;
    request.include_topics = true;
    for (const auto& topic : ask_peers(request).topics) {
      if (topic.name != name) continue;
      const auto& p = topic.partitions.at(0);
      return std::string(to_string(p.mirror_state)) + " " + p.mirror_reason;
    }
    return "unknown";
  }
  // Bytes of batches that the source has given out.
  double read_at_source() {
    const Samples samples = measure_source_();
    const auto series = samples.all().find(&metric::bytes_out);
    double sum = 0;
    if (series == samples.all().end()) return sum;
    for (const auto& [topic, sample] : series->second) sum += sample.number;
    return sum;
  }
  Offset copied(const std::string& name, PartitionIndex partition = 0) {
    return list_offset(name, -1, -1, partition).offset;
  }
  // The log of a topic of one partition and one segment.
  static std::string log_of(sim::SimHost& host, const std::string& topic) {
    const auto found = host.disk().rot({"/" + topic + "-0/", ".log"});
    EXPECT_TRUE(found) << topic;
    if (!found) return {};
    host.disk().flip_bit(found->path, found->position, found->bit);  // as it was
    return found->path;
  }
  kafka::PauseLinkResponse steer(bool paused, bool accept_gap = false) {
    kafka::PauseLinkRequest request;
    request.link = "tokyo-seoul";
    request.paused = paused;
    request.accept_gap = accept_gap;
    return ask_peers(std::move(request));
  }
  void delete_at_source(const std::string& name, Offset before) {
    kafka::DeleteRecordsRequest request;
    request.timeout_ms = 30'000;
    request.topics.push_back({name, {{0, before}}});
    const auto answer = ask_source(std::move(request));
    EXPECT_EQ(answer.topics.at(0).partitions.at(0).error_code, ErrorCode::none);
  }
  sim::SimHost& source() { return source_; }
  sim::SimHost& mirror() { return mirror_; }
  process::LinkStart link_start = process::LinkStart::earliest;
  std::vector<std::string> link_groups = {".*"};
  // Until the groups are loaded there.
  ErrorCode commit_at_source(const std::string& group, const std::string& topic, Offset offset) {
    kafka::OffsetCommitRequest request;
    request.group_id = group;
    request.topics.push_back({topic, {{0, offset, -1, std::nullopt}}});
    ErrorCode error = ErrorCode::coordinator_load_in_progress;
    for (int i = 0; i < 50 && error == ErrorCode::coordinator_load_in_progress; ++i) {
      world.run_for(milliseconds(100));
      error = ask_source(request).topics.at(0).partitions.at(0).error_code;
    }
    return error;
  }
  Offset committed_here(const std::string& group, const std::string& topic) {
    kafka::OffsetFetchRequest request;
    auto& asked = request.groups.emplace_back();
    asked.group_id = group;
    asked.topics->push_back({topic, {0}});
    const auto answer = ask(std::move(request)).groups.at(0);
    if (answer.topics.empty() || answer.topics[0].partitions.empty()) return -1;
    return answer.topics[0].partitions[0].committed_offset;
  }
  std::pair<Offset, Offset> bounds(const std::string& name, PartitionIndex index = 0) {
    return {list_offset(name, -2, -1, index).offset, list_offset(name, -1, -1, index).offset};
  }
  void kill_mirror() { mirror_process_->kill(); }
  void remove_at_source(const std::string& name) {
    kafka::DeleteTopicsRequest request;
    request.timeout_ms = 30'000;
    request.topics.push_back({name, {}});
    EXPECT_EQ(ask_source(std::move(request)).responses.at(0).error_code, ErrorCode::none);
  }
  ErrorCode remove(const std::string& name) {
    kafka::DeleteTopicsRequest request;
    request.timeout_ms = 30'000;
    request.topics.push_back({name, {}});
    return ask(request).responses.at(0).error_code;
  }

 private:
  sim::SimHost& source_ = world.add_host("source");
  sim::SimHost& mirror_ = world.add_host("mirror");
  sim::SimProcess* mirror_process_ = nullptr;
  std::shared_ptr<client::Connection> at_source_;
  std::function<Samples()> measure_source_;
};
ON_ONE_LOOP_AND_ON_TWO(SessionTest);

// Nobody writes to it, so no append tells the link that its target has begun anew.
TEST_P(SessionTest, AnIdleTopicThatWasDeletedAtTheTargetIsCopiedAgain) {
  start_both();
  create_at_source("orders");
  for (Offset at : {0, 1, 2}) EXPECT_EQ(produce_at_source("orders"), at);
  start_mirror();
  world.run_for(seconds(5));
  ASSERT_EQ(list_offset("orders", -1).offset, 3);
  for (int life = 0; life < 3; ++life) {
    EXPECT_EQ(remove("orders"), ErrorCode::none);
    world.run_for(seconds(5));
    EXPECT_EQ(list_offset("orders", -1).offset, 3);
  }
  EXPECT_EQ(produce_at_source("orders"), 3);
  world.run_for(seconds(5));
  EXPECT_EQ(list_offset("orders", -1).offset, 4);
}

TEST_P(SessionTest, StartLatestLeavesOutOnlyWhatWasThereBeforeTheLink) {
  using Bounds = std::pair<Offset, Offset>;
  link_start = process::LinkStart::latest;
  start_both();
  for (const char* name : {"old", "empty"}) create_at_source(name);
  produce_many("old", 3);
  start_mirror();
  world.run_for(seconds(5));
  EXPECT_EQ(bounds("old"), (Bounds{3, 3}));
  for (const char* name : {"old", "empty", "new"}) {
    if (name == std::string("new")) create_at_source(name);
    produce_many(name, 2);
  }
  kafka::CreatePartitionsRequest more;
  more.topics.push_back({"old", 2, std::nullopt});
  more.timeout_ms = 10'000;
  EXPECT_EQ(ask_source(more).results.at(0).error_code, ErrorCode::none);
  ask_source(produce_request("old", make_batch({{}}), -1, 1));
  world.run_for(seconds(5));
  EXPECT_EQ(bounds("old"), (Bounds{3, 5}));
  EXPECT_EQ(bounds("old", 1), (Bounds{0, 1})) << "a partition that it got since";
  EXPECT_EQ(bounds("empty"), (Bounds{0, 2}));
  EXPECT_EQ(bounds("new"), (Bounds{0, 2}));
  mirror().kill();
  create_at_source("later");
  produce_many("later", 2);
  start_mirror();
  world.run_for(seconds(15));
  EXPECT_EQ(bounds("later"), (Bounds{0, 2})) << "made while no mirror ran";
}

// Each is matched by an expression, read, sent, stored and served.
TEST_P(SessionTest, GroupsOfWhateverNameCross) {
  link_groups = {"[a-z]+.*1"};
  const std::string longest(32'766, 'x');
  const std::vector<std::string> names = {"two\nlines-1", "caf\xe9-1", longest + "1"};
  start_both();
  create("__consumer_offsets", 2);
  create_at_source("__consumer_offsets", 2);
  create_at_source("orders");
  produce_many("orders", 3);
  Offset offset = 0;
  for (const auto& name : names) {
    EXPECT_EQ(commit_at_source(name, "orders", ++offset), ErrorCode::none);
  }
  EXPECT_EQ(commit_at_source("other\n2", "orders", 1), ErrorCode::none);
  start_mirror();
  world.run_for(seconds(10));
  kafka::DescribeSiteRequest request;
  request.include_groups = true;
  std::map<std::string, std::string> links;
  for (const auto& group : ask_peers(request).groups) links[group.name] = group.link;
  offset = 0;
  for (const auto& name : names) {
    EXPECT_EQ(links[name], "tokyo-seoul") << name.substr(0, 20);
    EXPECT_EQ(committed_here(name, "orders"), ++offset) << name.substr(0, 20);
  }
  EXPECT_FALSE(links.contains("other\n2"));
}

TEST_P(SessionTest, APausedLinkCopiesNothingOverRestartsUntilItIsResumed) {
  start_both();
  create_at_source("orders");
  produce_many("orders", 3);
  start_mirror();
  world.run_for(seconds(5));
  ASSERT_EQ(copied("orders"), 3);
  EXPECT_EQ(steer(true).error_code, ErrorCode::none);
  produce_many("orders", 2);
  world.run_for(seconds(5));
  EXPECT_EQ(copied("orders"), 3);
  restart_target();
  world.run_for(seconds(10));
  EXPECT_EQ(copied("orders"), 3);
  EXPECT_EQ(steer(false).error_code, ErrorCode::none);
  world.run_for(seconds(5));
  EXPECT_EQ(copied("orders"), 5);
  EXPECT_EQ(stands("orders"), "mirroring ");
}

TEST_P(SessionTest, WhereRetentionHasOvertakenTheCopyGoesOnBehindAGapOnTheOperatorsWordOnly) {
  start_both();
  create_at_source("orders");
  produce_many("orders", 3);
  start_mirror();
  world.run_for(seconds(5));
  ASSERT_EQ(copied("orders"), 3);
  steer(true);
  produce_many("orders", 6);
  delete_at_source("orders", 7);
  EXPECT_NE(steer(false, true).error_code, ErrorCode::none) << "nobody has found a gap yet";
  steer(false);
  world.run_for(seconds(5));
  EXPECT_EQ(copied("orders"), 3);
  EXPECT_TRUE(stands("orders").starts_with("failed retention_overtook")) << stands("orders");
  const auto answer = steer(false, true);
  ASSERT_EQ(answer.error_code, ErrorCode::none) << answer.error_message.value_or("");
  ASSERT_EQ(answer.accepted.size(), 1u);
  EXPECT_TRUE(answer.accepted[0].reason.ends_with("4 offsets are gone"));
  restart_target();
  world.run_for(seconds(10));
  EXPECT_EQ(copied("orders"), 9);
  EXPECT_EQ(stands("orders"), "mirroring ");
}

// Between the last record's value and the end of its batch.
constexpr uint64_t from_the_end = 4;

TEST_P(SessionTest, APartitionThatIsOfflineAtTheSourceIsSeenAndHoldsUpNoOther) {
  start_both();
  for (const char* name : {"bad", "good"}) {
    create_at_source(name);
    produce_many(name, 3);
  }
  world.run_for(seconds(12));  // a checkpoint knows how far it was synced
  source().kill();
  const std::string path = log_of(source(), "bad");
  source().disk().flip_bit(path, 3 * one_batch() - from_the_end, 0);
  start_source();
  start_mirror();
  world.run_for(seconds(5));
  EXPECT_EQ(copied("good"), 3);
  EXPECT_NE(stands("bad").find("source_offline: "), std::string::npos) << stands("bad");
  for (Offset end = 4; end <= 20; ++end) {
    produce_at_source("good");
    world.run_for(milliseconds(250));
    EXPECT_EQ(copied("good"), end) << "a lane that rests would take longer";
  }
}

// One fetch after the other would bring 37 MB/s.
TEST_P(SessionTest, OnePartitionFillsALongLine) {
  constexpr int batches = 60;
  constexpr size_t size = 1'000'000;
  config.broker.message_max_bytes = 2 << 20;
  start_both();
  create_at_source("orders");
  for (int i = 0; i < batches; ++i) {
    const Slice batch = make_batch({{.text = std::string(size, 'x')}});
    ASSERT_EQ(ask_source(produce_request("orders", batch))
                  .responses.at(0)
                  .partition_responses.at(0)
                  .error_code,
              ErrorCode::none);
  }
  world.network().set_latency("mirror", "source", milliseconds(40), milliseconds(40));
  world.network().set_rate("mirror", "source", 125'000'000);
  start_mirror();
  io::Instant begun{};
  for (int step = 0; step < 2000 && copied("orders") < batches; ++step) {
    world.run_for(milliseconds(5));
    if (begun == io::Instant{} && copied("orders") > 0) begun = world.now();
  }
  ASSERT_EQ(copied("orders"), batches);
  const double seconds_taken = std::chrono::duration<double>(world.now() - begun).count();
  EXPECT_GT((batches - 4) * size / seconds_taken, 60e6) << "bytes a second, of the simulation";
}

// Each of them is soon read to its end, and the next ones must be read ahead by then: else the line
// stands in between, and they come at 73 MB/s. With it they come at 95 to 124, as the pieces fall.
TEST_P(SessionTest, ManyPartitionsFillALongLine) {
  constexpr int partitions = 24, batches = 8;
  constexpr size_t size = 1'000'000;
  config.broker.message_max_bytes = 2 << 20;
  start_both();
  const Slice batch = make_batch({{.text = std::string(size, 'x')}});
  create_at_source("orders", partitions);
  for (int i = 0; i < partitions; ++i) {
    for (int n = 0; n < batches; ++n) ask_source(produce_request("orders", batch, -1, i));
  }
  world.network().set_latency("mirror", "source", milliseconds(40), milliseconds(40));
  world.network().set_rate("mirror", "source", 125'000'000);
  start_mirror();
  const auto all = [&] {
    Offset sum = 0;
    for (int i = 0; i < partitions; ++i) sum += std::max<Offset>(0, copied("orders", i));
    return sum;
  };
  constexpr int first = partitions * batches / 8, last = partitions * batches * 7 / 8;
  io::Instant begun{}, ended{};
  Offset at_begin = 0, at_end = 0;
  for (int step = 0; step < 1000 && at_end == 0; ++step) {
    world.run_for(milliseconds(10));
    const Offset now = all();
    if (at_begin == 0 && now >= first) begun = world.now(), at_begin = now;
    if (now >= last) ended = world.now(), at_end = now;
  }
  ASSERT_GT(at_end, 0);
  const double took = std::chrono::duration<double>(ended - begun).count();
  EXPECT_GT(static_cast<double>(at_end - at_begin) * size / took, 85e6)
      << "bytes a second, of the simulation";
}

TEST_P(SessionTest, WhatIsHeldForASlowTargetDoesNotGrowWithThePartitions) {
  constexpr int topics = 50, batches = 2;
  const auto name = [](int i) { return "topic-" + std::to_string(i); };
  config.broker.message_max_bytes = 2 << 20;
  start_both();
  const Slice batch = make_batch({{.text = std::string(1'000'000, 'x')}});
  for (int i = 0; i < topics; ++i) {
    create_at_source(name(i));
    for (int n = 0; n < batches; ++n) ask_source(produce_request(name(i), batch));
  }
  world.network().set_rate("mirror", "site", 1'000'000);
  start_mirror();
  world.run_for(seconds(10));
  EXPECT_GT(read_at_source(), 20e6) << "it fetches ahead of the line";
  EXPECT_LT(read_at_source(), 60e6) << "of 100 MB, of which 10 can have passed";
  world.network().set_rate("mirror", "site", 0);
  world.run_for(seconds(10));
  for (int i = 0; i < topics; ++i) EXPECT_EQ(copied(name(i)), batches) << name(i);
}

TEST_P(SessionTest, AFullDiskAtTheTargetIsSeenAndTheMirrorGoesOnByItself) {
  start_both();
  create_at_source("orders");
  produce_many("orders", 3);
  start_mirror();
  world.run_for(seconds(5));
  EXPECT_EQ(stands("orders"), "mirroring ");
  site.disk().capacity = site.disk().used() * 20 / 19;
  world.run_for(seconds(3));
  EXPECT_EQ(stands("orders").substr(0, 21), "waiting target_full: ") << stands("orders");
  produce_many("orders", 3);
  world.run_for(seconds(5));
  EXPECT_EQ(copied("orders"), 3);
  site.disk().capacity = UINT64_MAX;
  world.run_for(seconds(30));
  EXPECT_EQ(copied("orders"), 6);
  EXPECT_EQ(stands("orders"), "mirroring ");
}

TEST_P(SessionTest, APartitionThatWentOfflineAtTheTargetIsSeenAndGoesOnAfterItsRestart) {
  start_both();
  for (const char* name : {"bad", "good"}) create_at_source(name);
  start_mirror();
  world.run_for(seconds(5));
  site.disk().fail_next_append("/bad-0/", EIO);
  for (const char* name : {"bad", "good"}) produce_many(name, 3);
  world.run_for(seconds(5));
  EXPECT_EQ(copied("good"), 3);
  EXPECT_EQ(stands("bad").substr(0, 24), "waiting target_offline: ") << stands("bad");
  restart_target();
  world.run_for(seconds(15));
  EXPECT_EQ(copied("bad"), 3);
  EXPECT_EQ(stands("bad"), "mirroring ");
}

// The new topic has more than the old one had: its offsets alone would fit to the copy's end.
TEST_P(SessionTest, NothingOfATopicThatWasCreatedAgainEntersTheCopyOfTheOneBefore) {
  start_both();
  create_at_source("orders");
  produce_many("orders", 10);
  start_mirror();
  world.run_for(seconds(5));
  ASSERT_EQ(copied("orders"), 10);
  remove_at_source("orders");
  create_at_source("orders");
  produce_many("orders", 20);
  world.run_for(seconds(5));
  EXPECT_EQ(copied("orders"), 10);
  EXPECT_EQ(stands("orders").substr(0, 18), "failed recreated: ") << stands("orders");
  EXPECT_EQ(remove("orders"), ErrorCode::none);
  world.run_for(seconds(10));
  EXPECT_EQ(copied("orders"), 20) << "the copy is deleted: the new one is mirrored";
  EXPECT_EQ(stands("orders"), "mirroring ");
}

TEST_P(SessionTest, TheCopyOfATopicThatWasCreatedAgainIsSetAsideAfterTheDelay) {
  start_both();
  create_at_source("orders");
  produce_many("orders", 10);
  start_mirror(seconds(20));
  world.run_for(seconds(5));
  ASSERT_EQ(copied("orders"), 10);
  remove_at_source("orders");
  create_at_source("orders");
  produce_many("orders", 20);
  world.run_for(seconds(12));
  EXPECT_EQ(copied("orders"), 10);
  EXPECT_EQ(stands("orders").substr(0, 18), "failed recreated: ") << stands("orders");
  world.run_for(seconds(15));
  EXPECT_EQ(copied("orders.recreated"), 10);
  EXPECT_EQ(copied("orders"), 20);
  EXPECT_EQ(stands("orders"), "mirroring ");
}

TEST_P(SessionTest, TheCopyOfATopicThatWasCreatedAgainIsSetAsideAtOnceOnTheOperatorsWord) {
  start_both();
  create_at_source("orders");
  produce_many("orders", 10);
  start_mirror();
  world.run_for(seconds(5));
  kafka::PauseLinkRequest request;
  request.link = "tokyo-seoul";
  request.set_aside = true;
  EXPECT_EQ(ask_peers(request).error_code, ErrorCode::invalid_request) << "nothing to set aside";
  remove_at_source("orders");
  create_at_source("orders");
  produce_many("orders", 20);
  world.run_for(seconds(5));
  const auto answer = ask_peers(request);
  EXPECT_EQ(answer.error_code, ErrorCode::none) << answer.error_message.value_or("");
  ASSERT_EQ(answer.aside.size(), 1u);
  EXPECT_EQ(answer.aside[0].name, "orders.recreated");
  world.run_for(seconds(10));
  EXPECT_EQ(copied("orders.recreated"), 10);
  EXPECT_EQ(copied("orders"), 20);
  EXPECT_EQ(stands("orders"), "mirroring ");
}

TEST_P(SessionTest, ATopicThatIsDeletedAtTheSourceIsDeletedAtTheTargetAfterTheDelay) {
  start_both();
  for (const char* name : {"orders", "other"}) create_at_source(name);
  produce_many("orders", 3);
  start_mirror(seconds(20));
  world.run_for(seconds(5));
  ASSERT_EQ(copied("orders"), 3);
  remove_at_source("orders");
  world.run_for(seconds(15));
  EXPECT_EQ(copied("orders"), 3);
  EXPECT_NE(stands("orders").find("gone at the source"), std::string::npos) << stands("orders");
  world.run_for(seconds(10));
  EXPECT_EQ(stands("orders"), "unknown");
  EXPECT_EQ(stands("other"), "mirroring ");
}

// A mirror process that has never seen the topic finds its copy at the target.
TEST_P(SessionTest, ATopicThatWasDeletedWhileNoMirrorRanIsDeletedAfterTheDelayToo) {
  start_both();
  for (const char* name : {"orders", "other"}) create_at_source(name);
  produce_many("orders", 3);
  start_mirror(seconds(20));
  world.run_for(seconds(5));
  ASSERT_EQ(copied("orders"), 3);
  kill_mirror();
  remove_at_source("orders");
  start_mirror(seconds(20));
  world.run_for(seconds(15));
  EXPECT_EQ(copied("orders"), 3) << "the delay begins with the process";
  world.run_for(seconds(25));
  EXPECT_EQ(stands("orders"), "unknown");
}

TEST_P(SessionTest, GoodRecordsBeforeADamagedBatchAreCopiedAndItIsSeenUntilItIsMended) {
  start_both();
  create_at_source("orders");
  produce_many("orders", 10);
  const std::string path = log_of(source(), "orders");
  source().disk().flip_bit(path, 6 * one_batch() - from_the_end, 0);
  start_mirror();
  world.run_for(seconds(5));
  EXPECT_EQ(copied("orders"), 5);
  EXPECT_NE(stands("orders").find("damaged_batch: the batch at offset 5"), std::string::npos)
      << stands("orders");
  source().disk().flip_bit(path, 6 * one_batch() - from_the_end, 0);
  world.run_for(seconds(30));
  EXPECT_EQ(copied("orders"), 10);
  EXPECT_EQ(stands("orders"), "mirroring ");
}

}  // namespace
}  // namespace isthmus::broker
