// Broker: the role that keeps topics and groups. Puts its parts together, in the order in which
// they need each other, and takes them apart in reverse:
//
//   enrolment, store → controller → partitions → coordinator, links → handlers → listeners
//
// Lives on the main loop of its Env. start() claims and recovers before it listens, so that a
// request never meets half a broker; drain() stops listening first and marks the stop as clean
// last. In a cluster of several, one that has lost its place there (enrolment.h) fails, and is
// drained without waiting for anybody.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "io/env.h"
#include "process/broker_config.h"
#include "process/role.h"
#include "process/tls_store.h"
#include "zookeeper/connector.h"

namespace isthmus::sim {
class StepJudge;  // looks on between two steps of a simulated world
}

namespace isthmus::broker {

struct Image;
class PartitionTable;

class Broker final : public process::Role {
 public:
  // `connector`: for a configuration that names a ZooKeeper.
  Broker(io::Env& env, process::BrokerConfig config,
         std::shared_ptr<zookeeper::Connector> connector = nullptr);
  ~Broker() override;

  io::Task<Result<void>> start() override;
  std::string waits_for() override;
  void stop_waiting() override;
  void on_failed(std::function<void(Error)> failed) override { failed_ = std::move(failed); }
  io::Task<void> drain() override;
  Result<void> reload(std::string_view text, const std::string& file) override;
  io::Task<process::Status> status() override;
  io::Task<Samples> measure() override;
  void note(server::AuditEvent event) override;

 private:
  friend class sim::StepJudge;
  struct Parts;
  // Null before it recovers, and when it has ended.
  const PartitionTable* partitions() const;
  io::Task<void> keep_house();
  void look_for_repairs();
  io::Task<void> open_repaired();
  void look_for_deletions();
  io::Task<void> finish_deletions();
  io::Task<Result<void>> prepare();
  io::Task<Result<void>> recover();
  io::Task<void> undo_start();
  Result<void> listen();
  void end_with(Error failure);
  io::Task<Result<void>> follow(std::shared_ptr<const Image> image);
  io::Task<void> hear(std::shared_ptr<const Image> image);
  void lead_groups(const Image& image);

  io::Env& env_;
  process::BrokerConfig config_;
  process::TlsStore tls_;
  std::shared_ptr<zookeeper::Connector> connector_;
  std::function<void(Error)> failed_;
  bool has_failed_ = false;
  std::unique_ptr<Parts> parts_;
};

std::unique_ptr<process::Role> make_broker(io::Env& env, process::BrokerConfig config,
                                           std::shared_ptr<zookeeper::Connector> connector);

}  // namespace isthmus::broker
