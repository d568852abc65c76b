#include "broker/controller/controller.h"

#include <utility>

#include "base/check.h"
#include "broker/controller/cluster_plans.h"
#include "kafka/errors.h"

namespace isthmus::broker {

namespace {
constexpr int64_t producer_block = 1000;
constexpr int64_t producer_counter_limit = int64_t{1} << 40;
constexpr int max_conflicts = 100;
constexpr auto settle_again_after = std::chrono::seconds(1);
// A mirror that was away for more starts than these cannot tell whether it has met this directory.
constexpr size_t max_start_times = 64;
}  // namespace

ProducerId make_producer_id(ClusterNumber number, int8_t incarnation, int64_t counter) {
  return static_cast<ProducerId>(number) << 48 |
         static_cast<ProducerId>(static_cast<uint8_t>(incarnation)) << 40 | counter;
}

Controller::Controller(io::Env& env, PublishedImage& image)
    : env_(env),
      published_(image),
      changed_(env.main_loop()),
      hearing_(env.main_loop()),
      settled_event_(env.main_loop()),
      settling_(env.main_loop()),
      deciding_(env.main_loop()) {}

void Controller::on_changes(const std::vector<MetadataStore::Change>& changes) {
  auto next = apply(*current_, changes);
  if (!next) {
    unreadable_ = next.error();
    if (auto told = std::exchange(told_unreadable_, nullptr)) told(*unreadable_);
    return;
  }
  current_ = *next;
  published_.store(current_);
  changed_.notify_all();
}

Result<void> Controller::read(const Identity& identity) {
  self_ = identity.node_id;
  if (!is_read_) store_->watch([this](const auto& changes) { on_changes(changes); });
  is_read_ = true;
  if (unreadable_) return fail(*unreadable_);
  return check_cluster(identity);
}

Result<void> Controller::check_cluster(const Identity& identity) const {
  const Image& now = *current_;
  const std::string where = is_shared() ? identity.metadata_at : "the data directory";
  const bool is_new = now.cluster_version == MetadataStore::absent;
  const std::string& known_as = identity.directory_cluster;
  if (is_shared() && !known_as.empty() && (is_new || now.cluster_id.to_string() != known_as)) {
    // A cluster that is founded here, or is another, would take the topics of this one for
    // strangers'.
    return fail("log.dirs belong to cluster " + known_as + ", and in " + where + " there is " +
                (is_new ? "none" : "cluster " + now.cluster_id.to_string()) +
                ": correct zookeeper.connect or log.dirs");
  }
  if (is_new) return {};
  if (now.cluster_number != identity.cluster_number || now.cluster_name != identity.cluster_name) {
    return fail(where + " belongs to cluster " + now.cluster_name + " (number " +
                std::to_string(now.cluster_number) + "), the configuration says " +
                identity.cluster_name + " (number " + std::to_string(identity.cluster_number) +
                "): correct cluster.name and cluster.number, or " +
                (is_shared() ? "zookeeper.connect" : "log.dirs"));
  }
  if (!is_shared() && !now.brokers.empty() && !now.brokers.contains(identity.node_id)) {
    return fail("the data directory belongs to node " + std::to_string(now.brokers.begin()->first) +
                ", the configuration says node.id " + std::to_string(identity.node_id));
  }
  return {};
}

io::Task<Result<void>> Controller::start(Identity identity) {
  if (auto right = read(identity); !right) co_return right;
  auto founded = co_await found(std::move(identity));
  co_return founded;
}

Plan Controller::plan_found(const Identity& identity, const Uuid& new_cluster) const {
  const Image& now = *current_;
  Plan plan;
  if (now.cluster_version == MetadataStore::absent) {
    Image next = now;
    next.cluster_name = identity.cluster_name;
    next.cluster_number = identity.cluster_number;
    next.cluster_id = new_cluster;
    plan.put_cluster(next);
  }
  BrokerImage self;
  self.endpoints = identity.endpoints;
  self.fenced = is_shared();
  self.directory_id = identity.directory_id;
  self.rack = identity.rack;
  plan.add(plan_start(now, identity.node_id, self));
  ClusterStarts starts = now.starts;
  ++starts.number;
  starts.times.push_back(env_.main_loop().wall_ms());
  if (starts.times.size() > max_start_times) starts.times.erase(starts.times.begin());
  plan.put_starts(starts);
  return plan;
}

io::Task<Result<void>> Controller::found(Identity identity) {
  Uuid new_cluster;
  if (current_->cluster_version == MetadataStore::absent) env_.random.fill(new_cluster.bytes);
  for (int attempt = 0; attempt < max_conflicts; ++attempt) {
    // Another broker may have founded another cluster meanwhile.
    if (auto right = check_cluster(identity); !right) co_return right;
    const bool founds = current_->cluster_version == MetadataStore::absent;
    Plan plan = plan_found(identity, new_cluster);
    auto done = co_await store_->commit(std::move(plan.checks), std::move(plan.puts));
    if (!done) co_return fail(done.error());
    if (unreadable_) co_return fail(*unreadable_);
    if (*done == MetadataStore::Outcome::committed) {
      if (founds) {
        log_.info("founded cluster={} number={} id={}", identity.cluster_name,
                  identity.cluster_number, new_cluster.to_string());
      }
      co_return Result<void>{};
    }
    CHECK(is_shared(), "nobody else writes before the start");
  }
  co_return fail(Error::timeout("the metadata keep changing under this start"));
}

io::Task<void> Controller::keep_settling() {
  bool failed = false;
  while (!changed_.closed()) {
    // A follower that fails is tried again, as what it lacks may come.
    const auto until = failed ? env_.main_loop().now() + settle_again_after : io::Instant::max();
    if (failed || settled_ == current_) co_await changed_.wait_until(until);
    if (changed_.closed()) break;
    auto settled = co_await settle();
    failed = !settled;
    if (failed) log_.warn("the metadata are not followed yet: {}", settled.error().text);
  }
}

io::Task<void> Controller::keep_hearing() {
  while (!changed_.closed()) {
    if (heard_ == current_) co_await changed_.wait();
    if (changed_.closed()) break;
    co_await hear_latest();
  }
}

io::Task<void> Controller::hear_latest() {
  auto held = co_await hearing_.lock();
  if (heard_ == current_) co_return;
  const std::shared_ptr<const Image> target = current_;
  if (hearer_) co_await hearer_(target);
  heard_ = target;
  settled_event_.notify_all();
}

io::Task<Result<void>> Controller::settle() {
  auto held = co_await settling_.lock();
  co_await hear_latest();
  if (settled_ && settled_ == heard_) co_return Result<void>{};
  const std::shared_ptr<const Image> target = heard_;
  Result<void> followed = {};
  if (follower_) followed = co_await follower_(target);
  if (followed) settled_ = target;
  settled_event_.notify_all();
  co_return followed;
}

io::Task<Result<Controller::Decided>> Controller::decide(const Decision& decision) {
  std::optional<io::Mutex::Held> turn;
  if (is_shared()) turn.emplace(co_await deciding_.lock());
  auto plan = decision(*current_);
  if (!plan) co_return fail(plan.error());
  // Somebody else has decided the same, and the partitions may still be following.
  if (plan->empty()) co_return Decided::done;
  auto done = co_await store_->commit(std::move(plan->checks), std::move(plan->puts));
  if (!done) co_return fail(done.error());
  if (unreadable_) co_return fail(*unreadable_);
  co_return *done == MetadataStore::Outcome::conflict ? Decided::again : Decided::done;
}

io::Task<Result<void>> Controller::update(Decision decision) {
  auto done = co_await commit(std::move(decision));
  if (!done) co_return done;
  auto settled = co_await settle();
  co_return settled;
}

io::Task<Result<void>> Controller::commit(Decision decision) {
  for (int attempt = 0; attempt < max_conflicts; ++attempt) {
    auto decided = co_await decide(decision);
    if (!decided) co_return fail(decided.error());
    if (*decided == Decided::again) continue;
    co_await hear_latest();
    co_return Result<void>{};
  }
  co_return kafka::refuse(kafka::ErrorCode::request_timed_out,
                          "the metadata keeps changing under this request");
}

io::Task<bool> Controller::confirm(io::Instant since, io::Instant deadline) {
  if (store_ == nullptr || unreadable_) co_return false;
  const bool are_latest = co_await store_->confirmed(since, deadline);
  if (!are_latest || unreadable_) co_return false;
  co_await hear_latest();
  co_return true;
}

io::Task<bool> Controller::confirmed(io::Instant since, io::Instant deadline) {
  const bool is_heard = co_await io::call_on(env_.main_loop(), confirm(since, deadline));
  co_return is_heard;
}

Result<void> Controller::check(const Decision& decision) const {
  auto plan = decision(*current_);
  if (!plan) return fail(plan.error());
  return {};
}

io::Task<Result<ProducerId>> Controller::allocate_producer_id() {
  while (next_producer_ == producer_block_end_) {
    if (unreadable_) co_return fail(*unreadable_);
    const Image& now = *current_;
    if (now.next_producer_id + producer_block > producer_counter_limit) {
      co_return fail("all producer ids of this cluster's incarnation have been given out");
    }
    Image next = now;
    next.next_producer_id += producer_block;
    Plan plan;
    plan.put_producer_ids(next);
    int64_t first = now.next_producer_id;
    auto done = co_await store_->commit(std::move(plan.checks), std::move(plan.puts));
    if (!done) co_return fail(done.error());
    if (*done == MetadataStore::Outcome::conflict) continue;
    next_producer_ = first;
    producer_block_end_ = first + producer_block;
  }
  co_return make_producer_id(current_->cluster_number, current_->incarnation, next_producer_++);
}

}  // namespace isthmus::broker
