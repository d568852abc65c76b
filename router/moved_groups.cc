#include "router/moved_groups.h"

#include <algorithm>

#include "kafka/gen/find_coordinator.h"
#include "kafka/gen/heartbeat.h"
#include "kafka/gen/join_group.h"
#include "kafka/gen/leave_group.h"
#include "kafka/gen/offset_commit.h"
#include "kafka/gen/offset_delete.h"
#include "kafka/gen/offset_fetch.h"
#include "kafka/gen/sync_group.h"
#include "router/fan_out.h"
#include "router/leaders.h"

namespace isthmus::router {

namespace {

using kafka::ApiKey;
using kafka::ErrorCode;

constexpr auto moved = ErrorCode::not_coordinator;
constexpr int most_group_moves = 3;

bool any_partition(const auto& topics) {
  return std::ranges::any_of(topics, [](const auto& topic) {
    return std::ranges::any_of(topic.partitions,
                               [](const auto& p) { return p.error_code == moved; });
  });
}

template <typename Response>
bool says(const Response& response) {
  return response.error_code == moved;
}
bool says(const kafka::OffsetCommitResponse& response) { return any_partition(response.topics); }
bool says(const kafka::OffsetFetchResponse& response) {
  return response.error_code == moved || any_partition(response.topics) ||
         std::ranges::any_of(response.groups,
                             [](const auto& group) { return group.error_code == moved; });
}

bool are_of_one_site(const Picture& picture, NodeId a, NodeId b) {
  const auto& nodes = picture.virtual_cluster;
  return nodes.node(a)->cluster == nodes.node(b)->cluster;
}

template <typename Response>
bool decoded_says(const Slice& answer, int16_t version) {
  const auto response = client::decode_response<Response>(answer, version);
  return response && says(*response);
}

}  // namespace

bool is_not_coordinator(const kafka::RequestHeader& header, const Slice& answer) {
  const int16_t version = header.api_version;
  switch (static_cast<ApiKey>(header.api_key)) {
    case ApiKey::heartbeat: return decoded_says<kafka::HeartbeatResponse>(answer, version);
    case ApiKey::join_group: return decoded_says<kafka::JoinGroupResponse>(answer, version);
    case ApiKey::sync_group: return decoded_says<kafka::SyncGroupResponse>(answer, version);
    case ApiKey::leave_group: return decoded_says<kafka::LeaveGroupResponse>(answer, version);
    case ApiKey::offset_commit: return decoded_says<kafka::OffsetCommitResponse>(answer, version);
    case ApiKey::offset_fetch: return decoded_says<kafka::OffsetFetchResponse>(answer, version);
    case ApiKey::offset_delete: return decoded_says<kafka::OffsetDeleteResponse>(answer, version);
    default: return false;
  }
}

io::Task<std::optional<NodeId>> MovedGroups::node_of(std::string group, io::Instant deadline) {
  const std::string home = picture_.routes.home_of_group(group);
  std::optional<NodeId> only;
  int nodes = 0;
  for (const auto& [id, node] : picture_.virtual_cluster.nodes()) {
    if (node.cluster != home) continue;
    only = id;
    ++nodes;
  }
  if (nodes < 2) co_return only;
  const bool is_known = latest_ && latest_->first == group &&
                        picture_.virtual_cluster.node(latest_->second)->cluster == home;
  if (is_known) co_return latest_->second;
  Part<kafka::FindCoordinatorRequest> part{{home}, {group, kafka::CoordinatorType::group, {group}}};
  co_await router::ask(picture_, *client_, part, deadline);
  if (!part.answer) co_return std::nullopt;
  const auto& told = *part.answer;
  const bool is_listed = !told.coordinators.empty();
  const auto error = is_listed ? told.coordinators[0].error_code : told.error_code;
  const NodeId found = is_listed ? told.coordinators[0].node_id : told.node_id;
  if (error != ErrorCode::none || picture_.virtual_cluster.node(found) == nullptr) {
    co_return std::nullopt;
  }
  latest_ = {std::move(group), found};
  co_return found;
}

io::Task<std::optional<Slice>> MovedGroups::ask(GroupRequest request, std::optional<NodeId> asked) {
  io::Instant deadline = io::Loop::current()->now() + routes_follow_within;
  const auto refused_by = asked;
  for (int moves = 0; !nodes_.is_cut() && moves < most_group_moves;) {
    const auto node = co_await node_of(request.group, deadline);
    if (node && node != asked) {
      const bool is_election =
          moves == 0 && refused_by && are_of_one_site(picture_, *node, *refused_by);
      if (is_election) co_return std::nullopt;
      auto answer = co_await nodes_.ask(*node, request.header, Rope(request.body));
      if (!answer || is_not_coordinator(request.header, *answer)) latest_.reset();
      if (!answer) co_return std::nullopt;
      if (!is_not_coordinator(request.header, *answer)) co_return std::move(*answer);
      // It may have waited at a fence there for long, and the routes have changed meanwhile.
      asked = node;
      deadline = io::Loop::current()->now() + routes_follow_within;
      ++moves;
      continue;
    }
    latest_.reset();
    const io::Instant now = io::Loop::current()->now();
    if (now >= deadline) co_return std::nullopt;
    co_await picture_.news.wait_until(std::min(deadline, now + look_interval));
  }
  co_return std::nullopt;
}

}  // namespace isthmus::router
