// SimConnector: the Connector of a simulated process, over the simulator's ensemble.
#pragma once

#include <memory>
#include <utility>

#include "tests/sim/world/zookeeper.h"
#include "zookeeper/connector.h"

namespace isthmus::broker {

class SimConnector final : public zookeeper::Connector {
 public:
  explicit SimConnector(sim::ZookeeperEnsemble& ensemble) : ensemble_(ensemble) {}

  io::Task<Result<std::unique_ptr<zookeeper::Client>>> begin(
      io::Loop& loop, zookeeper::SessionOptions options) override {
    auto begun = std::make_unique<sim::ZookeeperSession>(ensemble_, loop);
    session = begun.get();
    if (is_cut) session->cut_line();
    digest = std::move(options.digest);
    co_return begun;
  }
  io::Task<void> end(std::unique_ptr<zookeeper::Client> client) override {
    static_cast<sim::ZookeeperSession&>(*client).expire();
    session = nullptr;
    co_return;
  }

  sim::ZookeeperSession* session = nullptr;  // the latest, until it is ended
  bool is_cut = false;                       // those that begin
  std::string digest;

 private:
  sim::ZookeeperEnsemble& ensemble_;
};

}  // namespace isthmus::broker
