// A cluster of three brokers on simulated machines, which speak with one another and with clients
// over the simulated network. What they know of each other comes from the test, which stands where
// a metadata store would: it decides, and each of them hears of it a little later.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/controller/cluster_plans.h"
#include "broker/coordinator/topic_journal.h"
#include "broker/coordinator_seams.h"
#include "broker/group/coordinator.h"
#include "broker/handlers/dispatch.h"
#include "broker/handlers/topic_creation.h"
#include "broker/link/link_service.h"
#include "broker/link/site_views.h"
#include "broker/link/switchovers.h"
#include "broker/link/way_back.h"
#include "broker/log/checkpoints.h"
#include "broker/log_ins.h"
#include "broker/replication/copier.h"
#include "broker/replication/isr_updates.h"
#include "client/connection.h"
#include "server/acceptor.h"
#include "server/audit.h"
#include "tests/broker/apply_plan.h"
#include "tests/broker/handlers/requests.h"
#include "tests/broker/started.h"

namespace isthmus::broker {

// Of the others the test knows, and nobody asks.
struct NobodyElse final : LiveBrokers {
  explicit NobodyElse(NodeId node) : self(node) {}
  NodeId controller() const override { return -1; }
  io::Task<std::set<NodeId>> running() override { co_return std::set<NodeId>{self}; }
  const NodeId self;
};

// How brokers prove to one another who they are, and what each may.
struct Inside {
  Dialer::Options dialer = {};
  std::shared_ptr<const Published<io::TlsContext>> listener = nullptr;
  Authorizer::Options authorizer = {};
};

// The parts of a broker that have to do with replicas, and those that its handlers want.
class Member {
 public:
  using Commit = std::function<io::Task<Result<void>>(NodeId, std::vector<IsrChange>)>;
  using Latest = std::function<std::shared_ptr<const Image>()>;

  Member(io::Env& env, process::BrokerConfig config, Inside inside, Latest latest, Commit commit)
      : env_(env),
        config_(std::move(config)),
        self_(config_.broker.node_id),
        inside_(std::move(inside)),
        latest_(std::move(latest)),
        partitions(env, self_, image, config_.broker.log_dirs,
                   [durability = config_.broker.durability](const auto&) {
                     LogConfig log;
                     log.cluster = 1;
                     if (durability == process::Durability::page_cache) {
                       log.durability = Durability::page_cache;
                     }
                     return log;
                   }),
        journal_(
            env, partitions,
            {.topic = offsets_topic, .kind = "groups", .folder = config_.broker.log_dirs.front()}),
        owners_(controller_),
        topics_(controller_),
        ends_(partitions),
        groups_(env.main_loop(), env.random, {}, {journal_, owners_, topics_, ends_}),
        views_(env, partitions, groups_, colleagues_),
        links_(env, controller_, partitions, groups_, views_, colleagues_),
        switchovers_(env, controller_, partitions, groups_, colleagues_),
        way_back_(env, controller_, partitions, groups_, views_, colleagues_),
        log_ins_(env, image, {}),
        audit_(env, {}),
        admin_(env.main_loop()),
        context_{env,         config_, image,        controller_, partitions, groups_,
                 links_,      views_,  switchovers_, way_back_,   log_ins_,   admin_,
                 authorizer_, quotas_, audit_,       live_},
        dispatch_(context_),
        acceptor_(env, dispatch_, {}),
        copier_(env, partitions, dialer_, {.self = self_}),
        isr_updates_(env, partitions, std::chrono::seconds(5),
                     [this, commit](auto changes) { return commit(self_, std::move(changes)); }),
        gate_(env.main_loop()) {}

  // As a broker starts: its partitions are open when clients come.
  io::Task<bool> start() {
    if (!open()) co_return false;
    co_await follow();
    if (!acceptor_.listen({"clients", {"0.0.0.0", 9092}})) co_return false;
    server::ListenerOptions peers{"peers", {"0.0.0.0", 9093}, true};
    peers.tls = inside_.listener;
    peers.principal_of = process::principal_of({});
    if (!acceptor_.listen(peers)) co_return false;
    acceptor_.start();
    gate_.spawn("isr", isr_updates_.run());
    co_return true;
  }
  // The latest image.
  io::Task<void> follow() {
    auto latest = latest_();
    image.store(latest);
    auto done = co_await partitions.follow(latest);
    EXPECT_TRUE(done) << done.error().text;
    colleagues_.follow(latest);
    copier_.follow(latest);
  }

 private:
  bool open() {
    if (!partitions.claim()) return false;
    for (const std::string& dir : partitions.dirs().present()) {
      if (env_.disk.exists(dir + "/meta.properties")) continue;
      const MetaProperties mark{"cluster", self_, 1, 0, uuid_of(static_cast<uint8_t>(self_))};
      if (!mark.write(env_.disk, dir)) return false;
    }
    return partitions.take_over().has_value();
  }

  io::Env& env_;
  const process::BrokerConfig config_;
  const NodeId self_;
  const Inside inside_;
  const Latest latest_;

 public:
  PublishedImage image;

 private:
  Controller controller_{env_, image};

 public:
  PartitionTable partitions;

 private:
  TopicJournal journal_;
  GroupRegister owners_;
  KnownTopics topics_;
  TopicEnds ends_;
  Coordinator groups_;
  Dialer dialer_{env_, inside_.dialer};
  Colleagues colleagues_{env_, self_, dialer_};
  SiteViews views_;
  LinkService links_;
  Switchovers switchovers_;
  WayBack way_back_;
  LogIns log_ins_;
  server::Audit audit_;
  io::Gate admin_;
  Authorizer authorizer_{inside_.authorizer};
  server::Quotas quotas_;
  NobodyElse live_{self_};
  Context context_;
  Dispatch dispatch_;
  server::Acceptor acceptor_;
  Copier copier_;
  IsrUpdates isr_updates_;
  io::Gate gate_;
};

class ClusterWorld : public testing::Test {
 protected:
  static constexpr NodeId a = 1, b = 2, c = 3;

  ClusterWorld() {
    auto image = std::make_shared<Image>();
    image->cluster_number = 1;
    image->cluster_version = 1;
    for (NodeId id : {a, b, c}) {
      image->brokers[id] = broker_image(id);
      hosts[id] = &world.add_host(host_of(id));
    }
    image_ = image;
    machine_ = &world.add_host("client");
    client_ = &machine_->start_process();
    client_gate_ = &client_->make<io::Gate>(client_->env().main_loop());
  }

  // The first two stand together.
  static std::string rack_of(NodeId id) { return id == c ? "west" : "east"; }
  static std::string host_of(NodeId id) { return "broker-" + std::to_string(id); }
  static BrokerImage broker_image(NodeId id) {
    BrokerImage broker;
    broker.starts = 1;
    broker.version = 1;
    broker.rack = rack_of(id);
    broker.endpoints = {{"clients", {host_of(id), 9092}, false},
                        {"peers", {host_of(id), 9093}, true}};
    return broker;
  }
  process::BrokerConfig config_of(NodeId id) const {
    process::BrokerConfig config;
    config.cluster = {"seoul", 1};
    config.broker.node_id = id;
    config.broker.log_dirs = {"/data"};
    config.broker.durability = durability;
    config.broker.rack = rack_of(id);
    config.broker.replica_selector = selector;
    config.listeners = {{.name = "clients",
                         .bind = {"0.0.0.0", 9092},
                         .advertised = {host_of(id), 9092},
                         .peers = {}},
                        {.name = "peers",
                         .bind = {"0.0.0.0", 9093},
                         .advertised = {host_of(id), 9093},
                         .peers = {process::Peer::brokers}}};
    return config;
  }

  virtual Inside inside_of(NodeId) { return {}; }

  // ---- metadata ----
  void decide(const Plan& plan) {
    image_ = after(*image_, plan, ++version_);
    for (auto& [id, member] : members) tell(id);
  }
  void decide(const Result<Plan>& plan) {
    ASSERT_TRUE(plan) << plan.error().text;
    decide(*plan);
  }
  // It hears of what is in force by then.
  void tell(NodeId id) {
    const auto delay = std::chrono::microseconds(500 + world.random().next() % 20'000);
    world.after(delay, [this, id, process = processes[id]] {
      if (processes[id] != process || !process->running()) return;
      process->spawn("follow", members[id]->follow());
    });
  }
  io::Task<Result<void>> commit(NodeId id, std::vector<IsrChange> changes) {
    io::Loop& loop = *io::Loop::current();
    co_await io::sleep(loop, io::milliseconds(3));
    auto plan = plan_isr(*image_, id, changes);
    if (!plan) co_return fail(plan.error());
    if (!plan->empty()) decide(*plan);
    co_await members[id]->follow();
    co_return Result<void>{};
  }
  Uuid create(const std::string& name, int32_t partitions) {
    TopicImage topic;
    topic.name = name;
    topic.id = uuid_of(++topics_);
    topic.version = MetadataStore::absent;
    for (int32_t i = 0; i < partitions; ++i) {
      PartitionImage& partition = topic.partitions.emplace_back();
      partition.replicas = {a, b, c};
      std::ranges::rotate(partition.replicas, partition.replicas.begin() + i % 3);
      partition.isr = partition.replicas;
      partition.leader = partition.replicas.front();
      put_epoch(partition, 0, *image_);
    }
    Plan plan;
    plan.create(topic);
    decide(plan);
    return topic.id;
  }
  const PartitionImage& recorded(const std::string& topic, PartitionIndex index = 0) {
    return image_->find(topic)->partitions[static_cast<size_t>(index)];
  }

  // ---- brokers ----
  void start(NodeId id) {
    SimBroker& process = hosts[id]->start_process(loops);
    if (!process.env().disk.exists("/data")) {
      process.env().disk.make_folders("/data").value();
      process.env().disk.sync_folder("/").value();
    }
    processes[id] = &process;
    members[id] = &process.make<Member>(
        process.env(), config_of(id), inside_of(id), [this] { return image_; },
        [this](NodeId of, auto changes) { return commit(of, std::move(changes)); });
    ASSERT_TRUE(run_in(world, process, members[id]->start()));
  }
  void start_all() {
    for (NodeId id : {a, b, c}) start(id);
  }
  // Power loss, which the controller sees a little later.
  void dies(NodeId id) {
    hosts[id]->crash();
    members.erase(id);
    world.run_for(io::milliseconds(50));
    decide(plan_fence(*image_, id));
  }
  void comes_back(NodeId id) {
    BrokerImage says = image_->brokers.at(id);
    says.fenced = true;
    decide(plan_start(*image_, id, says));
    start(id);
    decide(plan_unfence(*image_, id, image_->starts_of(id), lost_by(id)));
  }
  // What it says that it may lack, which is known from then on.
  std::vector<DamagedReplica> lost_by(NodeId id) {
    PartitionTable& partitions = members[id]->partitions;
    std::vector<DamagedReplica> lost;
    for (const auto& [name, topic, all] : partitions.lacking()) {
      lost.push_back({image_->find(name.topic)->id, name.partition, all});
      partitions.lack_is_known(lost.back().topic, name.partition);
    }
    return lost;
  }
  // By mistake: it goes on, and knows nothing of it.
  void fenced_for_a_moment(NodeId id) {
    decide(plan_fence(*image_, id));
    decide(plan_unfence(*image_, id, image_->starts_of(id)));
  }

  // ---- clients ----
  std::shared_ptr<client::Connection> dial(NodeId id, uint16_t port = 9092) {
    const io::Address to{host_of(id), port};
    auto opened = run_in(world, *client_,
                         client::Connection::open(client_->env(), *client_gate_, to, {},
                                                  world.now() + std::chrono::seconds(5)));
    EXPECT_TRUE(opened) << opened.error().text;
    return opened ? std::shared_ptr<client::Connection>(std::move(*opened)) : nullptr;
  }
  template <typename Request>
  typename Request::Response ask(NodeId id, Request request, uint16_t port = 9092,
                                 int16_t at_most = INT16_MAX) {
    auto connection = dial(id, port);
    const io::Instant deadline = world.now() + std::chrono::seconds(30);
    auto answer = run_in(world, *client_, connection->call(std::move(request), deadline, at_most));
    EXPECT_TRUE(answer) << answer.error().text;
    return answer.value_or(typename Request::Response{});
  }
  kafka::ProduceResponse produce(NodeId to, const std::string& topic, const std::string& value,
                                 PartitionIndex partition = 0, int16_t acks = -1) {
    return ask(to, produce_request(topic, make_batch({{.text = value}}), acks, partition));
  }
  // The values in its log, at one broker, whoever leads.
  std::vector<std::string> log_of(NodeId id, const std::string& topic, PartitionIndex index = 0) {
    auto partition = members.at(id)->partitions.find(topic, index);
    std::vector<std::string> values;
    if (!partition) return values;
    auto bytes = run_in(world, *processes[id], partition.read_own(0, uint64_t{1} << 30));
    if (!bytes) return values;
    kafka::BatchIterator walk(*bytes, true);
    while (auto batch = walk.next()) {
      auto reader = kafka::RecordReader::open(batch->bytes);
      kafka::Record record;
      while (reader->next(record)) values.emplace_back(as_text(*record.value));
    }
    return values;
  }
  PartitionView view(NodeId id, const std::string& topic, PartitionIndex index = 0) {
    auto partition = members.at(id)->partitions.find(topic, index);
    return run_in(world, *processes[id], partition.describe());
  }
  bool eventually(const std::function<bool()>& holds,
                  io::Duration at_most = std::chrono::seconds(30)) {
    return world.run_until(holds, at_most);
  }

  using SimBroker = sim::SimProcess;
  size_t loops = 1;
  process::Durability durability = process::Durability::fsync;
  process::ReplicaSelector selector = process::ReplicaSelector::leader;
  sim::SimWorld world{1};
  std::map<NodeId, sim::SimHost*> hosts;
  std::map<NodeId, SimBroker*> processes;
  std::map<NodeId, Member*> members;
  sim::SimProcess& client() { return *client_; }

 private:
  std::shared_ptr<const Image> image_;
  int64_t version_ = 10;
  uint8_t topics_ = 100;
  sim::SimHost* machine_ = nullptr;
  sim::SimProcess* client_ = nullptr;
  io::Gate* client_gate_ = nullptr;
};

}  // namespace isthmus::broker
