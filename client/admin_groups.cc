// The calls of Admin that groups' coordinators answer.
#include <algorithm>
#include <iterator>
#include <map>

#include "client/admin.h"
#include "io/gate.h"
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

// Over a long line it is one way there and back: who is known is asked while it is found out who
// there is by now. Whoever has not answered, or lives elsewhere by now, is asked again.
Answer<Admin::Groups> Admin::list_groups(io::Instant deadline) {
  Result<void> refreshed = fail("not asked");
  std::map<NodeId, Result<Groups>> answers;
  io::Gate at_once(cluster_.loop());
  at_once.spawn("refresh", refresh(deadline, refreshed));
  const auto known = cluster_.metadata().brokers();
  for (const auto& [id, broker] : known) {
    Result<Groups>& answer = answers.emplace(id, fail("not asked")).first->second;
    at_once.spawn("list groups", try_list_groups_at(id, deadline, answer));
  }
  co_await at_once.close();
  if (!refreshed) co_return fail(refreshed.error());
  Groups all;
  const auto brokers = cluster_.metadata().brokers();
  for (const auto& [id, broker] : brokers) {
    Result<Groups> answer = fail("not asked");
    const auto before = known.find(id);
    const bool is_there = before != known.end() && before->second.address == broker.address;
    if (is_there) answer = std::move(answers.at(id));
    if (!answer) answer = co_await list_groups_at(id, deadline);
    if (!answer) co_return fail(answer.error());
    std::ranges::move(*answer, std::back_inserter(all));
  }
  co_return all;
}

io::Task<void> Admin::refresh(io::Instant deadline, Result<void>& done) {
  done = co_await cluster_.refresh(deadline);
}

io::Task<void> Admin::try_list_groups_at(NodeId id, io::Instant deadline, Result<Groups>& answer) {
  auto connection = co_await cluster_.try_node(id, deadline);
  if (!connection) co_return;
  auto response = co_await (*connection)->call(kafka::ListGroupsRequest(), deadline);
  if (response && response->error_code == ErrorCode::none) answer = std::move(response->groups);
}

Answer<Admin::Groups> Admin::list_groups_at(NodeId id, io::Instant deadline) {
  for (;;) {
    auto response = co_await cluster_.call_node(id, kafka::ListGroupsRequest(), deadline);
    if (!response) co_return fail(response.error());
    const ErrorCode error = response->error_code;
    if (error == ErrorCode::none) co_return std::move(response->groups);
    if (!kafka::is_retriable(error)) co_return fail(group_error(error, "list"));
    auto again = co_await cluster_.refresh_after_pause(deadline);
    if (!again) co_return fail(group_error(error, "list"));
  }
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
