// Group: the membership of one classic consumer group, as a state machine without I/O.
//
//            first join                     all have joined, or time is up
//    empty ------------> preparing_rebalance ------------------------> completing_rebalance
//      ^                   ^     ^    |                                  |            |
//      |  nobody is left   |     |    |                                  | a member   | assignment
//      +-------------------|-----|----+                                  | comes, goes| is durable
//                          |     +---------------------------------------+            |
//                          |  a member comes, goes or changes                         v
//                          +------------------------------------------------------- stable
//
// Owned by the coordinator (coordinator.h), on its loop. It is told what happened and the time, and
// returns what to do: which waiting requests to answer, what to store. A join and a sync wait under
// a RequestId that the caller chose; each is answered exactly once, sooner or later, if tick() is
// called when next_deadline() has come and refuse_waiting() before the group is given up.
//
// Members, timeouts and errors are Kafka's: KIP-62 (session and rebalance timeouts), KIP-134
// (initial delay), KIP-345 (static members), KIP-394 (a new member first learns its id), KIP-389
// (limit of members; what is too large to keep is answered with its error too), KIP-800, KIP-814 (a
// static leader comes back without a rebalance).
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "broker/group/config.h"
#include "broker/group/group_actions.h"
#include "broker/group/membership.h"
#include "kafka/gen/describe_groups.h"
#include "kafka/gen/leave_group.h"

namespace isthmus::broker {

class Group {
 public:
  // `config` outlives the group.
  Group(std::string id, const GroupConfig& config) : id_(std::move(id)), config_(&config) {}
  // As stored by an earlier coordinator. The members get a whole session to report.
  Group(std::string id, const GroupConfig& config, const kafka::GroupMetadataValue& stored,
        Now now);
  // As another cluster's coordinator has let it go.
  Group(std::string id, const GroupConfig& config, const Membership& moved, Now now);

  // `fresh_id` is random; it becomes the end of the member's id if it has none yet.
  GroupActions join(RequestId request, const Caller& caller, const kafka::JoinGroupRequest& join,
                    const std::string& fresh_id, Now now);
  GroupActions sync(RequestId request, const kafka::SyncGroupRequest& sync, Now now);
  kafka::ErrorCode heartbeat(const MemberClaim& claim, Now now);
  std::pair<kafka::LeaveGroupResponse, GroupActions> leave(const kafka::LeaveGroupRequest& leave,
                                                           Now now);
  // Whether a commit may be accepted; it counts as a sign of life. A claim without member and
  // generation is that of a client that uses no membership: welcome while nobody is a member.
  kafka::ErrorCode check_commit(const MemberClaim& claim, Now now);

  GroupActions stored(uint64_t ticket, kafka::ErrorCode error, Now now);
  GroupActions tick(Now now);
  std::optional<io::Instant> next_deadline() const;

  // Answers everything that waits with `error`. Members and state stay.
  GroupActions refuse_waiting(kafka::ErrorCode error);
  // Its members are another cluster's from now on: they are told `error` and forgotten. Kept, they
  // would hold up every rebalance of a later homecoming until their sessions end. The generation
  // stays: they live on in it there, and may come home in it.
  GroupActions dismiss(kafka::ErrorCode error, Now now);
  // Every member gets a whole session from now on: after a time in which it could not report.
  void renew_sessions(Now now);

  const std::string& id() const { return id_; }
  GroupState state() const { return state_; }
  int32_t generation() const { return generation_; }
  size_t size() const { return members_.size(); }
  // What its members take, with those that are about to be; 0 while nobody is.
  size_t bytes() const;
  // By how much a request would make it larger, if it were accepted; below 0 for smaller.
  int64_t growth(const Caller& caller, const kafka::JoinGroupRequest& join) const;
  int64_t growth(const kafka::SyncGroupRequest& sync) const;
  // Nobody is a member or about to be one.
  bool idle() const { return members_.empty() && pending_.empty(); }
  // Empty if no member ever joined: then the group only holds offsets.
  const std::string& protocol_type() const { return protocol_type_; }
  // Since when the state is what it is, by the wall clock; nullopt if that was not recorded.
  std::optional<int64_t> state_since_ms() const { return state_since_ms_; }
  // The topics that its consumers read; nullopt where they cannot be known.
  std::optional<std::set<std::string>> subscribed() const;

  // What is stored of it now.
  kafka::GroupMetadataValue snapshot() const;
  // What another coordinator needs to go on with its members. REQUIRES: nothing of it changes until
  // that one does, or this one goes on alone.
  Membership membership() const;
  kafka::DescribeGroupsResponse::DescribedGroup describe() const;

 private:
  struct Member {
    std::string id;
    std::optional<std::string> instance_id;
    std::string client_id;
    std::string client_host;
    int32_t rebalance_timeout_ms = 0;
    int32_t session_timeout_ms = 0;
    std::vector<std::pair<std::string, Slice>> protocols;  // in order of preference
    Slice assignment;
    RequestId joining = 0;
    RequestId syncing = 0;
    io::Instant deadline;    // it is gone unless it reports before
    bool is_new = true;      // waits for its first generation
    bool has_synced = true;  // in the present generation

    bool waits() const { return joining != 0 || syncing != 0; }
    size_t bytes() const;
    const Slice* metadata(std::string_view protocol) const;
  };
  // What to do once a stored value is durable.
  struct Storing {
    int32_t generation = -1;
    std::map<std::string, Slice> assignments;  // of that generation, or
    RequestId rejoin = 0;                      // the join of a static member that came back, and
    std::string rejoined_id;
    std::string old_leader;  // what that member is told if it cannot skip the assignment
    int16_t version = 0;
  };
  using Members = std::map<std::string, Member, std::less<>>;

  // group_join.cc
  static size_t bytes_of(const Caller& caller, const kafka::JoinGroupRequest& join);
  kafka::ErrorCode admit(const Caller& caller, const kafka::JoinGroupRequest& join) const;
  bool has_room_for(int64_t growth) const;
  void join_new(RequestId, const Caller&, const kafka::JoinGroupRequest&, const std::string& id,
                Now, GroupActions&);
  void join_static(RequestId, const Caller&, const kafka::JoinGroupRequest&, const std::string& id,
                   Now, GroupActions&);
  void join_known(RequestId, const Caller&, const kafka::JoinGroupRequest&, Now, GroupActions&);
  void replace_static(RequestId, const Caller&, const kafka::JoinGroupRequest&,
                      const std::string& id, Now, GroupActions&);
  void add_member(RequestId, const Caller&, const kafka::JoinGroupRequest&, std::string id, Now,
                  GroupActions&);
  void update_member(Member&, RequestId, const kafka::JoinGroupRequest&, Now, GroupActions&);
  void set_protocols(Member&, const kafka::JoinGroupRequest&);
  bool supports(const kafka::JoinGroupRequest& join) const;
  bool same_subscription(const Member& before, const Member& after) const;

  // group_rebalance.cc
  void rebalance_with(Member&, Now, GroupActions&);
  void prepare_rebalance(Now, GroupActions&);
  void complete_if_all_joined(Now, GroupActions&);
  void complete_join(Now, GroupActions&);
  bool elect_leader();
  std::string select_protocol() const;
  void refuse_assignment(kafka::ErrorCode error, Now, GroupActions&);
  void assign(const std::map<std::string, Slice>& assignments, Now, GroupActions&);
  // Takes it out of the group, without the rebalance that follows from it.
  void remove_member(Members::iterator, GroupActions&);
  void after_removal(Now, GroupActions&);
  void begin_store(Storing, kafka::GroupMetadataValue, GroupActions&);

  // group.cc
  kafka::ErrorCode check_member(const MemberClaim& claim) const;
  void enter(GroupState state, Now now);
  // Never below 0, which means "none" to clients.
  void next_generation();
  void report(Member& member, Now now) const;
  io::Duration rebalance_timeout() const;
  std::vector<kafka::JoinGroupResponse::JoinGroupResponseMember> subscriptions() const;
  kafka::JoinGroupResponse present_generation(const Member& member, bool with_members) const;
  kafka::SyncGroupResponse assignment_of(const Member& member) const;
  void answer_join(Member&, kafka::ErrorCode, GroupActions&);
  void answer_sync(Member&, kafka::ErrorCode, GroupActions&);

  std::string id_;
  const GroupConfig* config_;
  GroupState state_ = GroupState::empty;
  std::optional<int64_t> state_since_ms_;
  int32_t generation_ = 0;
  std::string protocol_type_;
  std::string protocol_;  // of the present generation
  std::string leader_;    // a member id
  Members members_;
  std::map<std::string, std::string> static_ids_;  // instance id -> member id
  std::map<std::string, io::Instant> pending_;     // ids given out, until when they may be used

  io::Instant join_deadline_;         // preparing_rebalance
  bool initial_ = false;              // the rebalance out of `empty` waits for further members,
  bool joined_meanwhile_ = false;     // again and again while more come,
  io::Duration initial_remaining_{};  // at most this long
  io::Instant sync_deadline_;         // of members whose has_synced is false

  std::map<uint64_t, Storing> storing_;
  uint64_t last_ticket_ = 0;
};

}  // namespace isthmus::broker
