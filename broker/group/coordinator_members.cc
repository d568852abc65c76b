// Coordinator: what members of groups ask.
#include "broker/group/coordinator.h"

namespace isthmus::broker {

using kafka::ErrorCode;

namespace {

// From this version LeaveGroup names several members, and answers for each.
constexpr int16_t leaves_in_batches = 3;

}  // namespace

io::Task<kafka::JoinGroupResponse> Coordinator::join_group(Caller caller,
                                                           kafka::JoinGroupRequest request) {
  const auto hold = runtime_.begin_request();
  kafka::JoinGroupResponse refusal;
  refusal.member_id = request.member_id;
  refusal.error_code = co_await admit_client(request.group_id, GroupName::required);
  if (refusal.error_code != ErrorCode::none) co_return refusal;
  if (!request.member_id.empty() && !find(request.group_id)) {
    refusal.error_code = ErrorCode::unknown_member_id;
    co_return refusal;
  }
  const HostedGroupPtr hosted = host(request.group_id);
  if (!memory_.has_room_for(request.group_id, hosted->group.growth(caller, request))) {
    hosted->remove_if_unused();
    refusal.error_code = ErrorCode::coordinator_not_available;
    co_return refusal;
  }
  Waiting<kafka::JoinGroupResponse> waiting(loop_, hosted->joins, ++hosted->last_request);
  hosted->perform(hosted->group.join(waiting.id(), caller, request, fresh_id(), now()));
  hosted->remove_if_unused();
  request = {};  // it may wait for long, and what it said is the group's now
  kafka::JoinGroupResponse response = co_await waiting.response();
  co_return response;
}

io::Task<kafka::SyncGroupResponse> Coordinator::sync_group(Caller caller,
                                                           kafka::SyncGroupRequest request) {
  const auto hold = runtime_.begin_request();
  kafka::SyncGroupResponse refusal;
  refusal.error_code = co_await admit_client(request.group_id, GroupName::required);
  // The rebalance that it belongs to was forgotten when the coordinator moved: it has to join
  // again, which this answer makes it do at once.
  if (refusal.error_code == ErrorCode::coordinator_load_in_progress) {
    refusal.error_code = ErrorCode::rebalance_in_progress;
  }
  if (refusal.error_code != ErrorCode::none) co_return refusal;
  const HostedGroupPtr hosted = find(request.group_id);
  if (!hosted) {
    refusal.error_code = ErrorCode::unknown_member_id;
    co_return refusal;
  }
  if (!memory_.has_room_for(request.group_id, hosted->group.growth(request))) {
    refusal.error_code = ErrorCode::coordinator_not_available;
    co_return refusal;
  }
  Waiting<kafka::SyncGroupResponse> waiting(loop_, hosted->syncs, ++hosted->last_request);
  hosted->perform(hosted->group.sync(waiting.id(), request, now()));
  request = {};
  kafka::SyncGroupResponse response = co_await waiting.response();
  co_return response;
}

io::Task<kafka::HeartbeatResponse> Coordinator::heartbeat(Caller caller,
                                                          kafka::HeartbeatRequest request) {
  const auto hold = runtime_.begin_request();
  kafka::HeartbeatResponse response;
  response.error_code = co_await admit_client(request.group_id, GroupName::required);
  // Clients have no use for "loading" here, some fail; sessions start anew after loading anyway.
  if (response.error_code == ErrorCode::coordinator_load_in_progress) {
    response.error_code = ErrorCode::none;
    co_return response;
  }
  if (response.error_code != ErrorCode::none) co_return response;
  const HostedGroupPtr hosted = find(request.group_id);
  const MemberClaim claim{request.member_id, request.group_instance_id, request.generation_id};
  response.error_code =
      hosted ? hosted->group.heartbeat(claim, now()) : ErrorCode::unknown_member_id;
  if (hosted) runtime_.arm(*hosted);
  co_return response;
}

io::Task<kafka::LeaveGroupResponse> Coordinator::leave_group(Caller caller,
                                                             kafka::LeaveGroupRequest request) {
  const auto hold = runtime_.begin_request();
  const bool batch = caller.version >= leaves_in_batches;
  if (!batch) {
    request.members.resize(1);
    request.members.front().member_id = request.member_id;
  }
  kafka::LeaveGroupResponse response;
  response.error_code = co_await admit_client(request.group_id, GroupName::required);
  if (response.error_code != ErrorCode::none) co_return response;
  if (const HostedGroupPtr hosted = find(request.group_id)) {
    auto [left, actions] = hosted->group.leave(request, now());
    response = std::move(left);
    hosted->perform(std::move(actions));
  } else {
    for (const auto& member : request.members) {
      auto& result = response.members.emplace_back();
      result.member_id = member.member_id;
      result.group_instance_id = member.group_instance_id;
      result.error_code = ErrorCode::unknown_member_id;
    }
  }
  if (!batch) {
    response.error_code = response.members.front().error_code;
    response.members.clear();
  }
  co_return response;
}

}  // namespace isthmus::broker
