#include "broker/group/group.h"

#include <algorithm>

#include "broker/group/subscription.h"

namespace isthmus::broker {

using kafka::ErrorCode;

std::string_view state_name(GroupState state) {
  switch (state) {
    case GroupState::empty: return "Empty";
    case GroupState::preparing_rebalance: return "PreparingRebalance";
    case GroupState::completing_rebalance: return "CompletingRebalance";
    case GroupState::stable: return "Stable";
  }
  return "Unknown";
}

const Slice* Group::Member::metadata(std::string_view protocol) const {
  for (const auto& [name, bytes] : protocols) {
    if (name == protocol) return &bytes;
  }
  return nullptr;
}

size_t Group::Member::bytes() const {
  size_t bytes = sizeof(Member) + 2 * id.size() + instance_id.value_or("").size() +
                 client_id.size() + client_host.size() + assignment.size();
  for (const auto& [name, metadata] : protocols) {
    bytes += sizeof protocols.front() + name.size() + metadata.size();
  }
  return bytes;
}

size_t Group::bytes() const {
  if (idle()) return 0;
  size_t bytes = sizeof(Group) + id_.size();
  for (const auto& [id, member] : members_) bytes += member.bytes();
  for (const auto& [id, until] : pending_) bytes += sizeof until + 2 * sizeof id + id.size();
  return bytes;
}

Group::Group(std::string id, const GroupConfig& config, const kafka::GroupMetadataValue& stored,
             Now now)
    : Group(std::move(id), config) {
  generation_ = std::max(stored.generation, 0);
  protocol_type_ = stored.protocol_type;
  protocol_ = stored.protocol.value_or("");
  leader_ = stored.leader.value_or("");
  // Absent in what old brokers wrote. Taking "absent" for a time would make it the year 1970, and
  // all offsets of the group overdue (KAFKA-8069).
  if (stored.current_state_timestamp >= 0) state_since_ms_ = stored.current_state_timestamp;
  for (const auto& from : stored.members) {
    Member& member = members_[from.member_id];
    member.id = from.member_id;
    member.instance_id = from.group_instance_id;
    member.client_id = from.client_id;
    member.client_host = from.client_host;
    member.session_timeout_ms = from.session_timeout;
    member.rebalance_timeout_ms =
        from.rebalance_timeout > 0 ? from.rebalance_timeout : from.session_timeout;
    member.protocols.emplace_back(protocol_, from.subscription);
    member.assignment = from.assignment;
    member.is_new = false;
    if (member.instance_id) static_ids_[*member.instance_id] = member.id;
    report(member, now);
  }
  state_ = members_.empty() ? GroupState::empty : GroupState::stable;
}

Group::Group(std::string id, const GroupConfig& config, const Membership& moved, Now now)
    : Group(std::move(id), config, moved.stored, now) {
  // Their clients are on their way; the longest that they may take is not said.
  const io::Instant expected_until = now.steady + io::milliseconds(config.min_session_timeout_ms);
  for (const std::string& member : moved.expected) pending_[member] = expected_until;
  if (!moved.rebalancing || members_.empty()) return;
  enter(GroupState::preparing_rebalance, now);
  join_deadline_ = now.steady + rebalance_timeout();
}

ErrorCode Group::heartbeat(const MemberClaim& claim, Now now) {
  if (const ErrorCode error = check_member(claim); error != ErrorCode::none) return error;
  if (claim.generation != generation_) return ErrorCode::illegal_generation;
  report(members_.find(claim.member_id)->second, now);
  return state_ == GroupState::preparing_rebalance ? ErrorCode::rebalance_in_progress
                                                   : ErrorCode::none;
}

ErrorCode Group::check_commit(const MemberClaim& claim, Now now) {
  const bool anonymous = claim.member_id.empty() && !claim.instance_id;
  if (claim.generation < 0 && anonymous) {
    return members_.empty() ? ErrorCode::none : ErrorCode::unknown_member_id;
  }
  // A generation of a group that nobody is in: it is over, whichever it was.
  if (members_.empty() && anonymous) return ErrorCode::illegal_generation;
  if (const ErrorCode error = check_member(claim); error != ErrorCode::none) return error;
  if (claim.generation != generation_) return ErrorCode::illegal_generation;
  // The member knows the new generation but not what it owns in it: what it commits may be
  // another's already.
  if (state_ == GroupState::completing_rebalance) return ErrorCode::rebalance_in_progress;
  report(members_.find(claim.member_id)->second, now);
  return ErrorCode::none;
}

std::pair<kafka::LeaveGroupResponse, GroupActions> Group::leave(
    const kafka::LeaveGroupRequest& leave, Now now) {
  kafka::LeaveGroupResponse response;
  GroupActions actions;
  bool changed = false;
  for (const auto& identity : leave.members) {
    auto& result = response.members.emplace_back();
    result.member_id = identity.member_id;
    result.group_instance_id = identity.group_instance_id;
    std::string member_id = identity.member_id;
    if (member_id.empty() && identity.group_instance_id) {
      // An operator removes a static member by its name alone.
      const auto it = static_ids_.find(*identity.group_instance_id);
      if (it != static_ids_.end()) member_id = it->second;
    }
    if (pending_.erase(member_id) > 0) {
      changed = true;
      continue;
    }
    result.error_code = check_member({member_id, identity.group_instance_id});
    if (result.error_code != ErrorCode::none) continue;
    remove_member(members_.find(member_id), actions);
    changed = true;
  }
  if (changed) after_removal(now, actions);
  return {std::move(response), std::move(actions)};
}

GroupActions Group::tick(Now now) {
  GroupActions actions;
  bool removed = std::erase_if(pending_, [&](const auto& p) { return p.second <= now.steady; }) > 0;
  const bool sync_is_over =
      state_ == GroupState::completing_rebalance || state_ == GroupState::stable
          ? sync_deadline_ <= now.steady
          : false;
  for (auto it = members_.begin(); it != members_.end();) {
    const auto here = it++;
    const Member& member = here->second;
    // Who waits for us cannot report; but a new member may have given up waiting unseen.
    const bool silent = member.deadline <= now.steady && (member.is_new || !member.waits());
    if (!silent && !(sync_is_over && !member.has_synced)) continue;
    remove_member(here, actions);
    removed = true;
  }
  if (removed) after_removal(now, actions);
  if (state_ == GroupState::preparing_rebalance && join_deadline_ <= now.steady) {
    if (initial_ && joined_meanwhile_ && initial_remaining_ > io::Duration::zero()) {
      joined_meanwhile_ = false;
      const io::Duration delay = std::min<io::Duration>(
          io::milliseconds(config_->initial_rebalance_delay_ms), initial_remaining_);
      initial_remaining_ -= delay;
      join_deadline_ = now.steady + delay;
    } else {
      complete_join(now, actions);
    }
  }
  return actions;
}

std::optional<io::Instant> Group::next_deadline() const {
  std::optional<io::Instant> next;
  const auto consider = [&next](io::Instant deadline) {
    if (!next || deadline < *next) next = deadline;
  };
  for (const auto& [id, until] : pending_) consider(until);
  const bool syncing = state_ == GroupState::completing_rebalance || state_ == GroupState::stable;
  for (const auto& [id, member] : members_) {
    if (member.is_new || !member.waits()) consider(member.deadline);
    if (syncing && !member.has_synced) consider(sync_deadline_);
  }
  if (state_ == GroupState::preparing_rebalance) consider(join_deadline_);
  return next;
}

GroupActions Group::refuse_waiting(ErrorCode error) {
  GroupActions actions;
  for (auto& [id, member] : members_) {
    answer_join(member, error, actions);
    answer_sync(member, error, actions);
  }
  for (auto& [ticket, storing] : storing_) {
    if (storing.rejoin == 0) continue;
    kafka::JoinGroupResponse response;
    response.error_code = error;
    actions.joins.push_back({std::exchange(storing.rejoin, 0), std::move(response)});
  }
  return actions;
}

GroupActions Group::dismiss(ErrorCode error, Now now) {
  GroupActions actions = refuse_waiting(error);
  pending_.clear();
  if (members_.empty()) return actions;
  members_.clear();
  static_ids_.clear();
  protocol_.clear();
  leader_.clear();
  initial_ = false;
  enter(GroupState::empty, now);
  begin_store({}, snapshot(), actions);
  return actions;
}

void Group::renew_sessions(Now now) {
  for (auto& [id, member] : members_) report(member, now);
  join_deadline_ = std::max(join_deadline_, now.steady + rebalance_timeout());
  sync_deadline_ = std::max(sync_deadline_, now.steady + rebalance_timeout());
}

std::optional<std::set<std::string>> Group::subscribed() const {
  if (protocol_type_ != "consumer" || protocol_.empty()) return std::nullopt;
  std::set<std::string> all;
  for (const auto& [id, member] : members_) {
    const Slice* metadata = member.metadata(protocol_);
    auto topics = metadata ? subscribed_topics(*metadata) : std::nullopt;
    if (!topics) return std::nullopt;
    all.merge(*topics);
  }
  return all;
}

kafka::GroupMetadataValue Group::snapshot() const {
  kafka::GroupMetadataValue value;
  value.protocol_type = protocol_type_;
  value.generation = generation_;
  if (!protocol_.empty()) value.protocol = protocol_;
  if (!leader_.empty()) value.leader = leader_;
  value.current_state_timestamp = state_since_ms_.value_or(-1);
  for (const auto& [id, member] : members_) {
    auto& to = value.members.emplace_back();
    to.member_id = id;
    to.group_instance_id = member.instance_id;
    to.client_id = member.client_id;
    to.client_host = member.client_host;
    to.rebalance_timeout = member.rebalance_timeout_ms;
    to.session_timeout = member.session_timeout_ms;
    if (const Slice* metadata = member.metadata(protocol_)) to.subscription = *metadata;
    to.assignment = member.assignment;
  }
  return value;
}

Membership Group::membership() const {
  Membership moved;
  moved.stored = snapshot();
  moved.rebalancing =
      state_ == GroupState::preparing_rebalance || state_ == GroupState::completing_rebalance;
  for (const auto& [id, until] : pending_) moved.expected.push_back(id);
  // It has joined, and waits for its first generation: what it has said is not of a generation that
  // could be stored, and it says it again where it is sent. A static one comes by its name.
  std::erase_if(moved.stored.members, [&](const auto& stored) {
    const Member& member = members_.find(stored.member_id)->second;
    if (member.is_new && !member.instance_id) moved.expected.push_back(member.id);
    return member.is_new;
  });
  return moved;
}

kafka::DescribeGroupsResponse::DescribedGroup Group::describe() const {
  kafka::DescribeGroupsResponse::DescribedGroup group;
  group.group_id = id_;
  group.group_state = state_name(state_);
  group.protocol_type = protocol_type_;
  // In between, subscriptions and assignments belong to different generations: Kafka shows none.
  const bool stable = state_ == GroupState::stable;
  if (stable) group.protocol_data = protocol_;
  for (const auto& [id, member] : members_) {
    auto& to = group.members.emplace_back();
    to.member_id = id;
    to.group_instance_id = member.instance_id;
    to.client_id = member.client_id;
    to.client_host = member.client_host;
    if (!stable) continue;
    if (const Slice* metadata = member.metadata(protocol_)) to.member_metadata = *metadata;
    to.member_assignment = member.assignment;
  }
  return group;
}

ErrorCode Group::check_member(const MemberClaim& claim) const {
  if (claim.instance_id) {
    const auto it = static_ids_.find(*claim.instance_id);
    if (it == static_ids_.end()) return ErrorCode::unknown_member_id;
    if (it->second != claim.member_id) return ErrorCode::fenced_instance_id;
  }
  return members_.contains(claim.member_id) ? ErrorCode::none : ErrorCode::unknown_member_id;
}

void Group::enter(GroupState state, Now now) {
  state_ = state;
  state_since_ms_ = now.wall_ms;
}

void Group::next_generation() { generation_ = generation_ == INT32_MAX ? 1 : generation_ + 1; }

void Group::report(Member& member, Now now) const {
  member.deadline = now.steady + io::milliseconds(member.session_timeout_ms);
}

io::Duration Group::rebalance_timeout() const {
  int32_t longest = 0;
  for (const auto& [id, member] : members_) {
    longest = std::max(longest, member.rebalance_timeout_ms);
  }
  return io::milliseconds(longest);
}

// Static members stand together: the range assignor of kafka-python 3.0 forgets members where
// static and dynamic ones alternate.
std::vector<kafka::JoinGroupResponse::JoinGroupResponseMember> Group::subscriptions() const {
  std::vector<kafka::JoinGroupResponse::JoinGroupResponseMember> all;
  for (bool static_ones : {true, false}) {
    for (const auto& [id, member] : members_) {
      if (member.instance_id.has_value() != static_ones) continue;
      auto& to = all.emplace_back();
      to.member_id = id;
      to.group_instance_id = member.instance_id;
      if (const Slice* metadata = member.metadata(protocol_)) to.metadata = *metadata;
    }
  }
  return all;
}

kafka::JoinGroupResponse Group::present_generation(const Member& member, bool with_members) const {
  kafka::JoinGroupResponse response;
  response.generation_id = generation_;
  response.protocol_type = protocol_type_;
  response.protocol_name = protocol_;
  response.leader = leader_;
  response.member_id = member.id;
  if (with_members) response.members = subscriptions();
  return response;
}

kafka::SyncGroupResponse Group::assignment_of(const Member& member) const {
  kafka::SyncGroupResponse response;
  response.protocol_type = protocol_type_;
  response.protocol_name = protocol_;
  response.assignment = member.assignment;
  return response;
}

void Group::answer_join(Member& member, ErrorCode error, GroupActions& actions) {
  if (member.joining == 0) return;
  kafka::JoinGroupResponse response;
  if (error == ErrorCode::none) {
    response = present_generation(member, member.id == leader_);
  } else {
    response.error_code = error;
    response.member_id = member.id;
  }
  actions.joins.push_back({std::exchange(member.joining, 0), std::move(response)});
}

void Group::answer_sync(Member& member, ErrorCode error, GroupActions& actions) {
  if (member.syncing == 0) return;
  kafka::SyncGroupResponse response;
  if (error == ErrorCode::none) response = assignment_of(member);
  response.error_code = error;
  actions.syncs.push_back({std::exchange(member.syncing, 0), std::move(response)});
}

}  // namespace isthmus::broker
