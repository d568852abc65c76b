// Leaders: who leads partitions now, as far as the router knows. Plain functions, on its loop.
//
// They are for a client at `node`'s port. What that client believes of topics that are at home
// where its node is, is right.
#pragma once

#include <chrono>
#include <optional>
#include <vector>

#include "router/picture.h"

namespace isthmus::router {

// A move that has refused something is done: routers hear of it at once.
inline constexpr auto routes_follow_within = std::chrono::seconds(1);
// Of an election the brokers of a site hear one after the other: how often they are asked.
inline constexpr auto look_interval = io::milliseconds(100);

using Partitions = std::vector<TopicPartition>;

// Who leads all of them; nullopt where that is not known, or not one.
std::optional<NodeId> leader_of_all(const Picture& picture, NodeId node,
                                    const Partitions& partitions);

// Then nullopt says that they have not one leader.
bool are_leaders_known(const Picture& picture, NodeId node, const Partitions& partitions);

// Who leads them after the move because of which `refused_by` has refused them: the routes follow
// such a refusal at once, if they are not there before it. nullopt where no one node does, where
// `refused_by` was not the one to ask as far as we know (then it is the client's mistake), where
// another node of the same cluster leads (an election, of which the site is asked at once: what was
// refused may be written), and when `cut` is set.
io::Task<std::optional<NodeId>> leader_after_move(Picture& picture, NodeId node, NodeId refused_by,
                                                  Partitions partitions, const bool& cut);

}  // namespace isthmus::router
