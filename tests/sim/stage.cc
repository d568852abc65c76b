#include "tests/sim/stage.h"

namespace isthmus::sim {

namespace {
// Far beyond any back-off, dial or request timeout of clients and sites.
constexpr auto patience = std::chrono::minutes(3);
}  // namespace

Stage::Stage(uint64_t seed)
    : ledger_(judge_),
      world_(seed),
      clients_(&world_.add_host("clients").start_process()),
      operator_(std::make_unique<Operator>(world_, judge_)) {}

void Stage::add_producer(ProducerOptions options) {
  options.seed = random().next();
  auto& producer =
      clients_->make<Producer>(clients_->env(), judge_, ledger_, destination_, std::move(options));
  producers_.push_back(&producer);
  clients_->spawn("producer", producer.run());
}

void Stage::add_consumer(ConsumerOptions options) {
  auto& consumer =
      clients_->make<Consumer>(clients_->env(), judge_, ledger_, destination_, std::move(options));
  consumers_.push_back(&consumer);
  clients_->spawn("consumer", consumer.run());
}

void Stage::add_clients(const std::string& topic, int32_t partitions, bool groups) {
  int id = 0;
  for (int32_t p = 0; p < partitions; ++p) {
    const uint64_t producers = random().between(1, 2);
    for (uint64_t i = 0; i < producers; ++i) {
      ProducerOptions options;
      options.id = ++id;
      options.partition = {topic, p};
      options.idempotent = id == 1 || !one_in(4);
      options.in_flight = random().between(1, 5);
      options.pause_max = random().between(io::milliseconds(2), io::milliseconds(150));
      options.corrupt_one_in = one_in(3) ? 20 : 0;
      add_producer(std::move(options));
    }
    ConsumerOptions options;
    options.partition = {topic, p};
    if (groups) options.group = "group-" + std::to_string(p);
    add_consumer(std::move(options));
  }
}

void Stage::add_late_producer(const TopicPartition& partition) {
  ProducerOptions options;
  options.id = static_cast<int>(producers_.size()) + 1;
  options.partition = partition;
  add_producer(std::move(options));
}

void Stage::stop_producers() {
  for (Producer* producer : producers_) producer->stop();
}

void Stage::resume_producers() {
  for (Producer* producer : producers_) producer->go_on();
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
  auto there = [&] {
    if (!content()) return true;
    for (Consumer* consumer : consumers_) {
      const Offset end = ends[consumer->partition()];
      const bool committed = consumer->group().empty() || consumer->least_committed() >= end;
      if (consumer->position() < end || !committed) return false;
    }
    return true;
  };
  if (!world_.run_until(there, patience)) {
    judge_.broken("consumers and groups get through in the end", "one stands still");
  }
}

}  // namespace isthmus::sim
