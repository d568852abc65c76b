#include "tests/sim/site.h"

namespace isthmus::sim {

Site::Site(SimWorld& world, SiteOptions options)
    : world_(world), options_(std::move(options)), host_(world.add_host(options_.name)) {}

process::BrokerConfig Site::config() const {
  process::BrokerConfig config;
  config.cluster = {options_.cluster.empty() ? options_.name : options_.cluster, options_.number};
  auto& b = config.broker;
  b.node_id = options_.node != 0 ? options_.node : options_.number * 100 + 1;
  if (options_.zookeeper != nullptr) {
    b.zookeeper.emplace().connect = *zookeeper::ConnectString::parse("zookeeper:2181/isthmus");
  }
  b.log_dirs = {"/data/1", "/data/2"};
  b.num_partitions = 2;
  b.log_segment_bytes = options_.segment_bytes;
  b.durability = options_.durability;
  b.log_retention_bytes = options_.retention.bytes;
  b.log_retention_ms = options_.retention.ms;
  // Without a retention there is nothing to look for.
  const bool retains = options_.retention.bytes >= 0 || options_.retention.ms >= 0;
  if (retains) b.log_retention_check_interval_ms = 700;
  b.offsets_topic_num_partitions = 1;
  b.group_initial_rebalance_delay_ms = 0;
  config.listeners = {
      {.name = "clients", .bind = {"0.0.0.0", 9092}, .advertised = clients(), .peers = {}},
      {.name = "peers",
       .bind = {"0.0.0.0", 9093},
       .advertised = peers(),
       .peers = {process::Peer::brokers, process::Peer::mirrors, process::Peer::routers}}};
  if (options_.session == Duration::zero()) return config;
  b.authorizer = process::AuthorizerKind::acls;
  b.super_users = {"User:ANONYMOUS"};  // who comes by the other listeners
  b.connections_max_reauth_ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(options_.session).count();
  config.listeners.push_back(
      {.name = "guarded", .bind = {"0.0.0.0", 9094}, .advertised = guarded(), .peers = {}});
  auto& security = config.listeners.back().security;
  security.protocol = process::SecurityProtocol::sasl_plaintext;
  security.mechanisms = {kafka::Mechanism::plain, kafka::Mechanism::scram_sha_256};
  return config;
}

void Site::start() {
  kill();
  process_ = &host_.start_process(options_.loops);
  connector_.reset();
  if (options_.zookeeper != nullptr) {
    connector_ = std::make_shared<SimConnector>(*options_.zookeeper);
  }
  broker_ = &process_->make<broker::Broker>(process_->env(), config(), connector_);
  const int number = ++starts_;
  // As systemd would: the process ends, and another begins.
  broker_->on_failed([this, number](const Error& error) {
    Logger(LogComponent::broker, "site " + name()).warn("the broker fails: {}", error.text);
    start_anew(number);
  });
  process_->spawn("broker", run(*broker_, number));
}

io::Task<void> Site::run(broker::Broker& broker, int number) {
  auto started = co_await broker.start();
  if (started) {
    serving_ = true;
    co_return;
  }
  Logger(LogComponent::broker, "site " + name())
      .warn("the broker does not start: {}", started.error().text);
  start_anew(number);
}

void Site::start_anew(int number) {
  world_.after(std::chrono::seconds(1), [this, number] {
    if (starts_ == number && process_ != nullptr) start();
  });
}

void Site::expire_session_after(Duration delay) {
  world_.after(delay, [connector = connector_] {
    ZookeeperSession* session = connector ? connector->session() : nullptr;
    if (session != nullptr) session->expire();
  });
}

void Site::expire_session_after_a_write() {
  ZookeeperSession* session = connector_ ? connector_->session() : nullptr;
  if (session != nullptr) session->expire_after_write();
}

void Site::cut_zookeeper_for(Duration a_while, bool after_a_write) {
  ZookeeperSession* session = connector_ ? connector_->session() : nullptr;
  if (session == nullptr) return;
  if (after_a_write) {
    session->lose_next_answer();
  } else {
    session->cut_line();
  }
  world_.after(a_while, [connector = connector_] {
    if (ZookeeperSession* left = connector->session()) left->mend_line();
  });
}

void Site::expire_session_unheard_after(Duration delay) {
  world_.after(delay, [connector = connector_] {
    ZookeeperSession* session = connector ? connector->session() : nullptr;
    const bool is_cut =
        session != nullptr && session->state() == zookeeper::SessionState::connecting;
    if (is_cut) session->expire_unheard();
  });
}

bool Site::serving() const { return serving_ && process_ != nullptr && process_->running(); }

void Site::kill() {
  if (process_ != nullptr) process_->kill();
  process_ = nullptr;
  serving_ = false;
}

void Site::crash() {
  process_ = nullptr;
  serving_ = false;
  host_.crash();
}

int64_t Site::jump_wall_clock(int64_t by_ms) {
  host_.jump_wall_clock(by_ms);
  return ahead_ms_ += by_ms;
}

bool Site::drain() {
  if (!serving()) return false;
  serving_ = false;
  auto ended = std::make_shared<bool>(false);
  struct Drain {
    static io::Task<void> run(broker::Broker& broker, std::shared_ptr<bool> done) {
      co_await broker.drain();
      *done = true;
    }
  };
  process_->spawn("drain", Drain::run(*broker_, ended));
  const bool orderly = world_.run_until([&] { return *ended; }, std::chrono::seconds(30));
  kill();
  return orderly;
}

}  // namespace isthmus::sim
