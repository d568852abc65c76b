// ClusterKeeper: this broker's share in looking after its cluster. Takes the controller's seat when
// nobody holds it; from there fences who is dead, and brings replicas and leaders where they
// belong; and says, wherever it sits, that its own broker serves.
//
// The seat is an ephemeral node, <root>/controller, so that one does what all could do: a commit of
// somebody who believes to hold it yet is as safe as any. It is decided on an image that must still
// be the latest, under a session that must still live (zookeeper_store.h), so the worst of two
// controllers is work done twice. The seat of a process that is seen to be gone is therefore taken
// over at once, long before ZooKeeper ends its session.
//
// Lives on the main loop. REQUIRES: close() has returned before destruction, unless the loop has
// ended.
#pragma once

#include <memory>
#include <set>

#include "base/log.h"
#include "broker/controller/cluster_health.h"
#include "broker/controller/cluster_plans.h"
#include "broker/controller/controller.h"
#include "broker/controller/leaderless.h"
#include "broker/store/zookeeper_layout.h"
#include "io/event.h"
#include "io/gate.h"
#include "zookeeper/client.h"

namespace isthmus::broker {

// What of this broker's replicas is not what it was, whenever it says that it serves.
struct Losses {
  using Replicas = std::vector<DamagedReplica>;
  std::function<Replicas(const Image&)> damaged = {};
  std::function<void(const Replicas&)> told = {};  // the metadata have it of these

  Replicas of(const Image& image) const { return damaged ? damaged(image) : Replicas(); }
  void are_known(const Replicas& replicas) const {
    if (told) told(replicas);
  }
};

class ClusterKeeper {
 public:
  // What it does of its own accord about who holds what, and who leads.
  struct Habits {
    int32_t partitions_at_once = 100;  // that are moved
    bool balances = true;              // leaders, each `balance_every`, the first time after it sat
    int32_t imbalance_percentage = 10;
    io::Duration balance_every = std::chrono::minutes(5);
    // How long who has what others lack is waited for, of topics that rather lose records.
    io::Duration patience = std::chrono::minutes(5);
  };
  ClusterKeeper(io::Loop& loop, io::Random& random, zookeeper::Client& client,
                ZookeeperLayout layout, Controller& controller, Losses losses, Habits habits);
  ClusterKeeper(io::Loop& loop, io::Random& random, zookeeper::Client& client,
                ZookeeperLayout layout, Controller& controller, Losses losses = {})
      : ClusterKeeper(loop, random, client, std::move(layout), controller, std::move(losses),
                      Habits()) {}

  // REQUIRES: the controller has started, and this broker's live node is there.
  void start();
  io::Task<void> close();

  // From now on this broker serves, until stop_serving(); a fence that finds it serving is lifted
  // again.
  void serve();
  // Others lead from here on: the broker stops. Returns when that is recorded, or cannot be.
  io::Task<Result<void>> stop_serving();

  // A connection to `broker`, in its life `starts`, broke, and it refuses the next.
  void on_refused(NodeId broker, int32_t starts);

  // Who holds the seat, as far as is known; -1 = not known, or nobody.
  NodeId holder() const { return holder_; }
  // Told of each. REQUIRES: before start().
  void on_seat(std::function<void(NodeId)> told) { told_of_seat_ = std::move(told); }
  bool is_controller() const { return seated_; }

 private:
  // Shared with watches, which the client may still call.
  struct Wake {
    explicit Wake(io::Loop& loop) : event(loop) {}
    void wake() {
      is_due = true;
      event.notify_all();
    }
    io::Event event;
    bool is_due = false;
    std::set<std::string> watched;
  };

  io::Task<void> keep();
  io::Task<void> listen_to_image();
  io::Task<Result<void>> look();
  io::Task<Result<void>> unfence_self();
  // Of disks that have failed since it serves.
  io::Task<Result<void>> tell_of_losses();
  io::Task<Result<void>> look_for_seat();
  // With `version`, the node of who holds it now goes first.
  io::Task<Result<zookeeper::Outcome>> take_seat(std::optional<int32_t> version);
  void sit_down();
  void note_holder(NodeId holder);
  io::Task<Result<void>> look_for_brokers();
  io::Task<Result<void>> fence(NodeId node, int32_t starts);
  // Replicas where they belong (placement.h), and leaders.
  io::Task<Result<void>> look_for_placement();
  io::Task<Result<void>> look_for_unclean();
  // Whether the node is there; it wakes us when that changes. Nothing: it is watched already.
  io::Task<Result<std::optional<bool>>> watch(std::string path);

  io::Loop& loop_;
  zookeeper::Client& client_;
  const ZookeeperLayout layout_;
  Controller& controller_;
  Logger log_{LogComponent::controller, "cluster"};
  const Losses losses_;
  const Habits habits_;
  io::Instant next_balance_{};
  Leaderless leaderless_;
  ClusterHealth health_;
  Uuid id_;  // of this process
  bool serves_ = false;
  bool seated_ = false;
  NodeId holder_ = -1;
  std::function<void(NodeId)> told_of_seat_;
  std::shared_ptr<Wake> wake_;
  io::Event stop_;
  io::Gate gate_;
};

}  // namespace isthmus::broker
