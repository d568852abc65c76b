// Stage: what every scenario has: a world of one seed, a judge, a ledger, an operator, and a
// machine with clients.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "tests/sim/clients.h"
#include "tests/sim/operator.h"

namespace isthmus::sim {

class Stage {
 public:
  explicit Stage(uint64_t seed);

  // Clients of `partitions`, which go where destination() says.
  void add_producer(ProducerOptions options);
  void add_consumer(ConsumerOptions options);
  // Some of each, as the seed says.
  void add_clients(const std::string& topic, int32_t partitions, bool groups);
  // One more, idempotent, as when an application starts while the sites run.
  void add_late_producer(const TopicPartition& partition);
  void stop_producers();
  void resume_producers();
  // The same for each with a chance of one half.
  void stop_some_producers();
  void resume_some_producers();
  // Waits until everything that was made is acknowledged: the sites are up, so it must come to
  // that. `what` names the moment in the report.
  void settle(const std::string& what);
  // Waits until consumers have read what was acknowledged, and groups have committed it.
  void catch_up();

  SimWorld& world() { return world_; }
  Prng& random() { return world_.random(); }
  Judge& judge() { return judge_; }
  Ledger& ledger() { return ledger_; }
  Operator& asker() { return *operator_; }
  Destination& destination() { return destination_; }
  const std::vector<Consumer*>& consumers() const { return consumers_; }
  bool content() const { return judge_.content(); }

  // True once in `n`.
  bool one_in(uint64_t n) { return random().below(n) == 0; }
  void run_between(Duration least, Duration most) { world_.run_for(random().between(least, most)); }

 private:
  Judge judge_;
  Ledger ledger_;
  Destination destination_;
  SimWorld world_;
  SimProcess* clients_;
  std::unique_ptr<Operator> operator_;
  std::vector<Producer*> producers_;
  std::vector<Consumer*> consumers_;
};

struct Scenario {
  std::string_view name;
  void (*run)(Stage& stage);
  // Of a hundred seeds of a default run, how many go to it.
  int share;
};

void one_site(Stage& stage);
void mirror(Stage& stage);
void switchover(Stage& stage);
void scripted_switchover(Stage& stage);
void failover(Stage& stage);

std::span<const Scenario> all_scenarios();

}  // namespace isthmus::sim
