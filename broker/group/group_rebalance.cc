// Group: from one generation to the next.
#include <algorithm>

#include "broker/group/group.h"

namespace isthmus::broker {

using kafka::ErrorCode;

namespace {
// Between two looks whether a member is back: members name their own time-out, 0 is one, too.
constexpr io::milliseconds least_pause{1'000};
}  // namespace

GroupActions Group::sync(RequestId request, const kafka::SyncGroupRequest& sync, Now now) {
  GroupActions actions;
  const auto refuse = [&](ErrorCode error) {
    kafka::SyncGroupResponse response;
    response.error_code = error;
    actions.syncs.push_back({request, std::move(response)});
    return std::move(actions);
  };
  const ErrorCode error = check_member({sync.member_id, sync.group_instance_id});
  if (error != ErrorCode::none) return refuse(error);
  if (sync.generation_id != generation_) return refuse(ErrorCode::illegal_generation);
  if ((sync.protocol_type && *sync.protocol_type != protocol_type_) ||
      (sync.protocol_name && *sync.protocol_name != protocol_)) {
    return refuse(ErrorCode::inconsistent_group_protocol);
  }
  if (state_ == GroupState::preparing_rebalance) {
    return refuse(ErrorCode::rebalance_in_progress);
  }
  Member& member = members_.find(sync.member_id)->second;
  answer_sync(member, ErrorCode::rebalance_in_progress, actions);
  member.syncing = request;
  member.has_synced = true;
  report(member, now);
  if (state_ == GroupState::stable) {
    answer_sync(member, ErrorCode::none, actions);
    return actions;
  }
  const bool already_storing = std::ranges::any_of(storing_, [&](const auto& s) {
    return s.second.rejoin == 0 && s.second.generation == generation_;
  });
  if (member.id != leader_ || already_storing) return actions;

  if (!has_room_for(growth(sync))) {
    refuse_assignment(ErrorCode::group_max_size_reached, now, actions);
    return actions;
  }
  Storing storing;
  storing.generation = generation_;
  for (const auto& assignment : sync.assignments) {
    if (!members_.contains(assignment.member_id)) continue;
    storing.assignments[assignment.member_id] = Slice::copy_of(assignment.assignment.view());
  }
  kafka::GroupMetadataValue value = snapshot();
  for (auto& to : value.members) {
    const auto it = storing.assignments.find(to.member_id);
    to.assignment = it == storing.assignments.end() ? Slice{} : it->second;
  }
  begin_store(std::move(storing), std::move(value), actions);
  return actions;
}

// The present assignment goes only when the new one is stored.
int64_t Group::growth(const kafka::SyncGroupRequest& sync) const {
  size_t bytes = 0;
  for (const auto& assignment : sync.assignments) {
    if (members_.contains(assignment.member_id)) bytes += assignment.assignment.size();
  }
  return static_cast<int64_t>(bytes);
}

void Group::refuse_assignment(ErrorCode error, Now now, GroupActions& actions) {
  for (auto& [id, member] : members_) answer_sync(member, error, actions);
  prepare_rebalance(now, actions);
}

void Group::assign(const std::map<std::string, Slice>& assignments, Now now,
                   GroupActions& actions) {
  enter(GroupState::stable, now);
  for (auto& [id, member] : members_) {
    const auto it = assignments.find(id);
    member.assignment = it == assignments.end() ? Slice{} : it->second;
    if (member.syncing != 0) report(member, now);
    answer_sync(member, ErrorCode::none, actions);
  }
}

void Group::rebalance_with(Member& member, Now now, GroupActions& actions) {
  if (state_ != GroupState::preparing_rebalance) return prepare_rebalance(now, actions);
  complete_if_all_joined(now, actions);
}

void Group::prepare_rebalance(Now now, GroupActions& actions) {
  for (auto& [id, member] : members_) {
    answer_sync(member, ErrorCode::rebalance_in_progress, actions);
    member.has_synced = true;
  }
  initial_ = state_ == GroupState::empty && config_->initial_rebalance_delay_ms > 0;
  joined_meanwhile_ = false;
  enter(GroupState::preparing_rebalance, now);
  io::Duration delay = rebalance_timeout();
  if (initial_) {
    const io::Duration first = io::milliseconds(config_->initial_rebalance_delay_ms);
    initial_remaining_ = delay > first ? delay - first : io::Duration::zero();
    delay = std::min(delay, first);
  }
  join_deadline_ = now.steady + delay;
  complete_if_all_joined(now, actions);
}

void Group::complete_if_all_joined(Now now, GroupActions& actions) {
  if (state_ != GroupState::preparing_rebalance || initial_ || !pending_.empty()) return;
  const bool all = std::ranges::all_of(members_, [](const auto& m) { return m.second.joining; });
  if (all) complete_join(now, actions);
}

void Group::complete_join(Now now, GroupActions& actions) {
  for (auto it = members_.begin(); it != members_.end();) {
    const auto here = it++;
    const Member& member = here->second;
    if (member.joining == 0 && !member.instance_id) remove_member(here, actions);
  }
  if (!members_.empty() && !elect_leader()) {
    // Static members only, and none is back yet: they keep what they own until their sessions end.
    join_deadline_ = now.steady + std::max<io::Duration>(rebalance_timeout(), least_pause);
    return;
  }
  next_generation();
  initial_ = false;
  if (members_.empty()) {
    protocol_.clear();
    leader_.clear();
    enter(GroupState::empty, now);
    begin_store({}, snapshot(), actions);
    return;
  }
  protocol_ = select_protocol();
  enter(GroupState::completing_rebalance, now);
  sync_deadline_ = now.steady + rebalance_timeout();
  for (auto& [id, member] : members_) {
    report(member, now);
    member.is_new = false;
    // A static member that is away has nothing to sync; its session alone decides.
    member.has_synced = member.joining == 0;
    answer_join(member, ErrorCode::none, actions);
  }
}

// The leader must have joined this time, or nobody would assign. False if nobody has joined.
bool Group::elect_leader() {
  const auto it = members_.find(leader_);
  if (it != members_.end() && it->second.joining != 0) return true;
  for (const auto& [id, member] : members_) {
    if (member.joining == 0) continue;
    leader_ = id;
    return true;
  }
  return false;
}

// Each member votes for the first of its protocols that all speak; most votes win.
std::string Group::select_protocol() const {
  std::map<std::string, size_t> speakers;
  for (const auto& [id, member] : members_) {
    std::set<std::string_view> names;
    for (const auto& [name, metadata] : member.protocols) names.insert(name);
    for (const std::string_view name : names) ++speakers[std::string(name)];
  }
  std::map<std::string, size_t> votes;
  for (const auto& [id, member] : members_) {
    for (const auto& [name, metadata] : member.protocols) {
      if (speakers[name] != members_.size()) continue;
      ++votes[name];
      break;
    }
  }
  const auto most = std::ranges::max_element(votes, {}, [](const auto& v) { return v.second; });
  return most == votes.end() ? std::string() : most->first;
}

void Group::remove_member(Members::iterator it, GroupActions& actions) {
  Member& member = it->second;
  answer_join(member, ErrorCode::unknown_member_id, actions);
  answer_sync(member, ErrorCode::unknown_member_id, actions);
  if (member.instance_id) static_ids_.erase(*member.instance_id);
  const bool led = member.id == leader_;
  members_.erase(it);
  if (led) leader_ = members_.empty() ? std::string() : members_.begin()->first;
}

void Group::after_removal(Now now, GroupActions& actions) {
  switch (state_) {
    case GroupState::empty: return;
    case GroupState::preparing_rebalance: return complete_if_all_joined(now, actions);
    case GroupState::completing_rebalance:
    case GroupState::stable: return prepare_rebalance(now, actions);
  }
}

void Group::begin_store(Storing storing, kafka::GroupMetadataValue value, GroupActions& actions) {
  const uint64_t ticket = ++last_ticket_;
  storing_.emplace(ticket, std::move(storing));
  actions.store = GroupActions::Store{ticket, std::move(value)};
}

}  // namespace isthmus::broker
