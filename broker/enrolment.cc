#include "broker/enrolment.h"

#include <algorithm>
#include <utility>

#include "broker/controller/cluster_plans.h"
#include "broker/store/embedded.h"
#include "kafka/errors.h"

namespace isthmus::broker {

namespace {

std::vector<BrokerEndpoint> endpoints_of(const process::BrokerConfig& config) {
  std::vector<BrokerEndpoint> endpoints;
  for (const auto& listener : config.listeners) {
    endpoints.push_back(
        {listener.name, listener.reachable_at(),
         std::ranges::find(listener.peers, process::Peer::brokers) != listener.peers.end()});
  }
  return endpoints;
}

std::string place_of(const zookeeper::ConnectString& connect) {
  const std::string folder = connect.root.empty() ? "/" : connect.root;
  return "the folder " + folder + " of ZooKeeper (" + connect.servers_for_library() + ")";
}

int32_t replication_factor_of(const process::BrokerConfig& config) {
  return static_cast<int32_t>(config.broker.default_replication_factor.value_or(-1));
}

ClusterKeeper::Habits habits_of(const process::BrokerSettings& settings) {
  ClusterKeeper::Habits habits;
  habits.partitions_at_once = settings.reassignment_partitions_max;
  habits.balances = settings.auto_leader_rebalance;
  habits.imbalance_percentage = settings.leader_imbalance_percentage;
  habits.balance_every = std::chrono::seconds(settings.leader_imbalance_check_interval_s);
  return habits;
}

// By which the broker that is asked decides for all.
std::map<std::string, std::string> shared_settings(const process::BrokerConfig& config) {
  const auto& b = config.broker;
  return {{"num.partitions", std::to_string(b.num_partitions)},
          {"offsets.topic.num.partitions", std::to_string(b.offsets_topic_num_partitions)},
          {"auto.create.topics.enable", b.auto_create_topics ? "true" : "false"},
          {"message.max.bytes", std::to_string(b.message_max_bytes)},
          {"durability", b.durability == process::Durability::fsync ? "fsync" : "page_cache"}};
}

}  // namespace

Enrolment::Enrolment(io::Env& env, Controller& controller, const process::BrokerConfig& config,
                     zookeeper::Connector* connector)
    : env_(env), controller_(controller), config_(config), connector_(connector) {}

io::Task<Result<void>> Enrolment::open(DirectoryOwner owner) {
  identity_ = {config_.cluster.name, config_.cluster.number, config_.broker.node_id,
               endpoints_of(config_), std::move(owner.cluster_id)};
  identity_.rack = config_.broker.rack;
  directory_id_ = owner.directory_id;
  if (!config_.broker.zookeeper) co_return open_embedded();
  if (directory_id_.is_zero()) env_.random.fill(directory_id_.bytes);
  identity_.directory_id = directory_id_;
  auto opened = co_await open_zookeeper();
  co_return opened;
}

Result<void> Enrolment::open_embedded() {
  auto store = EmbeddedStore::open(env_.disk, env_.main_loop(), config_.broker.log_dirs.front());
  if (!store) return fail(store.error());
  controller_.use(std::move(*store));
  return {};
}

io::Task<Result<void>> Enrolment::open_zookeeper() {
  const process::ZookeeperConfig& zookeeper = *config_.broker.zookeeper;
  if (connector_ == nullptr) co_return fail("this process has nothing that speaks to ZooKeeper");
  auto digest = process::digest_of(zookeeper);
  if (!digest) co_return fail(digest.error());
  identity_.metadata_at = place_of(zookeeper.connect);
  BrokerLease::Options options{
      .connect = zookeeper.connect,
      .session_timeout = io::milliseconds(zookeeper.session_timeout_ms),
      .digest = std::move(*digest),
      .node = config_.broker.node_id,
      .says = {.directory = directory_id_,
               .address = config_.listeners.front().reachable_at().to_string(),
               .replication_factor = replication_factor_of(config_),
               .settings = shared_settings(config_)}};
  lease_ = std::make_unique<BrokerLease>(env_, *connector_, std::move(options));
  lease_->on_lost([this] {
    is_lost_ = true;
    if (lost_) {
      lost_(
          Error::closed("the session with ZooKeeper is lost, and with it this broker's place in "
                        "its cluster: the process ends, to be started anew"));
    }
  });
  auto store = co_await lease_->open();
  if (!store) co_return fail(store.error());
  controller_.use(std::move(*store));
  if (auto right = controller_.read(identity_); !right) co_return right;
  auto taken = co_await lease_->take();
  if (!taken) co_return taken;
  is_open_ = true;
  co_await compare_with_others();
  const std::string missing =
      missing_directory(*controller_.snapshot(), config_.broker.node_id, directory_id_);
  if (!missing.empty()) log_.error("{}", missing);
  co_return Result<void>{};
}

io::Task<void> Enrolment::compare_with_others() {
  LiveNode mine;
  mine.replication_factor = replication_factor_of(config_);
  mine.settings = shared_settings(config_);
  const auto others = co_await lease_->others();
  for (const auto& [node, says] : others) {
    for (const std::string& line : differences(mine, node, says)) log_.warn("{}", line);
  }
}

// What is not known to be done, or was decided on what others have changed.
bool Enrolment::may_repeat(const Error& error) const {
  const bool is_open =
      error.kind == Error::Kind::timeout || kafka::is(error, kafka::ErrorCode::request_timed_out);
  return lease_ != nullptr && is_open && !stops_ && !is_lost_;
}

io::Task<Result<void>> Enrolment::record_start() {
  for (;;) {
    auto started = co_await controller_.start(identity_);
    if (started) break;
    const Error error = started.error();
    if (!may_repeat(error)) co_return fail(error);
    log_.warn("the start cannot be recorded yet: {}", error.text);
  }
  const auto brokers = std::ssize(controller_.snapshot()->brokers);
  const auto factor = config_.broker.default_replication_factor;
  if (factor && *factor != brokers) {
    log_.warn(
        "default.replication.factor is {}, and the cluster has {} brokers: each of them has "
        "every partition",
        *factor, brokers);
  }
  if (brokers == 2) {
    log_.warn(
        "the cluster has two brokers, and a majority of two is both: with min.insync.replicas as "
        "it is by default, acks=all waits as soon as one of them is away; add a third one, or set "
        "min.insync.replicas=1 at topics that may lose what only one broker has");
  }
  co_return Result<void>{};
}

io::Task<Result<bool>> Enrolment::have_had(FollowedMetadata commit) {
  for (;;) {
    auto had = co_await controller_.has(commit);
    if (had) co_return had;
    const Error error = had.error();
    if (!may_repeat(error)) co_return fail(error);
    log_.warn("the metadata cannot be compared yet: {}", error.text);
  }
}

io::Task<Result<void>> Enrolment::insist(Controller::Decision decision) {
  for (;;) {
    auto done = co_await controller_.update(decision);
    if (done) co_return done;
    const Error error = done.error();
    if (!may_repeat(error)) co_return fail(error);
    log_.warn("not recorded yet: {}", error.text);
  }
}

io::Task<Result<void>> Enrolment::begin_serving() {
  if (lease_ == nullptr) co_return Result<void>{};
  const NodeId self = config_.broker.node_id;
  const int32_t starts = controller_.snapshot()->starts_of(self);
  Losses::Replicas lost;
  auto done = co_await insist([this, self, starts, &lost](const Image& image) {
    lost = losses_.of(image);
    return plan_unfence(image, self, starts, lost);
  });
  if (!done) co_return done;
  losses_.are_known(lost);
  keeper_ = std::make_unique<ClusterKeeper>(env_.main_loop(), env_.random, lease_->client(),
                                            lease_->layout(), controller_, losses_,
                                            habits_of(config_.broker));
  keeper_->on_seat([this](NodeId holder) { seated_ = holder; });
  keeper_->start();
  keeper_->serve();
  co_return done;
}

void Enrolment::on_refused(NodeId broker, int32_t starts) {
  if (keeper_ != nullptr) keeper_->on_refused(broker, starts);
}

void Enrolment::on_silence(NodeId broker, bool silent) {
  if (silent) {
    silent_.on_silence(broker, env_.main_loop().now());
  } else {
    silent_.on_answer(broker);
  }
}

io::Task<void> Enrolment::end_serving() {
  if (lease_ == nullptr) co_return;
  // Where nobody can be told, nobody waits for that.
  const bool can_be_told = !is_lost_ && lease_->is_connected();
  if (!can_be_told) stop_waiting();
  if (keeper_ == nullptr) co_return;
  if (can_be_told) {
    auto done = co_await keeper_->stop_serving();
    if (!done) log_.warn("the cluster is not told of this stop: {}", done.error().text);
  }
  co_await keeper_->close();
}

io::Task<void> Enrolment::leave() {
  lost_ = nullptr;
  if (lease_ != nullptr) co_await lease_->leave();
}

void Enrolment::stop_waiting() {
  stops_ = true;
  if (lease_ != nullptr) lease_->stop_waiting();
}

std::string Enrolment::waits_for() const {
  if (lease_ == nullptr) return {};
  return is_open_ ? cut_off() : lease_->waits_for();
}

void Enrolment::look() {
  const bool answers = lease_ == nullptr || lease_->is_connected();
  if (answers) {
    old_since_.reset();
  } else if (!old_since_) {
    old_since_ = env_.main_loop().wall_ms();
  }
}

std::string Enrolment::cut_off() const {
  if (lease_ == nullptr || lease_->is_connected()) return {};
  return "ZooKeeper does not answer: topics, rights and who leads a partition cannot be changed, "
         "and what others have changed is not known here";
}

NodeId Enrolment::controller() const {
  if (lease_ == nullptr) return config_.broker.node_id;
  return seated_;
}

io::Task<std::set<NodeId>> Enrolment::running() {
  std::set<NodeId> running{config_.broker.node_id};
  // A ZooKeeper that is away would be waited for.
  if (lease_ == nullptr || !lease_->is_connected()) co_return running;
  const auto others = co_await lease_->others();
  for (const auto& [node, says] : others) running.insert(node);
  co_return running;
}

}  // namespace isthmus::broker
