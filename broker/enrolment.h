// Enrolment: a broker's way into its cluster, and out of it.
//
//   open() ──► record_start() ──► begin_serving() ──► end_serving() ──► leave()
//
// A cluster of one has its metadata in the first of its data directories, and nobody to tell. One
// of several shares them in ZooKeeper: the broker has a live node there (store/live_node.h), is
// registered as fenced, and is so until clients reach it. Its session is its lease: when that is
// lost for good on_lost() tells, nothing more is committed, and the process has to end; who starts
// it anew starts a new session.
//
// Lives on the main loop, owned by Broker; outlives the controller, to which it gives its store.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/log.h"
#include "broker/controller/cluster_keeper.h"
#include "broker/controller/controller.h"
#include "broker/controller/live_brokers.h"
#include "broker/controller/silent_brokers.h"
#include "broker/log_dirs.h"
#include "broker/store/broker_lease.h"
#include "io/env.h"
#include "process/broker_config.h"

namespace isthmus::broker {

class Enrolment final : public LiveBrokers {
 public:
  // `connector` is needed where the configuration names a ZooKeeper. All outlive it.
  Enrolment(io::Env& env, Controller& controller, const process::BrokerConfig& config,
            zookeeper::Connector* connector);

  // Reads the metadata, and makes sure that they are this cluster's and that no other process is
  // this broker: or says who is. Writes no metadata.
  io::Task<Result<void>> open(DirectoryOwner owner);
  // REQUIRES: open() was well.
  io::Task<Result<void>> record_start();
  // Whether the metadata descend from what this broker has followed before. REQUIRES: the start is
  // recorded.
  io::Task<Result<bool>> have_had(FollowedMetadata commit);
  // REQUIRES: before begin_serving(). What of this broker's replicas is not what it was.
  void losses_are(Losses losses) { losses_ = std::move(losses); }
  // A broker that was reached in its life `starts` refuses connections.
  void on_refused(NodeId broker, int32_t starts);
  void on_silence(NodeId broker, bool silent);
  // Clients may be sent here, and this broker looks after the cluster with the others
  // (controller/cluster_keeper.h). REQUIRES: clients are served.
  io::Task<Result<void>> begin_serving();
  // They are sent elsewhere, as far as there is somebody. Best effort.
  io::Task<void> end_serving();
  // REQUIRES: the controller is asked for nothing any more.
  io::Task<void> leave();

  // Called once, on the main loop.
  void on_lost(std::function<void(Error)> lost) { lost_ = std::move(lost); }
  // What waits for ZooKeeper ends soon, with Error::closed.
  void stop_waiting();
  std::string waits_for() const;
  // Why nothing can be changed now, though everything is served; empty: it can.
  std::string cut_off() const;
  // Since when ZooKeeper is known not to answer, and all metadata are as of then: topics, leaders,
  // ACLs and users. Milliseconds since 1970; nullopt: it answers.
  std::optional<int64_t> old_since() const { return old_since_; }
  // Now and then.
  void look();
  // Of the first data directory, for who marks it.
  const Uuid& directory_id() const { return directory_id_; }

  NodeId controller() const override;
  bool is_silent(NodeId node, io::Instant now) const override {
    return silent_.is_silent(node, now);
  }
  io::Task<std::set<NodeId>> running() override;

 private:
  Result<void> open_embedded();
  io::Task<Result<void>> open_zookeeper();
  io::Task<Result<void>> insist(Controller::Decision decision);
  io::Task<void> compare_with_others();
  bool may_repeat(const Error& error) const;

  io::Env& env_;
  Controller& controller_;
  const process::BrokerConfig& config_;
  zookeeper::Connector* connector_;
  Logger log_{LogComponent::broker};
  Identity identity_;
  Uuid directory_id_;
  std::unique_ptr<BrokerLease> lease_;  // none: the metadata are embedded
  std::unique_ptr<ClusterKeeper> keeper_;
  std::atomic<NodeId> seated_ = -1;  // as the keeper knows it
  SilentBrokers silent_;
  Losses losses_;
  std::function<void(Error)> lost_;
  std::optional<int64_t> old_since_;
  bool is_open_ = false;
  bool is_lost_ = false;
  bool stops_ = false;
};

}  // namespace isthmus::broker
