#include "router/reading.h"

#include <algorithm>

#include "kafka/gen/delete_groups.h"
#include "kafka/gen/delete_records.h"
#include "kafka/gen/describe_groups.h"
#include "kafka/gen/fetch.h"
#include "kafka/gen/list_offsets.h"
#include "kafka/gen/offset_fetch.h"
#include "kafka/gen/offset_for_leader_epoch.h"
#include "kafka/gen/produce.h"
#include "server/reply.h"

namespace isthmus::router {

namespace {

using kafka::ApiKey;

Whereabouts here_if(bool all_are) { return all_are ? Whereabouts::here : Whereabouts::elsewhere; }

// The message's topics, whose names `name_of` gives.
template <typename Request, typename NameOf>
Result<Whereabouts> by_topics(const server::Request& request, auto Request::* topics,
                              const Routes& routes, const std::string& cluster, NameOf name_of) {
  auto message = server::decode_request<Request>(request);
  if (!message) return fail(message.error());
  return here_if(std::ranges::all_of((*message).*topics, [&](const auto& topic) {
    return routes.home_of_topic(name_of(topic)) == cluster;
  }));
}

// From version 13 on, a fetch names topics by id. One that no cluster has told us of is passed on:
// the node knows whether it exists.
Result<Whereabouts> of_fetch(const server::Request& request, const Picture& picture,
                             const std::string& cluster) {
  const bool by_id = request.header.api_version >= 13;
  auto message = server::decode_request<kafka::FetchRequest>(request);
  if (!message) return fail(message.error());
  return here_if(std::ranges::all_of(message->topics, [&](const auto& topic) {
    const std::string* name = by_id ? picture.topic_name(topic.topic_id) : &topic.topic;
    return name == nullptr || picture.routes.home_of_topic(*name) == cluster;
  }));
}

Result<Whereabouts> of_groups(const std::vector<std::string>& groups, const Routes& routes,
                              const std::string& cluster) {
  return here_if(std::ranges::all_of(
      groups, [&](const auto& group) { return routes.home_of_group(group) == cluster; }));
}

// Most requests of groups begin with the group's name.
Result<std::vector<std::string>> groups_in(const server::Request& request) {
  const auto key = static_cast<ApiKey>(request.header.api_key);
  if (key == ApiKey::describe_groups) {
    auto message = server::decode_request<kafka::DescribeGroupsRequest>(request);
    if (!message) return fail(message.error());
    return std::move(message->groups);
  }
  if (key == ApiKey::delete_groups) {
    auto message = server::decode_request<kafka::DeleteGroupsRequest>(request);
    if (!message) return fail(message.error());
    return std::move(message->groups_names);
  }
  if (key == ApiKey::offset_fetch && request.header.api_version >= 8) {
    auto message = server::decode_request<kafka::OffsetFetchRequest>(request);
    if (!message) return fail(message.error());
    std::vector<std::string> groups;
    for (auto& group : message->groups) groups.push_back(std::move(group.group_id));
    return groups;
  }
  kafka::Reader reader(request.body);
  const bool compact = kafka::find_api(key)->is_flexible(request.header.api_version);
  std::string group = reader.string(compact);
  if (!reader.ok()) return fail(reader.error());
  return std::vector<std::string>{std::move(group)};
}

}  // namespace

Result<Whereabouts> whereabouts(const server::Request& request, const Picture& picture,
                                const std::string& cluster) {
  const Routes& routes = picture.routes;
  if (routes.everything_is_at(cluster)) return Whereabouts::here;
  const auto name = [](const auto& topic) -> const std::string& { return topic.name; };
  const auto topic = [](const auto& t) -> const std::string& { return t.topic; };
  switch (static_cast<ApiKey>(request.header.api_key)) {
    case ApiKey::fetch: return of_fetch(request, picture, cluster);
    case ApiKey::list_offsets:
      return by_topics(request, &kafka::ListOffsetsRequest::topics, routes, cluster, name);
    case ApiKey::delete_records:
      return by_topics(request, &kafka::DeleteRecordsRequest::topics, routes, cluster, name);
    case ApiKey::offset_for_leader_epoch:
      return by_topics(request, &kafka::OffsetForLeaderEpochRequest::topics, routes, cluster,
                       topic);
    default: {
      auto groups = groups_in(request);
      if (!groups) return fail(groups.error());
      return of_groups(*groups, routes, cluster);
    }
  }
}

std::optional<std::string> only_group(const server::Request& request) {
  switch (static_cast<ApiKey>(request.header.api_key)) {
    case ApiKey::join_group:
    case ApiKey::sync_group:
    case ApiKey::heartbeat:
    case ApiKey::leave_group:
    case ApiKey::offset_commit:
    case ApiKey::offset_fetch:
    case ApiKey::offset_delete: break;
    default: return std::nullopt;
  }
  auto groups = groups_in(request);
  if (!groups || groups->size() != 1) return std::nullopt;
  return std::move(groups->front());
}

Result<bool> expects_reply(const server::Request& produce) {
  kafka::Reader reader(produce.body);
  const bool compact = produce.header.api_version >= kafka::ProduceRequest::flexible_from;
  reader.nullable_string(compact);  // transactional id
  const int16_t acks = reader.int16();
  if (!reader.ok()) return fail(reader.error());
  return acks != 0;
}

Result<int32_t> fetch_session_epoch(const server::Request& fetch) {
  if (fetch.header.api_version < 7) return -1;
  kafka::Reader reader(fetch.body);
  if (fetch.header.api_version < 15) reader.int32();  // replica id
  reader.int32();                                     // max wait
  reader.int32();                                     // min bytes
  reader.int32();                                     // max bytes
  reader.int8();                                      // isolation level
  reader.int32();                                     // session id
  const int32_t epoch = reader.int32();
  if (!reader.ok()) return fail(reader.error());
  return epoch;
}

}  // namespace isthmus::router
