#include "router/leaders.h"

#include <algorithm>

namespace isthmus::router {

namespace {

std::optional<NodeId> known_leader(const Picture& picture, const TopicPartition& partition) {
  const Site* site = picture.site(picture.routes.home_of_topic(partition.topic));
  if (site == nullptr) return std::nullopt;
  const auto leader = site->cluster().metadata().leader_of(partition);
  // A node may be in the metadata before it has a port here.
  if (!leader || picture.virtual_cluster.node(leader->node) == nullptr) return std::nullopt;
  return leader->node;
}

const std::string& cluster_of(const Picture& picture, NodeId node) {
  return picture.virtual_cluster.node(node)->cluster;
}

// The routes have yet to follow, or who leads at the new home is not known yet.
bool is_moving_away(const Picture& picture, NodeId refused_by, const Partitions& partitions) {
  return std::ranges::all_of(partitions, [&](const TopicPartition& partition) {
    const Site* site = picture.site(picture.routes.home_of_topic(partition.topic));
    if (site == nullptr || !site->is_isthmus()) return false;
    const auto leader = known_leader(picture, partition);
    return site->name() == cluster_of(picture, refused_by) ? leader == refused_by : !leader;
  });
}

}  // namespace

std::optional<NodeId> leader_of_all(const Picture& picture, NodeId node,
                                    const Partitions& partitions) {
  const std::string& here = picture.virtual_cluster.node(node)->cluster;
  std::optional<NodeId> leader;
  for (const TopicPartition& partition : partitions) {
    const bool is_here = picture.routes.home_of_topic(partition.topic) == here;
    const auto its = is_here ? node : known_leader(picture, partition);
    if (!its || (leader && *leader != *its)) return std::nullopt;
    leader = its;
  }
  return leader ? leader : node;
}

bool are_leaders_known(const Picture& picture, NodeId node, const Partitions& partitions) {
  const std::string& here = picture.virtual_cluster.node(node)->cluster;
  return std::ranges::all_of(partitions, [&](const TopicPartition& partition) {
    return picture.routes.home_of_topic(partition.topic) == here ||
           known_leader(picture, partition).has_value();
  });
}

io::Task<std::optional<NodeId>> leader_after_move(Picture& picture, NodeId node, NodeId refused_by,
                                                  Partitions partitions, const bool& cut) {
  const io::Instant deadline = io::Loop::current()->now() + routes_follow_within;
  io::Instant next_look{};
  for (;;) {
    const auto leader = leader_of_all(picture, node, partitions);
    if (leader && *leader != refused_by) {
      const bool has_moved = cluster_of(picture, *leader) != cluster_of(picture, refused_by);
      co_return has_moved ? leader : std::nullopt;
    }
    const bool in_time = io::Loop::current()->now() < deadline;
    if (cut || !in_time || !is_moving_away(picture, refused_by, partitions)) co_return std::nullopt;
    if (io::Loop::current()->now() >= next_look) {
      // An election is no move: the site knows whether it was one.
      Site* site = picture.site(cluster_of(picture, refused_by));
      if (site != nullptr) site->look_again();
      next_look = io::Loop::current()->now() + look_interval;
    }
    co_await picture.news.wait_until(std::min(deadline, next_look));
  }
}

}  // namespace isthmus::router
