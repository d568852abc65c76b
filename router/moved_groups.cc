#include "router/moved_groups.h"

#include <algorithm>

#include "kafka/gen/heartbeat.h"
#include "kafka/gen/join_group.h"
#include "kafka/gen/leave_group.h"
#include "kafka/gen/offset_commit.h"
#include "kafka/gen/offset_delete.h"
#include "kafka/gen/offset_fetch.h"
#include "kafka/gen/sync_group.h"

namespace isthmus::router {

namespace {

using kafka::ApiKey;
using kafka::ErrorCode;

constexpr auto dial_to_home_for = std::chrono::seconds(3);
// A move that has refused something is done: the routes follow at once.
constexpr auto routes_follow_within = std::chrono::seconds(1);
// Of one client; each move needs one.
constexpr size_t max_connections = 16;

constexpr auto moved = ErrorCode::not_coordinator;

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

MovedGroups::MovedGroups(io::Env& env, io::Gate& gate, Picture& picture,
                         std::shared_ptr<server::ConnectionContext> client)
    : env_(env), loop_(*client->loop), gate_(gate), picture_(picture), client_(std::move(client)) {}

void MovedGroups::cut() {
  cut_ = true;
  for (const Known& known : connections_) known.connection->close();
  picture_.news.notify_all();
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

// nullptr if the node does not answer.
io::Task<client::Connection*> MovedGroups::connect(NodeId to) {
  for (const Known& known : connections_) {
    if (known.node == to && !known.connection->closed()) co_return known.connection.get();
  }
  const Node* node = picture_.virtual_cluster.node(to);
  if (node == nullptr || cut_ || connections_.size() == max_connections) co_return nullptr;
  client::ConnectionOptions options;
  options.client_id = "isthmus-router";
  auto opened = co_await client::Connection::open(env_, gate_, node->real.address, options,
                                                  loop_.now() + dial_to_home_for);
  if (!opened) co_return nullptr;
  connections_.push_back({to, std::move(*opened)});
  client::Connection* connection = connections_.back().connection.get();
  if (cut_) connection->close();
  co_return cut_ ? nullptr : connection;
}

io::Task<std::optional<Slice>> MovedGroups::ask(GroupRequest request, std::optional<NodeId> asked) {
  const io::Instant deadline = loop_.now() + routes_follow_within;
  while (!cut_) {
    const auto node = node_of(request.group);
    if (node && node != asked) {
      client::Connection* connection = co_await connect(*node);
      if (connection == nullptr) co_return std::nullopt;
      const auto key = static_cast<ApiKey>(request.header.api_key);
      const int16_t version = request.header.api_version;
      if (connection->version_for(key, version) != version) co_return std::nullopt;
      auto answer = co_await connection->call_raw(
          {request.header.api_key, version, request.header.client_id, Rope(request.body)},
          io::Instant::max());
      if (!answer) co_return std::nullopt;
      if (!is_not_coordinator(request.header, *answer)) co_return std::move(*answer);
      asked = node;
    }
    if (loop_.now() >= deadline) co_return std::nullopt;
    co_await picture_.news.wait_until(deadline);
  }
  co_return std::nullopt;
}

}  // namespace isthmus::router
