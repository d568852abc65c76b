#include "broker/replication/replication.h"

namespace isthmus::broker {

Replication::Replication(io::Env& env, Controller& controller, PartitionTable& partitions,
                         Dialer& dialer, Copier::Options options, io::Duration lag_time_max)
    : controller_(controller),
      copier_(env, partitions, dialer, std::move(options)),
      isr_updates_(env, partitions, lag_time_max / 10,
                   [this](auto changes) { return commit(std::move(changes)); }),
      gate_(env.main_loop()) {}

void Replication::follow(std::shared_ptr<const Image> image) {
  if (image->brokers.size() < 2) return;
  if (!running_) running_ = gate_.spawn("in-sync replicas", isr_updates_.run());
  copier_.follow(std::move(image));
}

io::Task<void> Replication::close() {
  isr_updates_.close();
  co_await copier_.close();
  co_await gate_.close();
}

io::Task<Result<void>> Replication::commit(std::vector<IsrChange> changes) {
  auto decide = [this, &changes](const Image& image) {
    return plan_isr(image, controller_.self(), changes);
  };
  auto done = co_await controller_.commit(decide);
  co_return done;
}

}  // namespace isthmus::broker
