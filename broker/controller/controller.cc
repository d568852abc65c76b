#include "broker/controller/controller.h"

#include "base/check.h"
#include "kafka/errors.h"

namespace isthmus::broker {

namespace {
constexpr int64_t producer_block = 1000;
constexpr int64_t producer_counter_limit = int64_t{1} << 40;
constexpr int max_conflicts = 100;
// A mirror that was away for more starts than these cannot tell whether it has met this directory.
constexpr size_t max_start_times = 64;
}  // namespace

ProducerId make_producer_id(ClusterNumber number, int8_t incarnation, int64_t counter) {
  return static_cast<ProducerId>(number) << 48 |
         static_cast<ProducerId>(static_cast<uint8_t>(incarnation)) << 40 | counter;
}

Controller::Controller(io::Env& env, PublishedImage& image)
    : env_(env), published_(image), settled_event_(env.main_loop()), settling_(env.main_loop()) {}

void Controller::on_changes(const std::vector<MetadataStore::Change>& changes) {
  auto next = apply(*current_, changes);
  if (!next) {
    unreadable_ = next.error();
    return;
  }
  current_ = *next;
  published_.store(current_);
}

io::Task<Result<void>> Controller::start(Identity identity) {
  store_->watch([this](const auto& changes) { on_changes(changes); });
  if (unreadable_) co_return fail(*unreadable_);
  auto founded = co_await found(std::move(identity));
  co_return founded;
}

io::Task<Result<void>> Controller::found(Identity identity) {
  const Image& now = *current_;
  if (now.cluster_version != MetadataStore::absent) {
    if (now.cluster_number != identity.cluster_number ||
        now.cluster_name != identity.cluster_name) {
      co_return fail("the data directory belongs to cluster " + now.cluster_name + " (number " +
                     std::to_string(now.cluster_number) + "), the configuration says " +
                     identity.cluster_name + " (number " + std::to_string(identity.cluster_number) +
                     "): correct cluster.name and cluster.number, or log.dirs");
    }
    if (now.node_id != identity.node_id) {
      co_return fail("the data directory belongs to node " + std::to_string(now.node_id) +
                     ", the configuration says node.id " + std::to_string(identity.node_id));
    }
  }
  Image next = now;
  Plan plan;
  if (now.cluster_version == MetadataStore::absent) {
    next.cluster_name = identity.cluster_name;
    next.cluster_number = identity.cluster_number;
    next.node_id = identity.node_id;
    env_.random.fill(next.cluster_id.bytes);
    plan.put_cluster(next);
    log_.info("founded cluster={} number={} id={}", next.cluster_name, next.cluster_number,
              next.cluster_id.to_string());
  }
  next.starts = now.starts + 1;
  next.start_times.push_back(env_.main_loop().wall_ms());
  if (next.start_times.size() > max_start_times) next.start_times.erase(next.start_times.begin());
  plan.put_broker(next);
  auto done = co_await store_->commit(plan.checks, plan.puts);
  if (!done) co_return fail(done.error());
  if (unreadable_) co_return fail(*unreadable_);
  CHECK(*done == MetadataStore::Outcome::committed, "nobody else writes before the start");
  co_return Result<void>{};
}

io::Task<Result<void>> Controller::settle() {
  auto held = co_await settling_.lock();
  if (settled_ && settled_ == current_) co_return Result<void>{};
  std::shared_ptr<const Image> target = current_;
  Result<void> followed = {};
  if (follower_) followed = co_await follower_(target);
  if (followed) settled_ = target;
  followed_ = target;
  settled_event_.notify_all();
  co_return followed;
}

io::Task<Result<void>> Controller::update(Decision decision) {
  for (int attempt = 0; attempt < max_conflicts; ++attempt) {
    auto plan = decision(*current_);
    if (!plan) co_return fail(plan.error());
    if (plan->empty()) {
      // Somebody else has decided the same, and the partitions may still be following.
      auto settled = co_await settle();
      co_return settled;
    }
    auto done = co_await store_->commit(std::move(plan->checks), std::move(plan->puts));
    if (!done) co_return fail(done.error());
    if (unreadable_) co_return fail(*unreadable_);
    if (*done == MetadataStore::Outcome::conflict) continue;
    auto settled = co_await settle();
    co_return settled;
  }
  co_return kafka::refuse(kafka::ErrorCode::request_timed_out,
                          "the metadata keeps changing under this request");
}

Result<void> Controller::check(const Decision& decision) const {
  auto plan = decision(*current_);
  if (!plan) return fail(plan.error());
  return {};
}

io::Task<Result<ProducerId>> Controller::allocate_producer_id() {
  while (next_producer_ == producer_block_end_) {
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
