// Site: a simulated machine with a broker on it, which may die and come back at any moment.
//
// The broker is the production role over the simulated Env. A broker that refuses to start (its
// disk failed once more) is started again a second later, as systemd would. Owned by the scenario,
// as long as its world.
#pragma once

#include <string>

#include "base/log.h"
#include "broker/broker.h"
#include "tests/sim/allowed_start.h"
#include "tests/sim/world/connector.h"
#include "tests/sim/world/world.h"

namespace isthmus::sim {

struct SiteOptions {
  std::string name;     // of its machine
  std::string cluster;  // how the cluster calls itself; empty: as its machine
  ClusterNumber number = 1;
  size_t loops = 1;
  int32_t segment_bytes = 1 << 30;
  process::Durability durability = process::Durability::fsync;
  Retention retention;
  // How long a log-in holds at guarded(), where everybody is asked who he is; zero: there is no
  // such listener, and everybody may do everything.
  Duration session{};
  // Of a cluster of several: where they share their metadata, and which of them this is.
  ZookeeperEnsemble* zookeeper = nullptr;
  NodeId node = 0;
};

class Site {
 public:
  Site(SimWorld& world, SiteOptions options);
  Site(const Site&) = delete;
  Site& operator=(const Site&) = delete;

  const std::string& name() const { return options_.name; }
  ClusterNumber number() const { return options_.number; }
  bool is_of_several() const { return options_.zookeeper != nullptr; }
  size_t loops() const { return options_.loops; }
  io::Address clients() const { return {options_.name, 9092}; }
  io::Address peers() const { return {options_.name, 9093}; }
  io::Address guarded() const { return {options_.name, 9094}; }
  SimHost& host() { return host_; }
  SimProcess* process() { return process_; }
  // Of the present process.
  const broker::Broker& broker() const { return *broker_; }

  void start();
  bool serving() const;
  // kill -9 and power loss. Nothing starts again by itself.
  void kill();
  void crash();
  // An orderly stop takes a while; true when it ended within that.
  bool drain();
  int starts() const { return starts_; }
  // Its session with ZooKeeper is lost for good; its line there is lost for a
  // while, at once or when the next write was done whose answer is lost with it.
  void expire_session_after(Duration delay);
  // Its session ends when its next write there was done, before it hears so.
  void expire_session_after_a_write();
  void cut_zookeeper_for(Duration a_while, bool after_a_write = false);
  // Its line is cut until then: others lead what it leads, and it does not know.
  void expire_session_unheard_after(Duration delay);
  // Returns how far its calendar is ahead now.
  int64_t jump_wall_clock(int64_t by_ms);

 private:
  io::Task<void> run(broker::Broker& broker, int number);
  process::BrokerConfig config() const;
  void start_anew(int number);

  SimWorld& world_;
  const SiteOptions options_;
  SimHost& host_;
  SimProcess* process_ = nullptr;
  broker::Broker* broker_ = nullptr;
  std::shared_ptr<SimConnector> connector_;  // of the present process
  bool serving_ = false;
  int starts_ = 0;
  int64_t ahead_ms_ = 0;
};

}  // namespace isthmus::sim
