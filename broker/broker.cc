#include "broker/broker.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/json.h"
#include "broker/audit/audit.h"
#include "broker/controller/topic_config.h"
#include "broker/controller/topic_plans.h"
#include "broker/coordinator_seams.h"
#include "broker/group/coordinator.h"
#include "broker/handlers/dispatch.h"
#include "broker/handlers/topic_creation.h"
#include "broker/link/link_service.h"
#include "broker/link/switchovers.h"
#include "broker/link/way_back.h"
#include "broker/log_dirs.h"
#include "broker/log_ins.h"
#include "broker/measure.h"
#include "broker/offsets_journal.h"
#include "broker/store/embedded.h"
#include "io/gate.h"
#include "io/turn_watch.h"
#include "server/acceptor.h"

namespace isthmus::broker {

namespace {

constexpr auto checkpoint_interval = std::chrono::seconds(10);
constexpr auto space_interval = std::chrono::seconds(1);
constexpr auto drain_grace = std::chrono::seconds(2);

LogConfig log_defaults(const process::BrokerConfig& config) {
  const auto& b = config.broker;
  LogConfig c;
  c.segment_bytes = b.log_segment_bytes;
  c.segment_ms = b.effective_roll_ms();
  c.retention_ms = b.effective_retention_ms();
  c.retention_bytes = b.log_retention_bytes;
  c.max_message_bytes = b.message_max_bytes;
  c.timestamp_type = b.log_message_timestamp_type == process::TimestampType::log_append_time
                         ? kafka::TimestampType::log_append_time
                         : kafka::TimestampType::create_time;
  c.timestamp_before_max_ms = b.log_message_timestamp_before_max_ms;
  c.timestamp_after_max_ms = b.log_message_timestamp_after_max_ms;
  c.producer_expiration_ms = b.producer_id_expiration_ms;
  c.durability =
      b.durability == process::Durability::fsync ? Durability::fsync : Durability::page_cache;
  c.cluster = config.cluster.number;
  return c;
}

GroupConfig group_config(const process::BrokerConfig& config) {
  const auto& b = config.broker;
  GroupConfig c;
  c.partitions = b.offsets_topic_num_partitions;
  c.initial_rebalance_delay_ms = static_cast<int32_t>(b.group_initial_rebalance_delay_ms);
  c.min_session_timeout_ms = static_cast<int32_t>(b.group_min_session_timeout_ms);
  c.max_session_timeout_ms = static_cast<int32_t>(b.group_max_session_timeout_ms);
  c.max_members = b.group_max_size;
  c.max_member_bytes = b.group_max_member_bytes;
  c.max_group_bytes = b.group_max_bytes;
  c.offsets_retention_ms = b.offsets_retention_minutes * 60'000;
  return c;
}

server::ServerLimits server_limits(const process::BrokerConfig& config) {
  const auto& b = config.broker;
  server::ServerLimits limits;
  limits.connection.max_request_bytes = static_cast<size_t>(b.socket_request_max_bytes);
  limits.connection.max_idle = io::milliseconds(b.connections_max_idle_ms);
  limits.max_connections = static_cast<size_t>(b.max_connections);
  limits.max_request_bytes = static_cast<size_t>(b.queued_max_request_bytes);
  return limits;
}

Authorizer::Options authorizer_options(const process::BrokerConfig& config) {
  const auto& b = config.broker;
  return {.enabled = b.authorizer == process::AuthorizerKind::acls,
          .super_users = b.super_users,
          .allow_everyone_if_no_acl_found = b.allow_everyone_if_no_acl_found};
}

// All of them are counted; so many are named.
constexpr size_t most_named = 100;

void tell_of_offline(const std::vector<PartitionTable::Offline>& offline, nlohmann::json& json,
                     process::Status& status) {
  json["partitions_offline"] = offline.size();
  auto& named = json["offline"] = nlohmann::json::array();
  for (const auto& [name, outage] : offline) {
    if (named.size() == most_named) break;
    named.push_back({{"topic", name.topic},
                     {"partition", name.partition},
                     {"reason", outage->reason},
                     {"readable", outage->readable}});
  }
  if (offline.empty()) return;
  status.degraded = std::to_string(offline.size()) +
                    (offline.size() == 1 ? " partition is" : " partitions are") +
                    " offline, see /status: " + offline.front().name.to_string() + ": " +
                    offline.front().outage->reason;
}

// What this start has cut off, which nobody was promised.
void tell_of_cuts(const std::vector<PartitionTable::Cut>& cuts, nlohmann::json& json) {
  json["partitions_cut"] = cuts.size();
  auto& named = json["cuts"] = nlohmann::json::array();
  for (const auto& cut : cuts) {
    if (named.size() == most_named) break;
    named.push_back({{"topic", cut.partition.topic},
                     {"partition", cut.partition.partition},
                     {"offset", cut.offset},
                     {"bytes", cut.bytes},
                     {"kept_in", cut.kept_in}});
  }
}

PartitionTable::ConfigOf config_of(const process::BrokerConfig& config) {
  return [defaults = log_defaults(config)](const ConfigMap& overrides) {
    return log_config(defaults, overrides);
  };
}

}  // namespace

namespace {

TokenKeys::Options tokens_of(const process::BrokerConfig& config) {
  const auto& b = config.broker;
  return {.url = b.oauthbearer_jwks_url,
          .refresh = io::milliseconds(b.oauthbearer_jwks_refresh_ms),
          .rules = {.issuer = b.oauthbearer_issuer,
                    .audiences = b.oauthbearer_audience,
                    .principal_claim = b.oauthbearer_sub_claim,
                    .clock_skew_ms = int64_t{1000} * b.oauthbearer_clock_skew_s}};
}

}  // namespace

struct Broker::Parts {
  Parts(io::Env& env, const process::BrokerConfig& config)
      : controller(env, image),
        partitions(env, image, config.broker.log_dirs, config_of(config),
                   static_cast<uint64_t>(config.broker.storage_reserve)),
        journal(env, partitions, config.broker.log_dirs.front()),
        owners(controller),
        topics(controller),
        ends(partitions),
        groups(env.main_loop(), env.random, group_config(config), {journal, owners, topics, ends}),
        links(env, controller, partitions, groups),
        switchovers(env, controller, partitions, groups),
        way_back(env, controller, partitions, groups),
        log_ins(env, image, tokens_of(config)),
        audit(env, {.file = config.audit.file, .to_stderr = config.audit.to_stderr}),
        admin(env.main_loop()),
        authorizer(authorizer_options(config)),
        context{env,         config,   image,   controller, partitions, groups, links,
                switchovers, way_back, log_ins, admin,      authorizer, quotas, audit},
        dispatch(context),
        acceptor(env, dispatch, server_limits(config)),
        house(env.main_loop()),
        stop(env.main_loop()) {
    acceptor.enforce(quotas);
  }

  PublishedImage image;
  Controller controller;
  PartitionTable partitions;
  OffsetsJournal journal;
  GroupRegister owners;
  KnownTopics topics;
  TopicEnds ends;
  Coordinator groups;
  LinkService links;
  Switchovers switchovers;
  WayBack way_back;
  LogIns log_ins;
  Audit audit;
  io::Gate admin;
  Authorizer authorizer;
  server::Quotas quotas;
  Context context;
  Dispatch dispatch;
  server::Acceptor acceptor;
  io::Gate house;
  io::Event stop;
  std::set<PartitionIndex> led;  // partitions of __consumer_offsets
  std::shared_ptr<const Image> followed = std::make_shared<const Image>();
  bool serving = false;
  bool deleting = false, look_again = false;
};

Broker::Broker(io::Env& env, process::BrokerConfig config)
    : env_(env), config_(std::move(config)), tls_(config_.tls) {}
Broker::~Broker() = default;

io::Task<Result<void>> Broker::start() {
  parts_ = std::make_unique<Parts>(env_, config_);
  // The addresses first: a port in use must be found out before anything is written.
  Result<void> done = listen();
  if (done) done = parts_->audit.open();
  if (done) done = parts_->partitions.claim();
  if (done) done = check_log_dirs(env_.disk, parts_->partitions.dirs().present());
  if (done) done = open_store();
  if (done) done = co_await recover();
  if (!done) {
    // Whatever had begun ends in order, and nothing is written: the next start finds what this one
    // found.
    co_await parts_->groups.drain();
    co_await parts_->acceptor.close(io::Duration::zero());
    co_await parts_->admin.close();
    co_await parts_->journal.close();
    co_await parts_->partitions.abandon();
    parts_.reset();
    co_return done;
  }
  parts_->partitions.watch_space();
  parts_->acceptor.start();
  parts_->serving = true;
  parts_->house.spawn("housekeeping", keep_house());
  parts_->house.spawn("certificates", tls_.watch(parts_->stop));
  if (parts_->audit.enabled()) {
    parts_->house.spawn("audit", parts_->audit.keep_writing(parts_->stop));
  }
  co_return Result<void>{};
}

Result<void> Broker::open_store() {
  auto store = EmbeddedStore::open(env_.disk, env_.main_loop(), config_.broker.log_dirs.front());
  if (!store) return fail(store.error());
  parts_->controller.use(std::move(*store));
  return {};
}

io::Task<Result<void>> Broker::recover() {
  Parts& p = *parts_;
  auto founded = co_await p.controller.start(
      {config_.cluster.name, config_.cluster.number, config_.broker.node_id});
  if (!founded) co_return founded;
  auto marked = mark_log_dirs(env_.disk, env_.random, p.partitions.dirs().present(),
                              *p.controller.snapshot());
  if (!marked) co_return marked;
  if (auto taken = p.partitions.take_over(); !taken) co_return taken;
  p.controller.follow([this](auto image) { return follow(std::move(image)); });
  auto settled = co_await p.controller.settle();
  if (!settled) co_return settled;
  // The recovery points say "this start" from now on, not the one before.
  auto noted = co_await p.partitions.checkpoint();
  if (!noted && !io::lacks_room(noted.error())) co_return noted;
  if (!noted) Logger("broker").warn("starts on a full disk: {}", noted.error().text);
  auto image = p.controller.snapshot();
  for (const auto& [link, s] : image->switchovers) {
    // Handed over, or stepped down, before the restart: groups stay closed until the other site has
    // answered, or the way back is done.
    const bool handed_over = s.phase == SwitchoverImage::Phase::handed_over;
    if (!handed_over && s.phase != SwitchoverImage::Phase::stepped_down) continue;
    const auto clients =
        handed_over ? GroupFences::Clients::wait : GroupFences::Clients::are_refused;
    co_await p.groups.fence_all(s.id.to_string(), clients);
  }
  co_return Result<void>{};
}

namespace {

// By id: a topic may be there again under its name. For who reads by names, one that was set aside
// is gone, too.
std::set<std::string> deleted_between(const Image& before, const Image& now) {
  std::set<std::string> names;
  for (const auto& [id, topic] : before.topics_by_id) {
    const TopicImage* still = now.find(id);
    if (still == nullptr || still->name != topic->name) names.insert(topic->name);
  }
  return names;
}

// What is in force, where it is other than before.
void follow_quotas(const Image& before, const Image& now, server::Quotas& quotas) {
  const auto is_same = [](const auto& a, const auto& b) {
    return a.first == b.first && a.second.version == b.second.version;
  };
  if (std::ranges::equal(before.quotas, now.quotas, is_same)) return;
  kafka::QuotaTable table;
  for (const auto& [key, quota] : now.quotas) table[quota.entity] = quota.values;
  quotas.set(table);
}

}  // namespace

// Partitions first; then the coordinator leads what there is of __consumer_offsets.
io::Task<Result<void>> Broker::follow(std::shared_ptr<const Image> image) {
  io::doing("opening partitions");
  auto before = std::exchange(parts_->followed, image);
  follow_quotas(*before, *image, parts_->quotas);
  auto deleted = deleted_between(*before, *image);
  auto done = co_await parts_->partitions.follow(image);
  const bool any_deleted = !deleted.empty();
  if (any_deleted) parts_->groups.forget_topics(std::move(deleted));
  // A link may wait to bring a deleted topic back. Not where this failed: whoever finishes
  // deletions ends with an image to follow, and would begin anew at once while that fails.
  if (done && any_deleted) look_for_deletions();
  if (!done) co_return done;
  const TopicImage* topic = image->find(offsets_topic);
  if (topic == nullptr) co_return Result<void>{};
  for (size_t i = 0; i < topic->partitions.size(); ++i) {
    auto index = static_cast<PartitionIndex>(i);
    if (parts_->led.insert(index).second) parts_->groups.lead(index);
  }
  co_return Result<void>{};
}

Result<void> Broker::listen() {
  for (const auto& listener : config_.listeners) {
    const bool is_private = listener.serves_private_api();
    auto tls = tls_.listen(listener.security, is_private, process::time_of(env_.main_loop()));
    if (!tls) return fail(tls.error());
    server::ListenerOptions options{listener.name, listener.bind, is_private};
    options.tls = std::move(*tls);
    options.principal_of = process::principal_of(listener.security);
    options.wants_log_in = listener.security.asks_for_log_in();
    auto bound = parts_->acceptor.listen(options);
    if (!bound) return fail(bound.error());
  }
  return {};
}

io::Task<void> Broker::keep_house() {
  Parts& p = *parts_;
  io::Loop& loop = env_.main_loop();
  io::Instant next_checkpoint = loop.now() + checkpoint_interval;
  auto retention_interval = io::milliseconds(config_.broker.log_retention_check_interval_ms);
  io::Instant next_retention = loop.now() + retention_interval;
  io::Instant next_look = loop.now() + space_interval;
  look_for_deletions();
  while (!p.stop.closed()) {
    co_await p.stop.wait_until(std::min({next_checkpoint, next_retention, next_look}));
    if (p.stop.closed()) break;
    if (loop.now() >= next_look) {
      p.partitions.watch_space();
      next_look = loop.now() + space_interval;
    }
    if (loop.now() >= next_retention) {
      io::doing("retention");
      co_await p.partitions.apply_retention();
      next_retention = loop.now() + retention_interval;
    }
    if (loop.now() < next_checkpoint) continue;
    io::doing("checkpoints");
    auto noted = co_await p.partitions.checkpoint();
    if (!noted) Logger("broker").error("checkpoints cannot be written: {}", noted.error().text);
    co_await p.partitions.open_repaired();
    look_for_deletions();
    next_checkpoint = loop.now() + checkpoint_interval;
  }
}

// Beside the rest of the house: the files of large topics take minutes.
void Broker::look_for_deletions() {
  Parts& p = *parts_;
  p.look_again = p.deleting;
  if (p.deleting || !p.serving || !p.partitions.has_deletions()) return;
  p.deleting = true;
  if (!p.house.spawn("deletions", finish_deletions())) p.deleting = false;
}

io::Task<void> Broker::finish_deletions() {
  Parts& p = *parts_;
  do {
    p.look_again = false;
    co_await p.partitions.finish_deletions(p.stop);
    auto finished = p.partitions.finished_deletions();
    auto decide = [&finished](const Image& image) { return plan_forget_deleted(image, finished); };
    Result<void> done;
    if (!p.stop.closed()) done = co_await p.controller.update(decide);
    if (!done) Logger("broker").warn("deletions are not forgotten yet: {}", done.error().text);
  } while (p.look_again && !p.stop.closed() && p.partitions.has_deletions());
  p.deleting = false;
}

io::Task<void> Broker::drain() {
  if (!parts_) co_return;
  Parts& p = *parts_;
  p.serving = false;
  p.stop.close();
  // Groups first: their members' waits (a rebalance) end with NOT_COORDINATOR only here, and the
  // connections wait for every reply. Commits under way are still stored and answered.
  co_await p.groups.drain();
  p.controller.settled().close();
  p.switchovers.topic_changes().end_waits();
  co_await p.partitions.end_waits();
  co_await p.acceptor.close(drain_grace);
  co_await p.admin.close();
  co_await p.journal.close();
  co_await p.house.close();
  co_await p.audit.flush();
  io::doing("closing partitions");
  co_await p.partitions.close();
  parts_.reset();
}

Result<void> Broker::reload(std::string_view text, const std::string& file) {
  auto config = process::parse_config<process::BrokerConfig>(text, file);
  if (!config) return fail(config.error());
  tls_.look(process::time_of(env_.main_loop()));
  if (parts_) parts_->audit.reopen();
  if (process::says_the_same(*config, config_)) return {};
  return fail(file +
              ": a broker reads its options at its start only; restart it to change them. "
              "Certificates have been looked at again, and the audit's file was opened anew");
}

io::Task<process::Status> Broker::status() {
  process::Status status;
  status.ready = parts_ && parts_->serving;
  if (!status.ready) {
    status.reason = "the broker is starting or draining";
    co_return status;
  }
  auto image = parts_->controller.snapshot();
  nlohmann::json json = {{"cluster", image->cluster_name},
                         {"number", image->cluster_number},
                         {"cluster_id", image->cluster_id.to_string()},
                         {"node_id", image->node_id},
                         {"topics", image->topics.size()},
                         {"links", image->links.size()},
                         {"connections", parts_->acceptor.connections()}};
  tell_of_offline(parts_->partitions.offline(), json, status);
  tell_of_cuts(parts_->partitions.cuts(), json);
  status.json = write_json(json);
  co_return status;
}

io::Task<Samples> Broker::measure() {
  Samples samples = co_await broker::measure(parts_->context, parts_->acceptor);
  tls_.add_to(samples);
  parts_->audit.add_to(samples);
  co_return samples;
}

std::unique_ptr<process::Role> make_broker(io::Env& env, process::BrokerConfig config) {
  return std::make_unique<Broker>(env, std::move(config));
}

}  // namespace isthmus::broker
