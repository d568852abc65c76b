// Stage: what every scenario has: a world of one seed, a judge, a ledger, an operator, and a
// machine with clients.
#pragma once

#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "tests/sim/clients.h"
#include "tests/sim/member.h"
#include "tests/sim/operator.h"
#include "tests/sim/world/zookeeper.h"

namespace isthmus::sim {

class Stage {
 public:
  explicit Stage(uint64_t seed);

  // Clients go where destination() says; those that `stay`, where stayers() says.
  void add_producer(ProducerOptions options);
  void add_consumer(ConsumerOptions options);
  // Some of each, as the seed says; producers pause for up to `least_pause` at least.
  void add_clients(const std::string& topic, int32_t partitions, bool groups,
                   Duration least_pause = std::chrono::milliseconds(2));
  // Before clients are added: they go to the brokers of one cluster.
  void has_several_brokers() { several_brokers_ = true; }
  // So many members of the group "team", which share the topic's partitions.
  void add_members(const std::string& topic, int32_t partitions, uint64_t count, bool offsets_stay);
  // One more, idempotent, as when an application starts while the sites run.
  void add_late_producer(const TopicPartition& partition);
  void stop_producers();
  void resume_producers();
  // How often one of them was refused.
  uint64_t refusals() const;
  // The same for each with a chance of one half.
  void stop_some_producers();
  void resume_some_producers();
  // Waits until everything that was made is acknowledged: the sites are up, so it must come to
  // that. `what` names the moment in the report.
  void settle(const std::string& what);
  // Waits until consumers have read what was acknowledged, and groups have committed it.
  void catch_up();
  // The members of the group share everything in one generation, and have committed all of it.
  void await_members();
  // The one that they share then; 0 = there are none.
  int32_t members_generation() const { return members_.empty() ? 0 : members_[0]->generation(); }
  // Every group is where it committed, in the words of this site's coordinator.
  void check_groups_at(Site& site);
  // What sites delete by themselves, and by whose calendar records are stamped.
  void retain(Retention retention);

  SimWorld& world() { return world_; }
  // Each cluster of several brokers has an ensemble of its own.
  ZookeeperEnsemble& zookeeper_of(const std::string& cluster);
  Prng& random() { return world_.random(); }
  // A sequence of its own, for what a scenario has besides: without it a seed does as before.
  Prng& spare() { return spare_; }
  Judge& judge() { return judge_; }
  Ledger& ledger() { return ledger_; }
  Operator& asker() { return *operator_; }
  Destination& destination() { return destination_; }
  Destination& stayers() { return stayers_; }
  const std::vector<Consumer*>& consumers() const { return consumers_; }
  const std::vector<Member*>& members() const { return members_; }
  GroupBook& groups() { return groups_; }
  // Those of consumers and of members.
  std::set<std::string> group_names() const;
  bool content() const { return judge_.content(); }

  // True once in `n`.
  bool one_in(uint64_t n) { return random().below(n) == 0; }
  // The same, of spare().
  bool besides_one_in(uint64_t n) { return spare().below(n) == 0; }
  // Every third world of clusters has more that can happen, and runs otherwise: what that is, and
  // when, is drawn from spare(), so that the other two are what they were without it.
  bool is_harsh() const { return is_harsh_; }
  void run_between(Duration least, Duration most) { world_.run_for(random().between(least, most)); }

 private:
  void check_group_at(Site& site, const Consumer& consumer);

  Judge judge_;
  Ledger ledger_;
  GroupBook groups_{judge_};
  Destination destination_;
  Destination stayers_;
  // Outlive the processes that have sessions there.
  std::map<std::string, ZookeeperEnsemble> zookeepers_;
  SimWorld world_;
  Prng spare_;
  bool is_harsh_;
  SimProcess* clients_;
  std::unique_ptr<Operator> operator_;
  std::vector<Producer*> producers_;
  std::vector<Consumer*> consumers_;
  std::vector<Member*> members_;
  int32_t member_partitions_ = 0;
  bool several_brokers_ = false;
};

struct Scenario {
  std::string_view name;
  void (*run)(Stage& stage);
  // Of a hundred seeds of a default run, how many go to it.
  int share;
};

void one_site(Stage& stage);
void brokers(Stage& stage);
void clusters(Stage& stage);
void clusters_failover(Stage& stage);
void permissions(Stage& stage);
void bad_disk(Stage& stage);
void lying_disk(Stage& stage);
void mirror(Stage& stage);
void switchover(Stage& stage);
void scripted_switchover(Stage& stage);
void failover(Stage& stage);
void split_brain(Stage& stage);
void stranger(Stage& stage);
void taken_back(Stage& stage);
void lines(Stage& stage);

std::span<const Scenario> all_scenarios();

}  // namespace isthmus::sim
