// Links between clusters of several brokers on simulated machines, each with a ZooKeeper of its
// own, whose brokers die.
#include <gtest/gtest.h>

#include "broker/broker.h"
#include "client/admin.h"
#include "kafka/gen/create_topics.h"
#include "kafka/gen/describe_site.h"
#include "kafka/gen/offset_commit.h"
#include "kafka/gen/produce.h"
#include "mirror/mirror.h"
#include "tests/broker/handlers/requests.h"
#include "tests/broker/started.h"
#include "tests/sim/world/connector.h"

namespace isthmus::broker {
namespace {

using kafka::ErrorCode;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int32_t partitions = 6;

struct Sizes {
  size_t source = 3, target = 3;
};

class ClustersTest : public testing::TestWithParam<Sizes> {
 protected:
  // One of the two, with a client of its own.
  struct Site {
    std::string name;
    ClusterNumber number = 0;
    std::unique_ptr<sim::ZookeeperEnsemble> zookeeper;
    std::vector<sim::SimHost*> hosts;
    std::unique_ptr<client::Cluster> client;

    std::vector<io::Address> at(uint16_t port) const {
      std::vector<io::Address> addresses;
      for (size_t i = 0; i < hosts.size(); ++i) addresses.push_back({host_name(i), port});
      return addresses;
    }
    std::string host_name(size_t i) const { return name + "-" + std::to_string(i + 1); }
    NodeId node(size_t i) const { return number * 100 + 1 + static_cast<NodeId>(i); }
    size_t of(NodeId node) const { return static_cast<size_t>(node - number * 100 - 1); }
  };

  ClustersTest() { client_ = &world.add_host("client").start_process(); }
  ~ClustersTest() override {
    for (Site* site : {&seoul, &tokyo}) {
      if (site->client) run_in(world, *client_, closed(site->client.get()));
      site->client.reset();
    }
  }
  static io::Task<bool> closed(client::Cluster* cluster) {
    co_await cluster->close();
    co_return true;
  }

  void start(Site& site, size_t brokers) {
    site.zookeeper = std::make_unique<sim::ZookeeperEnsemble>(
        [this](io::Duration after, std::function<void()> call) {
          world.after(after, std::move(call));
        });
    for (size_t i = 0; i < brokers; ++i) site.hosts.push_back(&world.add_host(site.host_name(i)));
    for (size_t i = 0; i < brokers; ++i) start_broker(site, i);
    client::ClusterOptions options;
    options.name = site.name;
    options.bootstrap = site.at(9092);
    site.client = std::make_unique<client::Cluster>(client_->env(), client_->env().main_loop(),
                                                    std::move(options));
  }
  void start_broker(Site& site, size_t i) {
    process::BrokerConfig config;
    config.cluster = {site.name, site.number};
    config.broker.node_id = site.node(i);
    config.broker.log_dirs = {"/data"};
    config.broker.offsets_topic_num_partitions = 4;
    config.broker.zookeeper.emplace().connect =
        *zookeeper::ConnectString::parse("zookeeper:2181/" + site.name);
    config.listeners = {{.name = "clients",
                         .bind = {"0.0.0.0", 9092},
                         .advertised = {site.host_name(i), 9092},
                         .peers = {}},
                        {.name = "peers",
                         .bind = {"0.0.0.0", 9093},
                         .advertised = {site.host_name(i), 9093},
                         .peers = {process::Peer::brokers, process::Peer::mirrors}}};
    sim::SimProcess& process = site.hosts[i]->start_process();
    auto& broker = process.make<Broker>(process.env(), config,
                                        std::make_shared<sim::SimConnector>(*site.zookeeper));
    auto started = run_in(world, process, broker.start());
    ASSERT_TRUE(started) << started.error().text;
  }
  sim::SimProcess& start_mirror(const std::string& machine) {
    process::MirrorConfig links;
    process::LinkConfig& link = links.links["seoul-tokyo"];
    link.source.bootstrap_servers = seoul.at(9093);
    link.target.bootstrap_servers = tokyo.at(9093);
    link.topics = {"orders"};
    link.groups = {".*"};
    sim::SimProcess& process = world.add_host(machine).start_process();
    auto& role =
        process.make<std::unique_ptr<process::Role>>(mirror::make_mirror(process.env(), links));
    EXPECT_TRUE(run_in(world, process, role->start()));
    return process;
  }
  void begin() {
    start(seoul, GetParam().source);
    start(tokyo, GetParam().target);
    for (const char* name : {"orders", "other"}) create(name);
    mirror_ = &start_mirror("mirror");
  }

  io::Instant soon() const { return world.now() + seconds(30); }
  template <typename Task>
  auto run(Task task) {
    return run_in(world, *client_, std::move(task));
  }
  void create(const std::string& name) {
    kafka::CreateTopicsRequest request;
    request.timeout_ms = 30'000;
    request.topics.push_back({name, partitions, -1, {}, {}});
    auto answer = run(client::Admin(*seoul.client).create_topics(std::move(request), soon()));
    ASSERT_TRUE(answer) << answer.error().text;
    EXPECT_EQ(answer->topics.at(0).error_code, ErrorCode::none);
  }
  // One record, acknowledged by as many as must have it; sent again until it is.
  void produce(PartitionIndex partition) {
    const std::string value = std::to_string(++sent_);
    for (int attempt = 0; attempt < 300; ++attempt) {
      auto request = produce_request("orders", make_batch({{.text = value}}), -1, partition);
      auto answer = run(seoul.client->call_leader({"orders", partition}, std::move(request),
                                                  world.now() + seconds(5), 1));
      if (answer && answer->responses.at(0).partition_responses.at(0).error_code == ErrorCode::none)
        return acknowledged_[partition].push_back(value);
      world.run_for(milliseconds(200));
      (void)run(seoul.client->refresh(soon()));
    }
    FAIL() << "not acknowledged: " << value;
  }
  void produce_everywhere(int rounds) {
    for (int i = 0; i < rounds; ++i) {
      for (PartitionIndex p = 0; p < partitions; ++p) produce(p);
    }
  }
  NodeId leader(Site& site, PartitionIndex partition) {
    auto answer = run(
        client::Admin(*site.client).describe_topics(std::vector<std::string>{"orders"}, soon()));
    if (!answer || answer->topics.empty()) return -1;
    for (const auto& p : answer->topics[0].partitions) {
      if (p.partition_index == partition) return p.leader_id;
    }
    return -1;
  }
  Offset end(Site& site, PartitionIndex partition) {
    client::ByPartition<int64_t> asked;
    asked[{"orders", partition}] = client::latest_offset;
    auto answer = run(client::Admin(*site.client).list_offsets(asked, world.now() + seconds(2)));
    if (!answer) return -1;
    const auto& told = (*answer)[{"orders", partition}];
    return told.error == ErrorCode::none ? told.offset : -1;
  }
  bool eventually(const std::function<bool()>& holds, io::Duration at_most = seconds(60)) {
    const io::Instant until = world.now() + at_most;
    while (world.now() < until) {
      if (holds()) return true;
      world.run_for(milliseconds(100));
    }
    return false;
  }
  bool is_copied(PartitionIndex partition) {
    const Offset there = end(seoul, partition);
    return there >= 0 && end(tokyo, partition) == there;
  }
  bool is_all_copied() {
    for (PartitionIndex p = 0; p < partitions; ++p) {
      if (!is_copied(p)) return false;
    }
    return true;
  }
  Slice log_of(Site& site, PartitionIndex partition) {
    auto request = fetch_request("orders", {.max_bytes = 64 << 20});
    request.max_bytes = 64 << 20;
    request.topics[0].partitions[0].partition = partition;
    auto connection = run(site.client->leader({"orders", partition}, soon()));
    EXPECT_TRUE(connection);
    if (!connection) return {};
    auto answer = run((*connection)->call(std::move(request), soon(), 12));
    EXPECT_TRUE(answer);
    if (!answer) return {};
    auto bytes = answer->responses.at(0).partitions.at(0).records.flatten();
    return bytes ? *bytes : Slice();
  }
  static std::vector<std::string> values_in(const Slice& log) {
    std::vector<std::string> values;
    kafka::BatchIterator walk(log, true);
    while (auto batch = walk.next()) {
      auto reader = kafka::RecordReader::open(batch->bytes);
      kafka::Record record;
      while (reader->next(record)) values.emplace_back(as_text(*record.value));
    }
    return values;
  }
  // The same bytes at both; all that was acknowledged, in its order.
  void check() {
    for (PartitionIndex p = 0; p < partitions; ++p) {
      const Slice original = log_of(seoul, p);
      EXPECT_EQ(as_text(original), as_text(log_of(tokyo, p))) << p;
      const auto values = values_in(original);
      auto from = values.begin();
      for (const std::string& value : acknowledged_[p]) {
        from = std::find(from, values.end(), value);
        ASSERT_NE(from, values.end()) << "lost: " << value;
      }
    }
  }
  ErrorCode commit(const std::string& group, Offset offset) {
    ErrorCode error = ErrorCode::not_coordinator;
    for (int i = 0; i < 100 && error != ErrorCode::none; ++i) {
      kafka::OffsetCommitRequest request;
      request.group_id = group;
      request.topics.push_back({"orders", {{0, offset, -1, std::nullopt}}});
      auto answer = run(seoul.client->call_coordinator(client::CoordinatorType::group, group,
                                                       std::move(request), soon()));
      if (answer) error = answer->topics.at(0).partitions.at(0).error_code;
      if (error == ErrorCode::none) break;
      seoul.client->forget_coordinator(client::CoordinatorType::group, group);
      world.run_for(milliseconds(100));
    }
    return error;
  }
  Offset committed_at_target(const std::string& group) {
    auto answer =
        run(client::Admin(*tokyo.client).committed_offsets(group, world.now() + seconds(5)));
    if (!answer) return -1;
    const auto found = answer->find({"orders", 0});
    return found == answer->end() ? -1 : found->second.offset;
  }
  kafka::DescribeSiteResponse describe_at(size_t broker) {
    auto& gate = client_->make<io::Gate>(client_->env().main_loop());
    auto opened = run(client::Connection::open(client_->env(), gate,
                                               {tokyo.host_name(broker), 9093}, {}, soon()));
    EXPECT_TRUE(opened);
    kafka::DescribeSiteRequest request;
    request.include_topics = request.include_groups = true;
    auto answer = run((*opened)->call(std::move(request), soon()));
    EXPECT_TRUE(answer);
    return answer.value_or(kafka::DescribeSiteResponse());
  }

  // Their ensembles outlive the processes that have sessions there.
  Site seoul{"seoul", 1, {}, {}, {}};
  Site tokyo{"tokyo", 2, {}, {}, {}};
  sim::SimWorld world{1};
  sim::SimProcess* mirror_ = nullptr;

 private:
  sim::SimProcess* client_ = nullptr;
  int sent_ = 0;
  std::map<PartitionIndex, std::vector<std::string>> acknowledged_;
};
INSTANTIATE_TEST_SUITE_P(Sizes, ClustersTest,
                         testing::Values(Sizes{3, 3}, Sizes{1, 3}, Sizes{3, 1}),
                         [](const auto& sizes) {
                           return std::to_string(sizes.param.source) + "To" +
                                  std::to_string(sizes.param.target);
                         });

TEST_P(ClustersTest, RecordsAndGroupsCross) {
  begin();
  produce_everywhere(5);
  std::vector<std::string> groups;
  for (int i = 0; i < 8; ++i) {
    groups.push_back("team-" + std::to_string(i));
    EXPECT_EQ(commit(groups.back(), i % 5), ErrorCode::none);
  }
  ASSERT_TRUE(eventually([&] { return is_all_copied(); }));
  for (int i = 0; i < 8; ++i) {
    EXPECT_TRUE(eventually([&] { return committed_at_target(groups[i]) == i % 5; })) << groups[i];
  }
  check();
}

TEST_P(ClustersTest, WhoeverIsAskedAtTheTargetTellsTheSame) {
  begin();
  produce_everywhere(2);
  EXPECT_EQ(commit("team", 1), ErrorCode::none);
  ASSERT_TRUE(eventually([&] { return is_all_copied() && committed_at_target("team") == 1; }));
  world.run_for(seconds(5));
  for (size_t broker = 0; broker < tokyo.hosts.size(); ++broker) {
    const auto site = describe_at(broker);
    ASSERT_EQ(site.links.size(), 1u);
    EXPECT_LE(site.links[0].contact_age_ms, 3000) << broker;
    EXPECT_GE(site.links[0].contact_age_ms, 0) << broker;
    EXPECT_EQ(site.links[0].left_out_count, 1) << broker;
    ASSERT_EQ(site.groups.size(), 1u) << broker;
    EXPECT_EQ(site.groups[0].link, "seoul-tokyo");
    for (const auto& topic : site.topics) {
      if (topic.name != "orders") continue;
      for (const auto& p : topic.partitions) {
        EXPECT_EQ(p.end_offset, 2) << broker;
        EXPECT_EQ(p.source_end_offset, 2) << broker;
        EXPECT_EQ(p.mirror_state, kafka::MirrorState::mirroring) << broker;
      }
    }
  }
}

TEST_P(ClustersTest, ALeaderAtTheTargetThatDiesHoldsUpItsPartitionsOnly) {
  if (GetParam().target == 1) return;  // there is no other
  begin();
  produce_everywhere(3);
  ASSERT_TRUE(eventually([&] { return is_all_copied(); }));
  const NodeId victim = leader(tokyo, 0);
  std::vector<PartitionIndex> others;
  for (PartitionIndex p = 0; p < partitions; ++p) {
    if (leader(tokyo, p) != victim) others.push_back(p);
  }
  ASSERT_FALSE(others.empty());
  tokyo.hosts[tokyo.of(victim)]->crash();
  produce_everywhere(3);
  EXPECT_TRUE(eventually([&] { return is_all_copied(); }));
  EXPECT_NE(leader(tokyo, 0), victim);
  start_broker(tokyo, tokyo.of(victim));
  produce_everywhere(3);
  EXPECT_TRUE(eventually([&] { return is_all_copied(); }));
  check();
}

TEST_P(ClustersTest, LeadersDieInTurnAtBothEndsAndNothingIsLost) {
  begin();
  for (int round = 0; round < 4; ++round) {
    for (Site* site : {&tokyo, &seoul}) {
      produce_everywhere(2);
      const NodeId victim = leader(*site, round % partitions);
      ASSERT_GT(victim, 0);
      site->hosts[site->of(victim)]->crash();
      if (site->hosts.size() > 1) produce_everywhere(2);
      start_broker(*site, site->of(victim));
      ASSERT_TRUE(eventually([&] { return is_all_copied(); })) << site->name << " " << round;
    }
  }
  check();
}

TEST_P(ClustersTest, AnotherMirrorProcessStandsInReserveAndTakesOver) {
  begin();
  produce_everywhere(2);
  ASSERT_TRUE(eventually([&] { return is_all_copied(); }));
  const int64_t epoch = describe_at(0).links.at(0).epoch;
  start_mirror("second");
  world.run_for(seconds(20));
  EXPECT_EQ(describe_at(0).links.at(0).epoch, epoch) << "the one that lives keeps the link";
  mirror_->kill();
  produce_everywhere(2);
  EXPECT_TRUE(eventually([&] { return is_all_copied(); }));
  EXPECT_EQ(describe_at(0).links.at(0).epoch, epoch + 1);
  check();
}

}  // namespace
}  // namespace isthmus::broker
