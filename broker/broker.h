// Broker: the role that keeps topics and groups. Puts its parts together, in the order in which
// they need each other, and takes them apart in reverse:
//
//   store → controller → partitions → coordinator, links → handlers → listeners
//
// Lives on the main loop of its Env. start() claims and recovers before it listens, so that a
// request never meets half a broker; drain() stops listening first and marks the stop as clean
// last.
#pragma once

#include <memory>

#include "io/env.h"
#include "process/broker_config.h"
#include "process/role.h"
#include "process/tls_store.h"

namespace isthmus::broker {

struct Image;

class Broker final : public process::Role {
 public:
  Broker(io::Env& env, process::BrokerConfig config);
  ~Broker() override;

  io::Task<Result<void>> start() override;
  io::Task<void> drain() override;
  Result<void> reload(std::string_view text, const std::string& file) override;
  io::Task<process::Status> status() override;
  io::Task<Samples> measure() override;

 private:
  struct Parts;
  io::Task<void> keep_house();
  void look_for_deletions();
  io::Task<void> finish_deletions();
  io::Task<Result<void>> recover();
  Result<void> listen();
  Result<void> open_store();
  io::Task<Result<void>> follow(std::shared_ptr<const Image> image);

  io::Env& env_;
  process::BrokerConfig config_;
  process::TlsStore tls_;
  std::unique_ptr<Parts> parts_;
};

std::unique_ptr<process::Role> make_broker(io::Env& env, process::BrokerConfig config);

}  // namespace isthmus::broker
