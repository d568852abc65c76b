// CoordinatorRuntime: what every kind of coordinator needs around its state: which partitions of
// the coordinators' topic are led, and under which leader epoch; loading; who is served; timers;
// fences; the end. A kind of coordinator (groups, transactions) owns one, derives its entities from
// Hosted and reads its records with a Loader.
//
//             lead(epoch)                 all is read and made
//   not led ──────────────► loading ──────────────────────────► serving
//      ▲       NOT_COORDINATOR │  COORDINATOR_LOAD_IN_PROGRESS      │
//      └───────────────────────┴────────────────────────────────────┘
//               resign(), or lead() under a newer epoch: the term is over (term.h)
//
// A partition is loaded completely before anything in it is served, in slices, beside what else the
// loop does, one partition after the other; a load that fails is logged and tried again from the
// start. Of a term that is over nothing is served, no timer fires, who waits is answered, and what
// is under way finds Term::is_lost() after its next wait. What is asked meanwhile meets the next
// term, which knows only what the log says.
//
// On one loop; everything is called there.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/log.h"
#include "broker/coordinator/fences.h"
#include "broker/coordinator/hosted.h"
#include "io/gate.h"

namespace isthmus::broker {

// Reads one partition's records, in one attempt.
class Loader {
 public:
  virtual ~Loader() = default;
  // The oldest first. An error ends the attempt.
  virtual Result<void> visit(const JournalRecord& record) = 0;
  // What the records amount to, some of it with each call, about a millisecond's work; empty when
  // all is made.
  virtual std::vector<HostedPtr> make() = 0;
};

// What a kind of coordinator tells the runtime.
class CoordinatorKind {
 public:
  virtual ~CoordinatorKind() = default;
  virtual std::unique_ptr<Loader> loader(TermPtr term) = 0;
  // A partition is loaded, with these, and is served from now on.
  virtual void served(const std::vector<HostedPtr>& all) = 0;
};

class CoordinatorRuntime {
 public:
  struct Options {
    std::string name;   // of its lines in the log: "groups"
    std::string topic;  // as these lines call it
    // Of the topic, until has_partitions() says how many it has; a key's partition depends on that.
    int32_t partitions = 50;
    io::Duration expire_every = std::chrono::minutes(10);
    std::string_view loading;  // what a turn of loading is called (io/turn_watch.h); lives for ever
  };
  // `kind` and `journal` outlive the runtime. REQUIRES: drain() has returned before destruction,
  // unless the loop has ended.
  CoordinatorRuntime(io::Loop& loop, Journal& journal, CoordinatorKind& kind, Options options);
  ~CoordinatorRuntime();

  // How many the topic has, whatever this broker's options say. REQUIRES: before lead(); a topic
  // that exists keeps its number.
  void has_partitions(int32_t partitions) { options_.partitions = partitions; }
  // This broker leads the partition, since `leader_epoch`. Said again it changes nothing; a newer
  // epoch ends the term and begins another: somebody else may have led in between.
  void lead(PartitionIndex partition, LeaderEpoch leader_epoch);
  // It leads it no more.
  void resign(PartitionIndex partition);
  // Waits until all that is led is loaded: before, nobody knows what there is. False: not by then.
  io::Task<bool> loaded(io::Instant deadline);
  bool is_loading() const;
  // The partitions that are served, each since which leader epoch.
  std::vector<std::pair<PartitionIndex, LeaderEpoch>> served() const;
  // Ends all terms, and returns when nothing is under way any more.
  io::Task<void> drain();

  // For as long as a request is under way.
  [[nodiscard]] io::InFlight::Hold begin_request() { return io::InFlight::Hold(requests_); }
  // What is to run beside requests; false if the runtime has been drained. It looks at its term.
  bool spawn(std::string name, io::Task<void> task) {
    return gate_.spawn(std::move(name), std::move(task));
  }

  // Whether the key's partition is served here: none, NOT_COORDINATOR, or
  // COORDINATOR_LOAD_IN_PROGRESS.
  kafka::ErrorCode check(const std::string& key) const;
  // The same, once no fence holds the key; NOT_COORDINATOR after a wait that was too long.
  io::Task<kafka::ErrorCode> pass(std::string key);
  // Null: there is none, or its partition is not served.
  HostedPtr find(const std::string& key) const;
  // In which a new key begins. REQUIRES: check() is none.
  TermPtr term_of(const std::string& key) const;
  // REQUIRES: find() of its key is null, and its term is not over.
  void add(HostedPtr hosted);
  // Forgets it; who waits is told COORDINATOR_NOT_AVAILABLE. The journal is the caller's.
  void remove(Hosted& hosted);
  // All that is served.
  std::vector<HostedPtr> all() const;
  std::vector<std::string> keys() const;  // in order

  // Its next_deadline() may have come nearer.
  void arm(Hosted& hosted);

  // Switchover, at the source: from now on what clients ask of these keys waits (fences.h), or gets
  // NOT_COORDINATOR; done when the writes accepted before have ended. fence_all() is for every key,
  // also those that are not loaded or not there yet. Not durable: the switchover's own record is,
  // and whoever reads it fences again after a restart. `moved`: who waits gets NOT_COORDINATOR.
  io::Task<void> fence(std::vector<std::string> keys, std::string id);
  io::Task<void> fence_all(std::string id, CoordinatorFences::Clients clients);
  void unfence(const std::string& id, bool moved);
  const CoordinatorFences& fences() const { return fences_; }

 private:
  using Keyed = std::unordered_map<std::string, HostedPtr>;
  struct Partition {
    TermPtr term;
    bool loaded = false;
    Keyed hosted;
  };

  const Partition* partition_of(const std::string& key) const;
  void end_term(PartitionIndex partition, Term::State state);
  io::Task<void> load(TermPtr term);
  io::Task<Result<void>> load_in_turn(TermPtr term);
  void serve(const Term& term, Keyed hosted);
  void stop_timer(Hosted& hosted);
  void on_timer(Hosted& hosted);
  io::Task<void> expire();
  void suspend(Hosted& hosted);
  io::Task<void> writes_ended(std::vector<std::string> keys);
  io::Task<void> refuse_late(std::string fence);

  io::Loop& loop_;
  Journal& journal_;
  CoordinatorKind& kind_;
  Options options_;
  Logger log_;

  std::map<PartitionIndex, Partition> partitions_;  // that are led
  CoordinatorFences fences_;
  bool closing_ = false;
  bool expiring_ = false;
  io::InFlight requests_;
  io::InFlight loads_;  // one at a time
  io::Event changed_;   // what is led and loaded
  io::Event stop_;
  io::Gate gate_;
};

}  // namespace isthmus::broker
