// Coordinator: all groups whose partition of __consumer_offsets this broker leads.
//
// One per broker, on one loop (the caller hops there with io::call_on); it outlives its requests.
// It gives requests to the HostedGroup they are for. Which partitions are led, loaded and served,
// and what becomes of groups and requests when a partition moves, is its CoordinatorRuntime's
// (broker/coordinator/runtime.h). What it has answered is durable: a commit is acknowledged after
// the journal has it, an assignment is handed out after it is stored.
//
// Requests come decoded; whether the sender is authorised was found out before. Answers carry
// Kafka's codes; a journal that failed is COORDINATOR_NOT_AVAILABLE or NOT_COORDINATOR, which say
// "try again", never that the commit did not happen.
//
// Links. A link that mirrors another cluster commits for groups that live there. Such a group is
// owned by its link: clients' joins, commits and leaves get NOT_COORDINATOR, which makes them ask
// where the group is, until it is promoted or detached. A link commits offsets at their full
// height, also above what has been copied; they are stored under a key of our own (records.h), and
// what is served is never above the log's end. When ownership ends, offsets are cut to the log's
// end for good, as records that Kafka knows: data written here afterwards is not skipped. A
// switchover brings members, too, with whom the group goes on when that switchover promotes it.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/log.h"
#include "broker/coordinator/runtime.h"
#include "broker/group/config.h"
#include "broker/group/hosted_group.h"
#include "broker/group/link_commit.h"
#include "broker/group/seams.h"
#include "io/env.h"
#include "kafka/gen/delete_groups.h"
#include "kafka/gen/heartbeat.h"
#include "kafka/gen/list_groups.h"
#include "kafka/gen/offset_commit.h"
#include "kafka/gen/offset_delete.h"
#include "kafka/gen/offset_fetch.h"

namespace isthmus::broker {

// How long those who need to know every group wait for loaded().
inline constexpr auto patience_for_groups = std::chrono::seconds(5);

class Coordinator final : private CoordinatorKind {
 public:
  struct Seams {
    Journal& journal;
    Ownership& ownership;
    Topics& topics;
    LogEnds& ends;
  };
  // REQUIRES: drain() has returned before destruction, unless the loop has ended.
  Coordinator(io::Loop& loop, io::Random& random, GroupConfig config, Seams seams);

  // Of partitions of __consumer_offsets; what these say stands in broker/coordinator/runtime.h.
  void has_partitions(int32_t partitions) { runtime_.has_partitions(partitions); }
  void lead(PartitionIndex partition, LeaderEpoch leader_epoch) {
    runtime_.lead(partition, leader_epoch);
  }
  void resign(PartitionIndex partition) { runtime_.resign(partition); }
  io::Task<bool> loaded(io::Instant deadline) { return runtime_.loaded(deadline); }
  io::Task<void> drain() { return runtime_.drain(); }
  bool serves(const std::string& group) const;
  // The partitions of __consumer_offsets that are served here, each since which leader epoch.
  std::vector<std::pair<PartitionIndex, LeaderEpoch>> served() const { return runtime_.served(); }

  io::Task<kafka::JoinGroupResponse> join_group(Caller caller, kafka::JoinGroupRequest request);
  io::Task<kafka::SyncGroupResponse> sync_group(Caller caller, kafka::SyncGroupRequest request);
  io::Task<kafka::HeartbeatResponse> heartbeat(Caller caller, kafka::HeartbeatRequest request);
  io::Task<kafka::LeaveGroupResponse> leave_group(Caller caller, kafka::LeaveGroupRequest request);
  io::Task<kafka::OffsetCommitResponse> offset_commit(Caller caller,
                                                      kafka::OffsetCommitRequest request);
  io::Task<kafka::OffsetFetchResponse> offset_fetch(Caller caller,
                                                    kafka::OffsetFetchRequest request);
  io::Task<kafka::OffsetDeleteResponse> offset_delete(Caller caller,
                                                      kafka::OffsetDeleteRequest request);
  io::Task<kafka::DescribeGroupsResponse> describe_groups(Caller caller,
                                                          kafka::DescribeGroupsRequest request);
  io::Task<kafka::ListGroupsResponse> list_groups(Caller caller, kafka::ListGroupsRequest request);
  io::Task<kafka::DeleteGroupsResponse> delete_groups(Caller caller,
                                                      kafka::DeleteGroupsRequest request);

  // A commit without offsets takes no group; one that was wanted is no longer.
  io::Task<LinkCommitResult> commit_from_link(LinkCommit commit);

  // Ends a link's ownership, of many groups with few writes. Idempotent: a group that nobody owns
  // is fine. detach() ends it whichever link it is; promote() refuses (invalid_request) a group of
  // another link, and goes on with the members that `switchover` has brought; zero = none has. It
  // answers for each group, in their order.
  io::Task<std::vector<kafka::ErrorCode>> promote(std::string link, std::vector<std::string> groups,
                                                  Uuid switchover);
  io::Task<kafka::ErrorCode> detach(std::string group);

  // The members of a group that the fence of `switchover` has stopped, for another coordinator to
  // go on with. Error::kafka: the fence has ended, or the group is loading.
  Result<Membership> members_of(const std::string& group, const std::string& switchover);
  // The same, with what it has committed, and the term in which both are so.
  struct Moving {
    Membership members;
    kafka::OffsetFetchResponse::OffsetFetchResponseGroup offsets;
    PartitionIndex index = -1;
    LeaderEpoch leader_epoch = -1;
  };
  io::Task<Result<Moving>> moving(std::string group, std::string switchover);

  // All groups in the partitions that are loaded here, in order.
  std::vector<std::string> names() const { return runtime_.keys(); }
  // What a group has committed here, as far as it is durable, in topics that are there still.
  std::vector<std::pair<TopicPartition, Offset>> committed(const std::string& group);
  // The link that wants a group which has a life of its own here: after a promotion the group would
  // go on at what was committed here, not at the source. As the link's last word has it: a mirror
  // process says it again every round.
  std::optional<std::string> wanted_by(const std::string& group);
  // A switchover or a way back has written into the register that groups with a life of their own
  // here belong to a link now. Their members are sent to look for another coordinator.
  void follow_register();

  // These topics are no more, or others of their names: offsets that were committed in them are
  // forgotten, durably, in the background; what is answered knows of it at once. A link's groups
  // are left to the link.
  void forget_topics(std::set<std::string> deleted);

  // Switchover, at the source: clients' joins, commits, leaves and heartbeats for these groups, or
  // for all, wait or get NOT_COORDINATOR (broker/coordinator/runtime.h). unfence() gives the
  // members a whole session to report, with their ids and generation; `moved`: who waits gets
  // NOT_COORDINATOR, whatever the register says of the group.
  io::Task<void> fence(std::vector<std::string> groups, std::string id) {
    return runtime_.fence(std::move(groups), std::move(id));
  }
  io::Task<void> fence_all(std::string id,
                           CoordinatorFences::Clients clients = CoordinatorFences::Clients::wait) {
    return runtime_.fence_all(std::move(id), clients);
  }
  void unfence(const std::string& id, bool moved = false) { runtime_.unfence(id, moved); }
  // A record says so: from now on, whatever was accepted before.
  void hold_all(std::string id, CoordinatorFences::Clients clients) {
    runtime_.spawn("fence", fence_all(std::move(id), clients));
  }

 private:
  enum class GroupName : uint8_t { required, may_be_empty };

  // coordinator.cc
  std::unique_ptr<Loader> loader(TermPtr term) override;
  void served(const std::vector<HostedPtr>& all) override;
  Now now() const { return now_on(loop_); }
  std::string fresh_id();
  // Whether the group's partition is served here, and, for clients, whether they may change it.
  kafka::ErrorCode check(const std::string& group, GroupName name) const;
  kafka::ErrorCode check_client(const std::string& group, GroupName name) const;
  // The same, once no fence holds the group.
  io::Task<kafka::ErrorCode> admit_client(std::string group, GroupName name);
  bool fenced(const std::string& group) const { return runtime_.fences().hold(group); }
  HostedGroupPtr find(const std::string& group) const;
  HostedGroupPtr host(const std::string& group);  // found or made. REQUIRES: check() is none
  std::vector<HostedGroupPtr> all() const;

  // coordinator_offsets.cc
  io::Task<kafka::OffsetFetchResponse::OffsetFetchResponseGroup> fetch_group(
      kafka::OffsetFetchRequest::OffsetFetchRequestGroup request);

  // coordinator_topics.cc
  io::Task<void> forget(std::vector<HostedGroupPtr> groups, std::set<std::string> deleted);

  // coordinator_link.cc
  bool may_take(const HostedGroup& hosted, const std::string& link) const;
  io::Task<kafka::ErrorCode> take(HostedGroupPtr hosted, std::string link);
  // Writes what is new in the commit, and tombstones for what the link has found gone.
  io::Task<kafka::ErrorCode> write_from_link(HostedGroupPtr hosted, LinkCommit commit);
  struct Release {
    HostedGroupPtr hosted;  // null: there is nothing to do
    kafka::ErrorCode error = kafka::ErrorCode::none;
    bool with_members = false;
    std::optional<Membership> anew;                                   // as it begins without
    std::vector<std::pair<TopicPartition, CommittedOffset>> offsets;  // as they stay
  };
  // REQUIRES: no more than fit into one write of the register.
  io::Task<void> release(std::vector<Release>& releases, Uuid switchover);
  Release begin_release(const std::string& group, const std::string* link);
  io::Task<void> write_final(Release& release, Uuid switchover, io::InFlight& writing);
  void end_release(Release& release);

  io::Loop& loop_;
  io::Random& random_;
  const GroupConfig config_;
  Seams seams_;
  Logger log_{LogComponent::groups};

  std::map<std::string, int64_t> link_epochs_;  // the highest seen
  GroupMemory memory_;
  HostedGroup::Home home_;
  CoordinatorRuntime runtime_;
};

}  // namespace isthmus::broker
