#include "router/refusals.h"

#include <unordered_map>

#include "kafka/gen/delete_groups.h"
#include "kafka/gen/delete_records.h"
#include "kafka/gen/describe_groups.h"
#include "kafka/gen/fetch.h"
#include "kafka/gen/heartbeat.h"
#include "kafka/gen/join_group.h"
#include "kafka/gen/leave_group.h"
#include "kafka/gen/list_offsets.h"
#include "kafka/gen/offset_commit.h"
#include "kafka/gen/offset_delete.h"
#include "kafka/gen/offset_fetch.h"
#include "kafka/gen/offset_for_leader_epoch.h"
#include "kafka/gen/produce.h"
#include "kafka/gen/sync_group.h"
#include "server/reply.h"

namespace isthmus::router {

namespace {

using kafka::ApiKey;
using kafka::ErrorCode;

constexpr auto not_leader = ErrorCode::not_leader_or_follower;
constexpr auto not_coordinator = ErrorCode::not_coordinator;

// Each says, for one API, what it answers in `version`.

kafka::ProduceResponse refusal_of(const kafka::ProduceRequest& request, int16_t) {
  kafka::ProduceResponse response;
  for (const auto& topic : request.topic_data) {
    auto& out = response.responses.emplace_back();
    out.name = topic.name;
    for (const auto& partition : topic.partition_data) {
      auto& refused = out.partition_responses.emplace_back();
      refused.index = partition.index;
      refused.error_code = not_leader;
      refused.base_offset = -1;
    }
  }
  return response;
}

kafka::FetchResponse refusal_of(const kafka::FetchRequest& request, int16_t version) {
  kafka::FetchResponse response;
  if (version >= 7 && request.session_epoch > 0) {
    response.error_code = ErrorCode::fetch_session_id_not_found;
    return response;
  }
  for (const auto& topic : request.topics) {
    auto& out = response.responses.emplace_back();
    out.topic = topic.topic;
    out.topic_id = topic.topic_id;
    for (const auto& partition : topic.partitions) {
      auto& refused = out.partitions.emplace_back();
      refused.partition_index = partition.partition;
      refused.error_code = not_leader;
      refused.high_watermark = -1;
    }
  }
  return response;
}

// Those that name topics with partitions, and answer for each.
template <typename Request>
typename Request::Response each_partition(const Request& request, ErrorCode why) {
  typename Request::Response response;
  for (const auto& topic : request.topics) {
    auto& out = response.topics.emplace_back();
    out.name = topic.name;
    for (const auto& partition : topic.partitions) {
      auto& refused = out.partitions.emplace_back();
      refused.partition_index = partition.partition_index;
      refused.error_code = why;
    }
  }
  return response;
}

kafka::ListOffsetsResponse refusal_of(const kafka::ListOffsetsRequest& request, int16_t) {
  return each_partition(request, not_leader);
}

kafka::OffsetCommitResponse refusal_of(const kafka::OffsetCommitRequest& request, int16_t) {
  return each_partition(request, not_coordinator);
}

kafka::DeleteRecordsResponse refusal_of(const kafka::DeleteRecordsRequest& request, int16_t) {
  auto response = each_partition(request, not_leader);
  for (auto& topic : response.topics) {
    for (auto& partition : topic.partitions) partition.low_watermark = -1;
  }
  return response;
}

kafka::OffsetForLeaderEpochResponse refusal_of(const kafka::OffsetForLeaderEpochRequest& request,
                                               int16_t) {
  kafka::OffsetForLeaderEpochResponse response;
  for (const auto& topic : request.topics) {
    auto& out = response.topics.emplace_back();
    out.topic = topic.topic;
    for (const auto& partition : topic.partitions) {
      out.partitions.push_back({not_leader, partition.partition});
    }
  }
  return response;
}

kafka::JoinGroupResponse refusal_of(const kafka::JoinGroupRequest& request, int16_t) {
  kafka::JoinGroupResponse response;
  response.error_code = not_coordinator;
  response.member_id = request.member_id;
  return response;
}

// Those whose answer has one error for all.
template <typename Request>
typename Request::Response one_error(const Request&, int16_t) {
  typename Request::Response response;
  response.error_code = not_coordinator;
  return response;
}

// One error per partition up to version 1, then one for all, from 8 on one per group.
kafka::OffsetFetchResponse refusal_of(const kafka::OffsetFetchRequest& request, int16_t version) {
  kafka::OffsetFetchResponse response;
  response.error_code = not_coordinator;
  for (const auto& group : request.groups) {
    response.groups.push_back({group.group_id, {}, not_coordinator});
  }
  if (version >= 2 || !request.topics) return response;
  for (const auto& topic : *request.topics) {
    auto& out = response.topics.emplace_back();
    out.name = topic.name;
    for (const int32_t partition : topic.partition_indexes) {
      out.partitions.push_back({partition, -1, -1, "", not_coordinator});
    }
  }
  return response;
}

kafka::DescribeGroupsResponse refusal_of(const kafka::DescribeGroupsRequest& request, int16_t) {
  kafka::DescribeGroupsResponse response;
  for (const auto& group : request.groups) {
    auto& out = response.groups.emplace_back();
    out.error_code = not_coordinator;
    out.group_id = group;
  }
  return response;
}

kafka::DeleteGroupsResponse refusal_of(const kafka::DeleteGroupsRequest& request, int16_t) {
  kafka::DeleteGroupsResponse response;
  for (const auto& group : request.groups_names) {
    response.results.push_back({group, not_coordinator});
  }
  return response;
}

template <typename Request, auto refusal>
Result<Rope> answer(const server::Request& request) {
  auto message = server::decode_request<Request>(request);
  if (!message) return fail(message.error());
  return server::encode_response(request.header, refusal(*message, request.header.api_version));
}

template <typename Request>
constexpr auto shaped = [](const Request& m, int16_t version) { return refusal_of(m, version); };

using Answer = Result<Rope> (*)(const server::Request&);

template <typename Request>
std::pair<const ApiKey, Answer> by_parts() {
  return {Request::api_key, answer<Request, shaped<Request>>};
}
template <typename Request>
std::pair<const ApiKey, Answer> at_once() {
  return {Request::api_key, answer<Request, one_error<Request>>};
}

const std::unordered_map<ApiKey, Answer>& answers() {
  static const std::unordered_map<ApiKey, Answer> table = {
      by_parts<kafka::ProduceRequest>(),       by_parts<kafka::FetchRequest>(),
      by_parts<kafka::ListOffsetsRequest>(),   by_parts<kafka::OffsetForLeaderEpochRequest>(),
      by_parts<kafka::DeleteRecordsRequest>(), by_parts<kafka::JoinGroupRequest>(),
      at_once<kafka::HeartbeatRequest>(),      at_once<kafka::SyncGroupRequest>(),
      at_once<kafka::LeaveGroupRequest>(),     by_parts<kafka::OffsetCommitRequest>(),
      by_parts<kafka::OffsetFetchRequest>(),   by_parts<kafka::DescribeGroupsRequest>(),
      by_parts<kafka::DeleteGroupsRequest>(),  at_once<kafka::OffsetDeleteRequest>(),
  };
  return table;
}

}  // namespace

bool is_bound_to_a_node(ApiKey key) { return answers().contains(key); }

Result<Rope> refuse(const server::Request& request) {
  return answers().at(static_cast<ApiKey>(request.header.api_key))(request);
}

}  // namespace isthmus::router
