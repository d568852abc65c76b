// IsrBell: partitions that are led here and whose ISR should be another, as they say it themselves.
// Made on the main loop and listened to there; rung on any loop, and shared by those who ring.
#pragma once

#include <memory>
#include <set>
#include <utility>

#include "base/ids.h"
#include "io/event.h"
#include "io/loop.h"

namespace isthmus::broker {

class IsrBell {
 public:
  explicit IsrBell(io::Loop& main_loop) : loop_(main_loop), rung_(main_loop) {}

  static void ring(std::shared_ptr<IsrBell> self, TopicPartition partition) {
    io::Loop& loop = self->loop_;
    loop.post([self = std::move(self), partition = std::move(partition)] {
      self->waiting_.insert(partition);
      self->rung_.notify_all();
    });
  }

  // On the main loop.
  io::Event& rung() { return rung_; }
  bool has_any() const { return !waiting_.empty(); }
  std::set<TopicPartition> take() { return std::exchange(waiting_, {}); }

 private:
  io::Loop& loop_;
  io::Event rung_;
  std::set<TopicPartition> waiting_;
};

}  // namespace isthmus::broker
