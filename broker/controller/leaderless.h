// Leaderless: since when partitions have had no leader, of topics that rather lose records than
// stand still (unclean.leader.election.enable). Who of ISR and ELR is away is waited for so long,
// each partition for itself: a broker that restarts is away for seconds, and has what others lack.
//
// Known from what is looked at alone: a controller that has just taken its seat begins anew.
//
// Pure; owned by ClusterKeeper, on the main loop.
#pragma once

#include <map>
#include <utility>

#include "broker/image/image.h"
#include "io/loop.h"

namespace isthmus::broker {

class Leaderless {
 public:
  explicit Leaderless(io::Duration patience) : patience_(patience) {}

  void look(const Image& image, io::Instant now);
  bool is_given_up(const TopicImage& topic, PartitionIndex index, io::Instant now) const;
  void forget() { since_.clear(); }

 private:
  using Key = std::pair<Uuid, PartitionIndex>;

  const io::Duration patience_;
  std::map<Key, io::Instant> since_;
};

}  // namespace isthmus::broker
