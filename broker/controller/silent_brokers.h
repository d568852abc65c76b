// SilentBrokers: who has just ceased to answer this broker. Its process may be dead, and others
// lead what it led in a moment; clients that are told of it as a leader meanwhile ask again as late
// as they ask for metadata at all (librdkafka: topic.metadata.refresh.interval.ms, five minutes).
//
// Only for a moment, and not soon again: who is dead the controller decides, and a line between two
// brokers may be cut that clients do not use.
//
// Told on the main loop; any loop asks.
#pragma once

#include <chrono>
#include <map>
#include <memory>

#include "base/ids.h"
#include "base/published.h"
#include "io/loop.h"

namespace isthmus::broker {

class SilentBrokers {
 public:
  static constexpr auto moment = std::chrono::seconds(1);
  static constexpr auto until_again = std::chrono::seconds(10);

  void on_silence(NodeId node, io::Instant now) {
    auto next = std::make_shared<Known>(*known_.load());
    const auto [entry, is_new] = next->try_emplace(node);
    if (!is_new && now - entry->second.since < until_again) return;
    entry->second = {now, true};
    known_.store(std::move(next));
  }
  void on_answer(NodeId node) {
    const auto known = known_.load();
    const auto found = known->find(node);
    if (found == known->end() || !found->second.silent) return;
    auto next = std::make_shared<Known>(*known);
    (*next)[node].silent = false;
    known_.store(std::move(next));
  }

  bool is_silent(NodeId node, io::Instant now) const {
    const auto known = known_.load();
    const auto found = known->find(node);
    return found != known->end() && found->second.silent && now - found->second.since < moment;
  }

 private:
  struct Silence {
    io::Instant since{};
    bool silent = false;
  };
  using Known = std::map<NodeId, Silence>;

  Published<Known> known_{std::make_shared<const Known>()};
};

}  // namespace isthmus::broker
