// BrokerLease: what lets this process be one of the brokers of its cluster: its session with
// ZooKeeper, the store of metadata over it, and the live node that says that the broker runs
// (live_node.h).
//
//   open() ──► take() ──► leave()
//
// What is asked before a server answers waits for one, as long as it takes: a site that is switched
// on as a whole starts in any order. One session in the life of a process: when it is lost, or
// somebody else has taken the place, on_lost() tells, and nothing of this process is committed any
// more.
//
// Lives on the main loop, owned by Broker; outlives whoever has the store. REQUIRES: leave() has
// returned before destruction, unless the loop has ended.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/log.h"
#include "broker/store/live_node.h"
#include "broker/store/zookeeper_store.h"
#include "io/env.h"
#include "io/event.h"
#include "zookeeper/connect_string.h"
#include "zookeeper/connector.h"

namespace isthmus::broker {

class BrokerLease {
 public:
  struct Options {
    zookeeper::ConnectString connect;
    io::milliseconds session_timeout{18000};
    std::string digest = {};
    NodeId node = -1;
    // All but the process, which is drawn.
    LiveNode says = {};
  };

  // `connector` outlives it.
  BrokerLease(io::Env& env, zookeeper::Connector& connector, Options options);
  ~BrokerLease();

  // Begins the session and reads the metadata. Error::closed: the session was lost, or nobody
  // wants it any more (stop_waiting).
  io::Task<Result<std::unique_ptr<MetadataStore>>> open();
  // Makes the live node. An error says which broker has it. REQUIRES: open() was well.
  io::Task<Result<void>> take();
  // The other brokers that run, as far as they can be read now.
  io::Task<std::map<NodeId, LiveNode>> others();
  // REQUIRES: the controller asks the store for nothing any more.
  io::Task<void> leave();

  // Called once, on the main loop.
  void on_lost(std::function<void()> lost) { lost_ = std::move(lost); }
  // What waits for a server ends soon.
  void stop_waiting();
  // Whether a server answers, as far as is known.
  bool is_connected() const;
  // REQUIRES: open() was well.
  zookeeper::Client& client() { return *client_; }
  const ZookeeperLayout& layout() const { return layout_; }
  // What open() or take() wait for, one line; empty: for nothing.
  const std::string& waits_for() const { return waits_for_; }

 private:
  io::Task<Result<void>> begin_session();
  // Returns when a server has answered.
  io::Task<Result<void>> reach();
  // False: nobody wants to wait any more. Says what for, if that is news.
  io::Task<bool> wait(const Error& error);
  std::string servers() const;

  io::Env& env_;
  zookeeper::Connector& connector_;
  const Options options_;
  const ZookeeperLayout layout_;
  LiveNode mine_;
  Logger log_{LogComponent::zookeeper};
  std::unique_ptr<zookeeper::Client> client_;
  ZookeeperStore* store_ = nullptr;  // the controller's
  std::function<void()> lost_;
  std::string waits_for_;
  io::Instant say_again_ = io::Instant::min();
  io::Event stop_;
};

}  // namespace isthmus::broker
