// SimConnector: the Connector of a simulated process, over the simulator's ensemble.
#pragma once

#include <memory>

#include "tests/sim/world/zookeeper.h"
#include "zookeeper/connector.h"

namespace isthmus::sim {

class SimConnector final : public zookeeper::Connector {
 public:
  explicit SimConnector(ZookeeperEnsemble& ensemble) : ensemble_(ensemble) {}

  io::Task<Result<std::unique_ptr<zookeeper::Client>>> begin(io::Loop& loop,
                                                             zookeeper::SessionOptions) override {
    auto begun = std::make_unique<ZookeeperSession>(ensemble_, loop);
    latest_ = begun->id();
    co_return begun;
  }
  io::Task<void> end(std::unique_ptr<zookeeper::Client> client) override {
    static_cast<ZookeeperSession&>(*client).expire();
    co_return;
  }

  // The latest that was begun; null: it has ended, or there was none.
  ZookeeperSession* session() const { return ensemble_.find(latest_); }

 private:
  ZookeeperEnsemble& ensemble_;
  uint64_t latest_ = 0;
};

}  // namespace isthmus::sim
