#include "router/moved_groups.h"

#include <algorithm>

#include "kafka/gen/heartbeat.h"
#include "kafka/gen/join_group.h"
#include "kafka/gen/leave_group.h"
#include "kafka/gen/offset_commit.h"
#include "kafka/gen/offset_delete.h"
#include "kafka/gen/offset_fetch.h"
#include "kafka/gen/sync_group.h"
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

std::optional<NodeId> MovedGroups::node_of(const std::string& group) const {
  const std::string& home = picture_.routes.home_of_group(group);
  std::optional<NodeId> only;
  for (const auto& [id, node] : picture_.virtual_cluster.nodes()) {
    if (node.cluster != home) continue;
    if (only) return std::nullopt;
    only = id;
  }
  return only;
}

io::Task<std::optional<Slice>> MovedGroups::ask(GroupRequest request, std::optional<NodeId> asked) {
  io::Instant deadline = io::Loop::current()->now() + routes_follow_within;
  for (int moves = 0; !nodes_.is_cut() && moves < most_group_moves;) {
    const auto node = node_of(request.group);
    if (node && node != asked) {
      auto answer = co_await nodes_.ask(*node, request.header, Rope(request.body));
      if (!answer) co_return std::nullopt;
      if (!is_not_coordinator(request.header, *answer)) co_return std::move(*answer);
      // It may have waited at a fence there for long, and the routes have changed meanwhile.
      asked = node;
      deadline = io::Loop::current()->now() + routes_follow_within;
      ++moves;
      continue;
    }
    if (io::Loop::current()->now() >= deadline) co_return std::nullopt;
    co_await picture_.news.wait_until(deadline);
  }
  co_return std::nullopt;
}

}  // namespace isthmus::router
