#include "broker/broker.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/json.h"
#include "broker/as_broker.h"
#include "broker/colleagues/colleagues.h"
#include "broker/controller/topic_config.h"
#include "broker/controller/topic_plans.h"
#include "broker/coordinator/topic_journal.h"
#include "broker/coordinator_seams.h"
#include "broker/decoy_secret.h"
#include "broker/enrolment.h"
#include "broker/group/coordinator.h"
#include "broker/handlers/dispatch.h"
#include "broker/handlers/topic_creation.h"
#include "broker/link/link_service.h"
#include "broker/link/site_views.h"
#include "broker/link/switchovers.h"
#include "broker/link/unreleased_groups.h"
#include "broker/link/way_back.h"
#include "broker/log_dirs.h"
#include "broker/log_ins.h"
#include "broker/measure.h"
#include "broker/replication/isr_changes.h"
#include "broker/replication/replication.h"
#include "io/gate.h"
#include "io/turn_watch.h"
#include "server/acceptor.h"
#include "server/audit.h"

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

io::Duration allowed_lag(const process::BrokerConfig& config) {
  return io::milliseconds(config.broker.effective_replica_lag_ms());
}

Copier::Options copier_options(const process::BrokerConfig& config) {
  Copier::Options options;
  options.self = config.broker.node_id;
  options.adding_bandwidth = config.broker.reassignment_bandwidth;
  return options;
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

// Whatever a log cannot be opened for, or may have lost: this broker is not in sync with what is in
// it.
std::vector<DamagedReplica> damaged(const PartitionTable& partitions, const Image& image) {
  std::vector<DamagedReplica> replicas;
  for (const auto& [name, topic_id, all] : partitions.lacking()) {
    const TopicImage* topic = image.find(name.topic);
    const bool is_same = topic != nullptr && (topic_id.is_zero() || topic_id == topic->id);
    // What is offline has no topic's id.
    if (is_same) replicas.push_back({topic->id, name.partition, all, !topic_id.is_zero()});
  }
  return replicas;
}

// The metadata have it of these: the others lead them, if there are any.
void losses_are_known(PartitionTable& partitions, const Image& image, NodeId self,
                      const std::vector<DamagedReplica>& replicas) {
  for (const auto& [topic_id, index, all, is_open] : replicas) {
    partitions.lack_is_known(topic_id, index);
    const TopicImage* topic = image.find(topic_id);
    if (topic == nullptr || index >= std::ssize(topic->partitions)) continue;
    const PartitionImage& partition = topic->partitions[static_cast<size_t>(index)];
    const bool serves = static_cast<bool>(partitions.find(topic->name, index));
    if (!serves || partition.leader != self || partition.isr.size() > 1) continue;
    Logger(LogComponent::partitions)
        .warn(
            "{}-{} is led with what is here, and nobody else has more: the last stop was no clean "
            "one, "
            "and with durability page_cache what was acknowledged last may be gone",
            topic->name, index);
  }
}

PartitionTable::ConfigOf config_of(const process::BrokerConfig& config) {
  return [defaults = log_defaults(config)](const ConfigMap& overrides) {
    return log_config(defaults, overrides);
  };
}

}  // namespace

namespace {

bool anybody_logs_in(const process::BrokerConfig& config) {
  return std::ranges::any_of(config.listeners, [](const process::ListenerConfig& listener) {
    return !listener.security.mechanisms.empty();
  });
}

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
  Parts(io::Env& env, const process::BrokerConfig& config, zookeeper::Connector* connector,
        Dialer::Options speaks)
      : enrolment(env, controller, config, connector),
        controller(env, image),
        partitions(env, config.broker.node_id, image, config.broker.log_dirs, config_of(config),
                   static_cast<uint64_t>(config.broker.storage_reserve), allowed_lag(config)),
        dialer(env, std::move(speaks)),
        colleagues(env, config.broker.node_id, dialer),
        replication(env, controller, partitions, dialer, copier_options(config),
                    allowed_lag(config)),
        journal(
            env, partitions,
            {.topic = offsets_topic, .kind = "groups", .folder = config.broker.log_dirs.front()}),
        owners(controller),
        topics(controller),
        ends(partitions),
        groups(env.main_loop(), env.random, group_config(config), {journal, owners, topics, ends}),
        views(env, partitions, groups, colleagues),
        links(env, controller, partitions, groups, views, colleagues),
        switchovers(env, controller, partitions, groups, colleagues),
        unreleased(env.main_loop(), controller, groups),
        way_back(env, controller, partitions, groups, views, colleagues),
        log_ins(env, image, tokens_of(config)),
        audit(env, {.file = config.audit.file, .to_stderr = config.audit.to_stderr}),
        admin(env.main_loop()),
        authorizer(authorizer_options(config)),
        context{env,         config,   image,   controller, partitions, groups, links, views,
                switchovers, way_back, log_ins, admin,      authorizer, quotas, audit, enrolment},
        dispatch(context),
        acceptor(env, dispatch, server_limits(config)),
        house(env.main_loop()),
        stop(env.main_loop()) {
    ends.ask_leaders(views);
    partitions.position_by([this] { return controller.position(); });
    if (config.broker.zookeeper) {
      partitions.confirm_by(
          [this](io::Instant since, io::Instant by) { return controller.confirmed(since, by); });
    }
    acceptor.enforce(quotas);
    acceptor.note_in(audit);
  }

  PublishedImage image;
  Enrolment enrolment;
  Controller controller;
  PartitionTable partitions;
  Dialer dialer;
  Colleagues colleagues;
  Replication replication;
  TopicJournal journal;
  GroupRegister owners;
  KnownTopics topics;
  TopicEnds ends;
  Coordinator groups;
  SiteViews views;
  LinkService links;
  Switchovers switchovers;
  UnreleasedGroups unreleased;
  WayBack way_back;
  LogIns log_ins;
  server::Audit audit;
  io::Gate admin;
  Authorizer authorizer;
  server::Quotas quotas;
  Context context;
  Dispatch dispatch;
  server::Acceptor acceptor;
  io::Gate house;
  io::Event stop;
  std::shared_ptr<const Image> followed = std::make_shared<const Image>();
  std::shared_ptr<const Image> heard = followed;
  int32_t offsets_partitions = -1;  // of which the log was told that the options say otherwise
  IsrChanges isr_changes;           // since the start
  bool serving = false;
  bool deleting = false, look_again = false, repairing = false;
};

Broker::Broker(io::Env& env, process::BrokerConfig config,
               std::shared_ptr<zookeeper::Connector> connector)
    : env_(env), config_(std::move(config)), tls_(config_.tls), connector_(std::move(connector)) {}
Broker::~Broker() = default;

io::Task<Result<void>> Broker::start() {
  auto speaks = as_broker(config_, tls_, process::time_of(env_.main_loop()));
  if (!speaks) co_return fail(speaks.error());
  parts_ = std::make_unique<Parts>(env_, config_, connector_.get(), std::move(*speaks));
  Parts& p = *parts_;
  p.enrolment.on_lost([this](Error why) { end_with(std::move(why)); });
  p.controller.on_unreadable([this](Error why) { end_with(std::move(why)); });
  p.enrolment.losses_are({[&p](const Image& image) { return damaged(p.partitions, image); },
                          [&p, self = config_.broker.node_id](const auto& replicas) {
                            losses_are_known(p.partitions, *p.controller.snapshot(), self,
                                             replicas);
                          }});
  p.replication.on_refused(
      [&p](NodeId leader, int32_t starts) { p.enrolment.on_refused(leader, starts); });
  p.replication.on_silence(
      [&p](NodeId leader, bool silent) { p.enrolment.on_silence(leader, silent); });
  Result<void> done = co_await prepare();
  if (!done) {
    co_await undo_start();
    co_return done;
  }
  p.partitions.watch_space();
  p.acceptor.start();
  p.serving = true;
  p.house.spawn("housekeeping", keep_house());
  p.house.spawn("release groups", p.unreleased.keep_releasing(p.stop));
  p.house.spawn("give up holds", p.switchovers.keep_giving_up(p.stop));
  p.house.spawn("certificates", tls_.watch(p.stop));
  if (p.controller.is_shared()) {
    p.house.spawn("hear of metadata", p.controller.keep_hearing());
    p.house.spawn("follow metadata", p.controller.keep_settling());
  }
  if (p.audit.enabled()) {
    p.house.spawn("audit", p.audit.keep_writing(p.stop));
  }
  done = co_await p.enrolment.begin_serving();
  if (!done) co_await drain();
  co_return done;
}

io::Task<Result<void>> Broker::prepare() {
  Parts& p = *parts_;
  // The addresses first: a port in use must be found out before anything is written.
  Result<void> done = listen();
  if (done) done = p.audit.open();
  if (done) done = p.partitions.claim();
  if (!done) co_return done;
  const bool is_embedded = !config_.broker.zookeeper;
  auto owner =
      check_log_dirs(env_.disk, p.partitions.dirs().present(), is_embedded, config_.broker.node_id);
  if (!owner) co_return fail(owner.error());
  done = co_await p.enrolment.open(std::move(*owner));
  if (!done) co_return done;
  done = co_await recover();
  co_return done;
}

// Whatever had begun ends in order, and nothing is written: the next start finds what this one
// found.
io::Task<void> Broker::undo_start() {
  co_await parts_->groups.drain();
  co_await parts_->acceptor.close(io::Duration::zero());
  co_await parts_->admin.close();
  co_await parts_->journal.close();
  co_await parts_->colleagues.close();
  co_await parts_->links.close();
  co_await parts_->replication.close();
  co_await parts_->partitions.abandon();
  co_await parts_->enrolment.leave();
  parts_.reset();
}

const PartitionTable* Broker::partitions() const { return parts_ ? &parts_->partitions : nullptr; }

std::string Broker::waits_for() {
  if (!parts_) return "";
  const std::string opening = parts_->partitions.opening().text(env_.main_loop().now());
  return opening.empty() ? parts_->enrolment.waits_for() : opening;
}

void Broker::stop_waiting() {
  if (parts_) parts_->enrolment.stop_waiting();
}

// Nothing of what it would answer is the cluster's word any more.
void Broker::end_with(Error failure) {
  if (std::exchange(has_failed_, true)) return;
  Logger(LogComponent::broker).error("{}", failure.text);
  if (failed_) failed_(std::move(failure));
}

io::Task<Result<void>> Broker::recover() {
  Parts& p = *parts_;
  const std::string refusal = refusal_by_others(config_, p.authorizer, *p.controller.snapshot());
  if (!refusal.empty()) Logger(LogComponent::broker).warn("{}", refusal);
  auto recorded = co_await p.enrolment.record_start();
  if (!recorded) co_return recorded;
  auto marked =
      mark_log_dirs(env_.disk, env_.random, p.partitions.dirs().present(), *p.controller.snapshot(),
                    config_.broker.node_id, p.enrolment.directory_id());
  if (!marked) co_return marked;
  if (auto taken = p.partitions.take_over(); !taken) co_return taken;
  if (const auto before = p.partitions.dirs().followed()) {
    auto had = co_await p.enrolment.have_had(*before);
    if (!had) co_return fail(had.error());
    if (!*had) p.partitions.distrust();
  }
  if (anybody_logs_in(config_)) {
    const auto secret = decoy_secret(env_.disk, env_.random, config_.broker.log_dirs.front());
    p.log_ins.hide_unknown_users(secret);
  }
  p.partitions.on_opened([this, &p] {
    p.replication.look_again();
    lead_groups(*p.heard);  // what was not open then may be by now
  });
  p.controller.hear([this](auto image) { return hear(std::move(image)); });
  p.controller.follow([this](auto image) { return follow(std::move(image)); });
  auto settled = co_await p.controller.settle();
  if (!settled) co_return settled;
  // The recovery points say "this start" from now on, not the one before.
  auto noted = co_await p.partitions.checkpoint();
  if (!noted && !io::lacks_room(noted.error())) co_return noted;
  if (!noted) Logger(LogComponent::broker).warn("starts on a full disk: {}", noted.error().text);
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

// Who leads and who is in sync, as far as it is open, also while others are being opened; then what
// records of switchovers hold; then the coordinator, which is to find that held.
io::Task<void> Broker::hear(std::shared_ptr<const Image> image) {
  co_await parts_->partitions.hear(image);
  co_await parts_->switchovers.holds().follow(parts_->heard, image);
  parts_->colleagues.follow(image);
  parts_->replication.follow(image);
  lead_groups(*image);
  parts_->heard = std::move(image);
}

// The coordinator leads what this broker does of __consumer_offsets, of what is open.
void Broker::lead_groups(const Image& image) {
  const TopicImage* topic = image.find(offsets_topic);
  if (topic == nullptr) return;
  const auto partitions = static_cast<int32_t>(topic->partitions.size());
  const int32_t said = config_.broker.offsets_topic_num_partitions;
  if (partitions != said && std::exchange(parts_->offsets_partitions, partitions) != partitions) {
    Logger(LogComponent::groups)
        .warn(
            "offsets.topic.num.partitions is {} here, and {} has {}: that stays, as groups are "
            "found "
            "by it",
            said, offsets_topic, partitions);
  }
  parts_->groups.has_partitions(partitions);
  for (size_t i = 0; i < topic->partitions.size(); ++i) {
    const PartitionImage& partition = topic->partitions[i];
    const auto index = static_cast<PartitionIndex>(i);
    if (partition.leader != config_.broker.node_id) {
      parts_->groups.resign(index);
    } else if (parts_->partitions.find(offsets_topic, index)) {
      parts_->groups.lead(index, epoch_in_force(partition, image));
    }
  }
}

io::Task<Result<void>> Broker::follow(std::shared_ptr<const Image> image) {
  io::doing("opening partitions");
  auto before = std::exchange(parts_->followed, image);
  follow_quotas(*before, *image, parts_->quotas);
  const IsrChanges changes = isr_changes(*before, *image, config_.broker.node_id);
  parts_->isr_changes.shrinks += changes.shrinks;
  parts_->isr_changes.expands += changes.expands;
  auto deleted = deleted_between(*before, *image);
  auto done = co_await parts_->partitions.follow(image);
  const bool any_deleted = !deleted.empty();
  if (any_deleted) parts_->groups.forget_topics(std::move(deleted));
  // A link may wait to bring a deleted topic back. Not where this failed: whoever finishes
  // deletions ends with an image to follow, and would begin anew at once while that fails.
  if (done && any_deleted) look_for_deletions();
  if (done) lead_groups(*parts_->heard);
  co_return done;
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
    options.proxies = listener.security.proxies;
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
      p.enrolment.look();
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
    if (!noted)
      Logger(LogComponent::broker).error("checkpoints cannot be written: {}", noted.error().text);
    look_for_repairs();
    look_for_deletions();
    next_checkpoint = loop.now() + checkpoint_interval;
  }
}

// Beside the rest of the house: a log that is cut where it is damaged is read from its beginning.
void Broker::look_for_repairs() {
  Parts& p = *parts_;
  if (p.repairing) return;
  p.repairing = true;
  if (!p.house.spawn("repairs", open_repaired())) p.repairing = false;
}

io::Task<void> Broker::open_repaired() {
  co_await parts_->partitions.open_repaired();
  parts_->repairing = false;
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
    if (!done)
      Logger(LogComponent::broker).warn("deletions are not forgotten yet: {}", done.error().text);
  } while (p.look_again && !p.stop.closed() && p.partitions.has_deletions());
  p.deleting = false;
}

io::Task<void> Broker::drain() {
  if (!parts_) co_return;
  Parts& p = *parts_;
  // Others may lead already: clients that are answered from here, or wait here for replicas that
  // follow another, are led astray, and the process is waited for.
  if (has_failed_) co_await p.partitions.refuse_all();
  co_await p.enrolment.end_serving();
  p.serving = false;
  p.stop.close();
  p.controller.stop_settling();
  // Groups first: their members' waits (a rebalance) end with NOT_COORDINATOR only here, and the
  // connections wait for every reply. Commits under way are still stored and answered.
  co_await p.groups.drain();
  p.controller.settled().close();
  p.switchovers.topic_changes().end_waits();
  co_await p.partitions.end_waits();
  co_await p.acceptor.close(has_failed_ ? io::Duration::zero() : drain_grace);
  co_await p.admin.close();
  co_await p.journal.close();
  co_await p.colleagues.close();
  co_await p.links.close();
  co_await p.replication.close();
  co_await p.house.close();
  co_await p.audit.flush();
  io::doing("closing partitions");
  co_await p.partitions.close();
  co_await p.enrolment.leave();
  parts_.reset();
}

Result<void> Broker::reload(std::string_view text, const std::string& file) {
  auto config = process::parse_config<process::BrokerConfig>(text, file);
  if (!config) return fail(config.error());
  tls_.look(process::time_of(env_.main_loop()));
  if (parts_) parts_->audit.reopen();
  config_.log = config->log;  // the process sees to it
  if (process::says_the_same(*config, config_)) return {};
  return fail(
      file +
      ": a broker reads its options at its start only; restart it to change them. "
      "Certificates have been looked at again, the audit's file was opened anew, and the log "
      "is as the file says");
}

io::Task<process::Status> Broker::status() {
  process::Status status;
  status.ready = parts_ && parts_->serving;
  if (!status.ready) {
    status.reason = "the broker is starting or draining";
    co_return status;
  }
  auto image = parts_->controller.snapshot();
  nlohmann::json json = {
      {"role", "broker"},
      {"name", fmt::format("{} {}", image->cluster_name, config_.broker.node_id)},
      {"cluster", image->cluster_name},
      {"number", image->cluster_number},
      {"cluster_id", image->cluster_id.to_string()},
      {"node_id", config_.broker.node_id},
      {"topics", image->topics.size()},
      {"links", image->links.size()},
      {"connections", parts_->acceptor.connections()}};
  tell_of_offline(parts_->partitions.offline(), json, status);
  tell_of_cuts(parts_->partitions.cuts(), json);
  json["brokers"] = image->brokers.size();
  const Reassigning moves = co_await count_reassignments(parts_->context);
  json["reassignments"] = {{"partitions", moves.partitions},
                           {"led_here", moves.led_here},
                           {"bytes_to_go", moves.bytes_to_go}};
  if (const auto since = parts_->enrolment.old_since()) json["metadata_old_since_ms"] = *since;
  if (status.degraded.empty()) status.degraded = parts_->enrolment.cut_off();
  status.json = write_json(json);
  co_return status;
}

io::Task<Samples> Broker::measure() {
  Samples samples = co_await broker::measure(parts_->context, parts_->acceptor);
  tls_.add_to(samples);
  parts_->audit.add_to(samples);
  samples.add(metric::isr_shrinks, static_cast<double>(parts_->isr_changes.shrinks));
  samples.add(metric::isr_expands, static_cast<double>(parts_->isr_changes.expands));
  co_return samples;
}

void Broker::note(server::AuditEvent event) {
  if (!parts_ || !parts_->audit.enabled()) return;
  parts_->audit.note(std::move(event), env_.main_loop().now());
}

std::unique_ptr<process::Role> make_broker(io::Env& env, process::BrokerConfig config,
                                           std::shared_ptr<zookeeper::Connector> connector) {
  return std::make_unique<Broker>(env, std::move(config), std::move(connector));
}

}  // namespace isthmus::broker
