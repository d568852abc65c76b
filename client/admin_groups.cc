// The calls of Admin that groups' coordinators answer.
#include <algorithm>

#include "client/admin.h"
#include "kafka/gen/offset_fetch.h"

namespace isthmus::client {

namespace {

using kafka::ErrorCode;

// The error by which a coordinator says that it is not, or not ready yet; none if it has answered.
ErrorCode objection_among(std::initializer_list<ErrorCode> errors) {
  for (const ErrorCode error : errors) {
    if (error == ErrorCode::not_coordinator || error == ErrorCode::coordinator_not_available ||
        error == ErrorCode::coordinator_load_in_progress) {
      return error;
    }
  }
  return ErrorCode::none;
}
ErrorCode objection(const kafka::DescribeGroupsResponse& r) {
  return r.groups.empty() ? ErrorCode::none : objection_among({r.groups[0].error_code});
}
ErrorCode objection(const kafka::OffsetFetchResponse& r) {
  const ErrorCode in_group = r.groups.empty() ? ErrorCode::none : r.groups[0].error_code;
  return objection_among({r.error_code, in_group});
}

template <typename Request>
Answer<typename Request::Response> ask_coordinator(Cluster& cluster, std::string group,
                                                   Request request, io::Instant deadline) {
  for (;;) {
    auto response =
        co_await cluster.call_coordinator(CoordinatorType::group, group, request, deadline);
    if (!response) {
      cluster.forget_coordinator(CoordinatorType::group, group);
      co_return response;
    }
    const ErrorCode reason = objection(*response);
    if (reason == ErrorCode::none) co_return response;
    if (reason != ErrorCode::coordinator_load_in_progress) {
      cluster.forget_coordinator(CoordinatorType::group, group);
    }
    auto refreshed = co_await cluster.refresh_after_pause(deadline);
    if (!refreshed) co_return response;
  }
}

void read_committed(const auto& topics, ByPartition<CommittedOffset>& into) {
  for (const auto& topic : topics) {
    for (const auto& p : topic.partitions) {
      into[{topic.name, p.partition_index}] = {p.error_code, p.committed_offset,
                                               p.committed_leader_epoch, p.metadata.value_or("")};
    }
  }
}

Error group_error(ErrorCode error, const std::string& group) {
  return kafka::error_of(error, "group " + group + ": " + std::string(kafka::error_name(error)));
}

}  // namespace

Answer<std::vector<kafka::ListGroupsResponse::ListedGroup>> Admin::list_groups(
    io::Instant deadline) {
  auto refreshed = co_await cluster_.refresh(deadline);
  if (!refreshed) co_return fail(refreshed.error());
  std::vector<kafka::ListGroupsResponse::ListedGroup> all;
  const auto brokers = cluster_.metadata().brokers();
  for (const auto& [id, broker] : brokers) {
    for (;;) {
      auto response = co_await cluster_.call_node(id, kafka::ListGroupsRequest(), deadline);
      if (!response) co_return fail(response.error());
      const ErrorCode error = response->error_code;
      if (error == ErrorCode::none) {
        for (auto& group : response->groups) all.push_back(std::move(group));
        break;
      }
      if (!kafka::is_retriable(error)) co_return fail(group_error(error, "list"));
      auto again = co_await cluster_.refresh_after_pause(deadline);
      if (!again) co_return fail(group_error(error, "list"));
    }
  }
  co_return all;
}

Answer<kafka::DescribeGroupsResponse::DescribedGroup> Admin::describe_group(std::string group,
                                                                            io::Instant deadline) {
  kafka::DescribeGroupsRequest request;
  request.groups = {group};
  auto response = co_await ask_coordinator(cluster_, group, std::move(request), deadline);
  if (!response) co_return fail(response.error());
  if (response->groups.empty()) {
    co_return fail(Error::corrupt("group " + group + ": an answer that does not mention it"));
  }
  co_return std::move(response->groups[0]);
}

Answer<ByPartition<CommittedOffset>> Admin::committed_offsets(std::string group,
                                                              io::Instant deadline) {
  // Versions before 8 name one group, later ones many; only what a version has is sent. Null
  // topics ask for all.
  kafka::OffsetFetchRequest request;
  request.group_id = group;
  request.topics = std::nullopt;
  auto& in_list = request.groups.emplace_back();
  in_list.group_id = group;
  in_list.topics = std::nullopt;
  auto response = co_await ask_coordinator(cluster_, group, std::move(request), deadline);
  if (!response) co_return fail(response.error());
  ErrorCode error = response->error_code;
  if (!response->groups.empty()) error = response->groups[0].error_code;
  if (error != ErrorCode::none) co_return fail(group_error(error, group));
  ByPartition<CommittedOffset> committed;
  read_committed(response->topics, committed);
  if (!response->groups.empty()) read_committed(response->groups[0].topics, committed);
  co_return committed;
}

}  // namespace isthmus::client
