// The connections of a link to each of its ends, and how long one is waited for on which nothing
// moves. Records, of which tens of MiB may be on their way, have connections of their own, and so
// has the driver of a switchover: what it asks must not wait behind the records of a slow line, nor
// behind the offsets of a thousand groups.
//
// The times follow progress and not size (client/connection.h): over a slow line a request of any
// size takes as long as it takes.
#pragma once

#include "client/cluster.h"
#include "client/fetcher.h"

namespace isthmus::mirror {

// Beside Cluster::shared_lane, for all small questions, and the lanes of the fetcher, from 1 on.
constexpr client::Cluster::Lane control_lane = 100;
constexpr client::Cluster::Lane append_lane = 101;
// Who may do what: pages of MiB now and then.
constexpr client::Cluster::Lane access_lane = 102;

// An operator waits for the step; a fence ends by itself meanwhile.
constexpr auto step_timeout = std::chrono::seconds(5);
constexpr auto attach_timeout = std::chrono::seconds(5);
constexpr auto request_timeout = std::chrono::seconds(10);
// The target answers when its disk has what came.
constexpr auto append_timeout = std::chrono::seconds(30);

inline client::FetchOptions fetch_options() {
  client::FetchOptions options;
  options.max_bytes = 8 << 20;
  options.max_partition_bytes = 4 << 20;
  // Twice what a line of 1 Gbit/s and 80 ms holds.
  options.read_ahead_bytes = 24 << 20;
  // A partition that is new waits for the next request of a lane: short polls keep that short.
  options.max_wait = io::milliseconds(100);
  // A log start is followed on the word of an answer: idle partitions need one now and then.
  options.tell_again_after = std::chrono::seconds(1);
  return options;
}

}  // namespace isthmus::mirror
