// Group: how members come in.
#include "broker/group/group.h"
#include "broker/group/subscription.h"

namespace isthmus::broker {

using kafka::ErrorCode;

namespace {

// From this version of JoinGroup a new member is first told its id, and comes back with it
// (KIP-394): else a client that times out and tries again leaves a ghost behind each time.
constexpr int16_t knows_member_id_required = 4;
// From this version a leader can be told that the assignment stands (KIP-814).
constexpr int16_t knows_skip_assignment = 9;
// Clients know a handful. Each of a member's is looked for among those of every other.
constexpr size_t most_protocols = 100;

void refuse(RequestId request, ErrorCode error, const std::string& member_id,
            GroupActions& actions) {
  kafka::JoinGroupResponse response;
  response.error_code = error;
  response.member_id = member_id;
  actions.joins.push_back({request, std::move(response)});
}

}  // namespace

GroupActions Group::join(RequestId request, const Caller& caller,
                         const kafka::JoinGroupRequest& join, const std::string& fresh_id,
                         Now now) {
  GroupActions actions;
  if (const ErrorCode error = admit(caller, join); error != ErrorCode::none) {
    refuse(request, error, join.member_id, actions);
  } else if (!join.member_id.empty()) {
    join_known(request, caller, join, now, actions);
  } else if (join.group_instance_id) {
    join_static(request, caller, join, *join.group_instance_id + "-" + fresh_id, now, actions);
  } else {
    join_new(request, caller, join, caller.client_id + "-" + fresh_id, now, actions);
  }
  return actions;
}

ErrorCode Group::admit(const Caller& caller, const kafka::JoinGroupRequest& join) const {
  if (join.session_timeout_ms < config_->min_session_timeout_ms ||
      join.session_timeout_ms > config_->max_session_timeout_ms) {
    return ErrorCode::invalid_session_timeout;
  }
  const bool known = members_.contains(join.member_id) || pending_.contains(join.member_id) ||
                     (join.group_instance_id && static_ids_.contains(*join.group_instance_id));
  const size_t size = members_.size() + pending_.size();
  if (!known && size >= static_cast<size_t>(config_->max_members)) {
    return ErrorCode::group_max_size_reached;
  }
  if (join.protocols.size() > most_protocols) return ErrorCode::inconsistent_group_protocol;
  const bool fits = bytes_of(caller, join) <= static_cast<size_t>(config_->max_member_bytes);
  if (!fits || !has_room_for(growth(caller, join))) return ErrorCode::group_max_size_reached;
  return supports(join) ? ErrorCode::none : ErrorCode::inconsistent_group_protocol;
}

size_t Group::bytes_of(const Caller& caller, const kafka::JoinGroupRequest& join) {
  Member wanted;
  wanted.id = join.member_id;
  wanted.instance_id = join.group_instance_id;
  wanted.client_id = caller.client_id;
  wanted.client_host = caller.client_host;
  for (const auto& protocol : join.protocols) {
    wanted.protocols.emplace_back(protocol.name, protocol.metadata);
  }
  return wanted.bytes();
}

int64_t Group::growth(const Caller& caller, const kafka::JoinGroupRequest& join) const {
  const auto known = members_.find(join.member_id);
  const size_t has = known == members_.end() ? 0 : known->second.bytes();
  return static_cast<int64_t>(bytes_of(caller, join)) - static_cast<int64_t>(has);
}

bool Group::has_room_for(int64_t growth) const {
  return growth <= 0 || static_cast<int64_t>(bytes()) + growth <= config_->max_group_bytes;
}

// At least one protocol must be spoken by all.
bool Group::supports(const kafka::JoinGroupRequest& join) const {
  if (join.protocols.empty() || join.protocol_type.empty()) return false;
  if (members_.empty()) return true;
  if (join.protocol_type != protocol_type_) return false;
  // Itself, as it was before, has no say.
  std::string self = join.member_id;
  if (join.group_instance_id) {
    const auto it = static_ids_.find(*join.group_instance_id);
    if (it != static_ids_.end()) self = it->second;
  }
  for (const auto& protocol : join.protocols) {
    bool all = true;
    for (const auto& [id, member] : members_) {
      all = all && (id == self || member.metadata(protocol.name) != nullptr);
    }
    if (all) return true;
  }
  return false;
}

void Group::join_new(RequestId request, const Caller& caller, const kafka::JoinGroupRequest& join,
                     const std::string& id, Now now, GroupActions& actions) {
  if (caller.version < knows_member_id_required) {
    return add_member(request, caller, join, id, now, actions);
  }
  pending_[id] = now.steady + io::milliseconds(join.session_timeout_ms);
  refuse(request, ErrorCode::member_id_required, id, actions);
}

void Group::join_static(RequestId request, const Caller& caller,
                        const kafka::JoinGroupRequest& join, const std::string& id, Now now,
                        GroupActions& actions) {
  if (static_ids_.contains(*join.group_instance_id)) {
    return replace_static(request, caller, join, id, now, actions);
  }
  add_member(request, caller, join, id, now, actions);
}

void Group::join_known(RequestId request, const Caller& caller, const kafka::JoinGroupRequest& join,
                       Now now, GroupActions& actions) {
  if (pending_.erase(join.member_id) > 0) {
    return add_member(request, caller, join, join.member_id, now, actions);
  }
  const ErrorCode error = check_member({join.member_id, join.group_instance_id});
  if (error != ErrorCode::none) return refuse(request, error, join.member_id, actions);

  Member& member = members_.find(join.member_id)->second;
  Member before = member;
  update_member(member, request, join, now, actions);
  const bool unchanged = before.protocols == member.protocols;
  // It did not hear our answer to its join, and asks again.
  const bool repeats = state_ == GroupState::completing_rebalance && unchanged;
  // A leader that joins again wants a rebalance; another member only if it says something new.
  const bool content = state_ == GroupState::stable && unchanged && member.id != leader_;
  if (!repeats && !content) return rebalance_with(member, now, actions);
  member.joining = 0;
  kafka::JoinGroupResponse response = present_generation(member, repeats && member.id == leader_);
  actions.joins.push_back({request, std::move(response)});
}

// The process behind a static member has started again, and has no member id yet.
void Group::replace_static(RequestId request, const Caller& caller,
                           const kafka::JoinGroupRequest& join, const std::string& id, Now now,
                           GroupActions& actions) {
  const std::string old_leader = leader_;
  auto node = members_.extract(static_ids_[*join.group_instance_id]);
  Member& old = node.mapped();
  const bool was_leader = old.id == leader_;
  // Two processes with one instance id: the older must not go on as though it were the one.
  answer_join(old, ErrorCode::fenced_instance_id, actions);
  answer_sync(old, ErrorCode::fenced_instance_id, actions);
  const Member before = old;
  node.key() = id;
  Member& member = members_.insert(std::move(node)).position->second;
  member.id = id;
  member.client_id = caller.client_id;
  member.client_host = caller.client_host;
  static_ids_[*join.group_instance_id] = id;
  if (was_leader) leader_ = id;
  update_member(member, request, join, now, actions);

  const bool stays = state_ == GroupState::stable && select_protocol() == protocol_ &&
                     same_subscription(before, member);
  if (!stays) return rebalance_with(member, now, actions);
  // Its new id must be durable before it is used: else the next coordinator would fence it.
  member.joining = 0;
  Storing storing;
  storing.generation = generation_;
  storing.rejoin = request;
  storing.rejoined_id = id;
  storing.version = caller.version;
  storing.old_leader = old_leader;
  begin_store(std::move(storing), snapshot(), actions);
}

// A consumer that restarts has lost what it owned, so its metadata differ although it wants the
// same; its topics tell. Of other types we know nothing and, like Kafka, ask only for the protocol.
bool Group::same_subscription(const Member& before, const Member& after) const {
  if (protocol_type_ != "consumer") return true;
  const Slice* old_metadata = before.metadata(protocol_);
  const Slice* new_metadata = after.metadata(protocol_);
  if (!old_metadata || !new_metadata) return false;
  const auto old_topics = subscribed_topics(*old_metadata);
  const auto new_topics = subscribed_topics(*new_metadata);
  if (!old_topics || !new_topics) return *old_metadata == *new_metadata;
  return old_topics == new_topics;
}

void Group::add_member(RequestId request, const Caller& caller, const kafka::JoinGroupRequest& join,
                       std::string id, Now now, GroupActions& actions) {
  if (members_.empty()) protocol_type_ = join.protocol_type;
  Member& member = members_[id];
  member.id = std::move(id);
  member.instance_id = join.group_instance_id;
  member.client_id = caller.client_id;
  member.client_host = caller.client_host;
  if (member.instance_id) static_ids_[*member.instance_id] = member.id;
  if (leader_.empty()) leader_ = member.id;
  update_member(member, request, join, now, actions);
  member.deadline = now.steady + io::milliseconds(config_->new_member_timeout_ms);
  if (state_ == GroupState::preparing_rebalance && initial_) joined_meanwhile_ = true;
  rebalance_with(member, now, actions);
}

void Group::update_member(Member& member, RequestId request, const kafka::JoinGroupRequest& join,
                          Now now, GroupActions& actions) {
  // A second join while the first waits: the client has given up on the first.
  answer_join(member, ErrorCode::rebalance_in_progress, actions);
  member.joining = request;
  member.session_timeout_ms = join.session_timeout_ms;
  // JoinGroup v0 knows one timeout only.
  member.rebalance_timeout_ms =
      join.rebalance_timeout_ms >= 0 ? join.rebalance_timeout_ms : join.session_timeout_ms;
  set_protocols(member, join);
  if (!member.is_new) report(member, now);
}

void Group::set_protocols(Member& member, const kafka::JoinGroupRequest& join) {
  member.protocols.clear();
  for (const auto& protocol : join.protocols) {
    // A copy: the slice would keep the whole request alive as long as the member lives.
    member.protocols.emplace_back(protocol.name, Slice::copy_of(protocol.metadata.view()));
  }
}

GroupActions Group::stored(uint64_t ticket, ErrorCode error, Now now) {
  GroupActions actions;
  auto node = storing_.extract(ticket);
  if (node.empty()) return actions;
  Storing& storing = node.mapped();
  if (storing.rejoin != 0) {
    const auto it = members_.find(storing.rejoined_id);
    if (it == members_.end()) error = ErrorCode::unknown_member_id;
    if (error != ErrorCode::none) {
      refuse(storing.rejoin, error, "", actions);
      return actions;
    }
    Member& member = it->second;
    report(member, now);
    const bool leads = member.id == leader_;
    const bool skips = storing.version >= knows_skip_assignment;
    kafka::JoinGroupResponse response = present_generation(member, leads && skips);
    response.skip_assignment = leads && skips;
    // A leader that cannot skip must not learn that it leads: it would assign anew, and nobody
    // would hear of it.
    if (!skips) response.leader = storing.old_leader;
    actions.joins.push_back({storing.rejoin, std::move(response)});
    return actions;
  }
  if (state_ != GroupState::completing_rebalance || storing.generation != generation_) {
    return actions;
  }
  if (error == ErrorCode::none) {
    assign(storing.assignments, now, actions);
    return actions;
  }
  refuse_assignment(error, now, actions);
  return actions;
}

}  // namespace isthmus::broker
