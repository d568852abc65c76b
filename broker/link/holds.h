// Holds: what this broker holds for switchovers of what it leads itself: partitions, groups, and
// what administrators do to topics. Whoever carries a step out asks each broker of the site for its
// part (site_holds.h), this one included.
//
//         fence(id)                hold(id, attempt)                the record says handed over
//   open ───────────► fenced until ─────────────────► held, without ───────────────────► closed
//    ▲    ◄──deadline, lift(id)──┘                    a deadline
//    │    ◄──lift(id, attempt)────────────────────────────┤
//    └────◄──a new epoch of its own (give_up_stale)───────┘
//
// What is held, or frozen for a promotion, waits for the word of whoever has asked, and of nobody
// else, also of a later attempt (replica/write_gate.h): that one may be writing its record down on
// the strength of it. If no word comes, this broker
// asks for a new epoch of what it leads; that and the record exclude each other, and it opens, or
// closes, by the one that it reads (docs/model/switchover_cluster.py, rule 7).
//
// All of it is in memory: a restart leads under a new epoch, and nothing that was said under the
// one before counts any more.
//
// Owned by Switchovers, on the main loop.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "base/log.h"
#include "broker/controller/controller.h"
#include "broker/link/topic_changes.h"
#include "broker/replica/partition_table.h"
#include "io/env.h"
#include "kafka/gen/ask_groups.h"
#include "kafka/gen/hold_partitions.h"

namespace isthmus::broker {

class Coordinator;

class Holds {
 public:
  // Without a word, what is held is given up after so long.
  static constexpr auto patience = std::chrono::seconds(5);

  Holds(io::Env& env, Controller& controller, PartitionTable& partitions, Coordinator& groups,
        TopicChanges& topic_changes);
  ~Holds();

  io::Task<kafka::HoldPartitionsResponse> take(kafka::HoldPartitionsRequest request);
  io::Task<kafka::AskGroupsResponse> ask_groups(kafka::AskGroupsRequest request);

  // Of the fence of that switchover, on the groups here; 0 = there is none.
  int64_t number_of(const Uuid& id) const;
  // Records of switchovers have changed: they say what is held from now on.
  io::Task<void> follow(std::shared_ptr<const Image> before, std::shared_ptr<const Image> now);
  // Opens anew what nobody has said a word about.
  io::Task<void> give_up_stale();

 private:
  using Request = kafka::HoldPartitionsRequest;
  using Response = kafka::HoldPartitionsResponse;
  using Partitions = std::set<std::pair<Uuid, PartitionIndex>>;
  struct Fence {
    Uuid id;
    std::string link;
    int64_t number = 0;
    io::Instant deadline;
    Partitions partitions;
    Uuid attempt;  // that holds it; zero = none does
    io::Instant held_since{};
  };
  struct Frozen {
    Uuid attempt;
    std::string link;
    Partitions partitions;
    io::Instant since{};
  };

  std::optional<std::string> cannot_fence(const Request& request) const;
  io::Task<Response> fence(Request request);
  io::Task<Response> hold(Request request);
  io::Task<Response> freeze(Request request);
  io::Task<Response> lift(Request request);
  io::Task<Result<void>> fence_partitions(const Request& request, Response& response);
  io::Task<Result<void>> hold_partitions(const Request& request, Response& response);
  io::Task<Result<void>> freeze_partitions(const Request& request, bool takes_over,
                                           Response& response);
  using Asked = Request::HoldPartition;
  using Answer = Response::HeldPartition;
  io::Task<Held> freeze_one(const Request& request, const TopicImage& topic, PartitionRef partition,
                            bool takes_over);
  io::Task<Result<Answer>> look_at_end(const Request& request, PartitionRef partition, Held held,
                                       Asked asked, io::Instant safe_by);
  // The partition, or why it cannot be asked.
  Result<PartitionRef> led_here(const TopicImage& topic, PartitionIndex index) const;
  Partitions fenced_and_led() const;
  static Partitions named_in(const Request& request);
  int64_t draw();
  void lift_fence();
  io::Task<void> lift_partitions(Partitions partitions, Uuid id, Uuid attempt);
  void add_groups(Response& response) const;

  io::Env& env_;
  io::Loop& loop_;
  Logger log_{LogComponent::switchover};
  Controller& controller_;
  PartitionTable& partitions_;
  Coordinator& groups_;
  TopicChanges& topic_changes_;
  std::optional<Fence> fence_;
  std::map<Uuid, Frozen> frozen_;  // by the switchover
  io::Loop::TimerId deadline_timer_ = 0;
};

}  // namespace isthmus::broker
