#include "tests/sim/stage.h"

namespace isthmus::sim {

namespace {
// Far beyond any back-off, dial or request timeout of clients and sites.
constexpr auto patience = std::chrono::minutes(3);
}  // namespace

Stage::Stage(uint64_t seed)
    : ledger_(judge_),
      world_(seed),
      spare_(~seed),
      is_harsh_(spare_.below(3) == 0),
      clients_(&world_.add_host("clients").start_process()),
      operator_(std::make_unique<Operator>(world_, judge_, ledger_)) {}

ZookeeperEnsemble& Stage::zookeeper_of(const std::string& cluster) {
  const auto later = [this](Duration delay, std::function<void()> what) {
    world_.after(delay, std::move(what));
  };
  return zookeepers_.try_emplace(cluster, later).first->second;
}

void Stage::add_producer(ProducerOptions options) {
  options.seed = random().next();
  const Destination& where = options.stays ? stayers_ : destination_;
  auto& producer =
      clients_->make<Producer>(clients_->env(), judge_, ledger_, where, std::move(options));
  producers_.push_back(&producer);
  clients_->spawn("producer", producer.run());
}

void Stage::add_consumer(ConsumerOptions options) {
  const Destination& where = options.stays ? stayers_ : destination_;
  auto& consumer =
      clients_->make<Consumer>(clients_->env(), judge_, ledger_, where, std::move(options));
  consumers_.push_back(&consumer);
  clients_->spawn("consumer", consumer.run());
}

void Stage::add_clients(const std::string& topic, int32_t partitions, bool groups,
                        Duration least_pause) {
  int id = 0;
  for (int32_t p = 0; p < partitions; ++p) {
    const uint64_t producers = random().between(1, 2);
    for (uint64_t i = 0; i < producers; ++i) {
      ProducerOptions options;
      options.id = ++id;
      options.partition = {topic, p};
      options.idempotent = id == 1 || !one_in(4);
      options.in_flight = random().between(1, 5);
      options.pause_max = random().between(least_pause, Duration(io::milliseconds(150)));
      options.corrupt_one_in = one_in(3) ? 20 : 0;
      add_producer(std::move(options));
    }
    ConsumerOptions options;
    options.partition = {topic, p};
    if (groups) options.group = "group-" + std::to_string(p);
    options.of_several = several_brokers_;
    add_consumer(std::move(options));
  }
}

void Stage::add_members(const std::string& topic, int32_t partitions, uint64_t count,
                        bool offsets_stay) {
  member_partitions_ = partitions;
  for (uint64_t i = 0; i < count; ++i) {
    MemberOptions options;
    options.name = std::to_string(members_.size() + 1);
    options.group = "team";
    options.topic = topic;
    options.partitions = partitions;
    options.offsets_stay = offsets_stay;
    options.seed = random().next();
    auto& member =
        clients_->make<Member>(clients_->env(), groups_, ledger_, destination_, std::move(options));
    members_.push_back(&member);
    clients_->spawn("member", member.run());
  }
}

void Stage::retain(Retention retention) {
  ledger_.starts().retains(retention, [this] { return clients_->env().main_loop().wall_ms(); });
}

void Stage::add_late_producer(const TopicPartition& partition) {
  ProducerOptions options;
  options.id = static_cast<int>(producers_.size()) + 1;
  options.partition = partition;
  add_producer(std::move(options));
}

std::set<std::string> Stage::group_names() const {
  std::set<std::string> all;
  for (const Consumer* consumer : consumers_) all.insert(consumer->group());
  for (const Member* member : members_) all.insert(member->group());
  all.erase("");
  return all;
}

void Stage::stop_producers() {
  for (Producer* producer : producers_) producer->stop();
}

void Stage::resume_producers() {
  for (Producer* producer : producers_) producer->go_on();
}

uint64_t Stage::refusals() const {
  uint64_t all = 0;
  for (const Producer* producer : producers_) all += producer->refusals();
  return all;
}

void Stage::stop_some_producers() {
  for (Producer* producer : producers_) {
    if (one_in(2)) producer->stop();
  }
}

void Stage::resume_some_producers() {
  for (Producer* producer : producers_) {
    if (one_in(2)) producer->go_on();
  }
}

void Stage::settle(const std::string& what) {
  stop_producers();
  auto idle = [&] {
    if (!content()) return true;
    for (Producer* producer : producers_) {
      if (!producer->idle()) return false;
    }
    return true;
  };
  if (world_.run_until(idle, patience)) return;
  for (Producer* producer : producers_) {
    if (producer->idle()) continue;
    judge_.broken("producers get through in the end", what + ": " + producer->trouble());
  }
}

void Stage::catch_up() {
  std::map<TopicPartition, Offset> ends = ledger_.ends();
  std::string trouble;
  auto there = [&] {
    if (!content()) return true;
    for (Consumer* consumer : consumers_) {
      const Offset end = ends[consumer->partition()];
      const bool committed = consumer->group().empty() || consumer->least_committed() >= end;
      if (consumer->position() >= end && committed) continue;
      trouble = consumer->partition().to_string() + " ends at " + std::to_string(end) +
                ", a consumer is at " + std::to_string(consumer->position());
      if (!committed) {
        trouble += ", and has committed " + std::to_string(consumer->least_committed());
      }
      return false;
    }
    return true;
  };
  if (!world_.run_until(there, patience)) {
    judge_.broken("consumers and groups get through in the end", trouble);
  }
  await_members();
}

void Stage::check_group_at(Site& site, const Consumer& consumer) {
  const Offset least = consumer.least_committed();
  const auto found = operator_->committed(site, consumer.group(), consumer.partition());
  if (!found || (*found >= least && *found <= consumer.most_committed())) return;
  judge_.broken("groups go on where they committed",
                consumer.group() + " at " + site.name() + ": " + std::to_string(*found) + ", not " +
                    std::to_string(least) + " to " + std::to_string(consumer.most_committed()));
}

void Stage::check_groups_at(Site& site) {
  for (const Consumer* consumer : consumers_) {
    if (!consumer->group().empty()) check_group_at(site, *consumer);
  }
  if (members_.empty()) return;
  const std::string& group = members_[0]->group();
  for (const auto& [partition, end] : ledger_.ends()) {
    const auto range = groups_.offsets(group, partition, world_.now());
    const auto found = operator_->committed(site, group, partition);
    if (found) groups_.fetched(site.name(), group, partition, *found, range);
  }
}

// One generation that all of them are in, every partition somebody's, and all committed.
void Stage::await_members() {
  for (Member* member : members_) member->calm();
  std::string trouble;
  const auto ends = ledger_.ends();
  auto whole = [&] {
    if (!content() || members_.empty()) return true;
    size_t owned = 0;
    for (const Member* member : members_) {
      trouble = member->trouble();
      if (member->generation() == 0 || member->generation() != members_[0]->generation()) {
        return false;
      }
      owned += member->owned();
    }
    for (const auto& [partition, end] : ends) {
      const auto range = groups_.offsets(members_[0]->group(), partition, world_.now());
      if (end > 0 && range.least < end) return false;
    }
    return owned == static_cast<size_t>(member_partitions_);
  };
  if (!world_.run_until(whole, patience)) {
    judge_.broken("members of a group get through in the end", trouble);
  }
}

}  // namespace isthmus::sim
