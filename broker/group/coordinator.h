// Coordinator: all groups whose partition of __consumer_offsets this broker leads.
//
// One per broker, on one loop (the caller hops there with io::call_on); it outlives its requests.
// It gives requests to the Group they are for, keeps the groups' timers, and writes to the Journal.
// What it has answered is durable: a commit is acknowledged after the journal has it, an assignment
// is handed out after it is stored. A partition is loaded completely before its groups are served
// (COORDINATOR_LOAD_IN_PROGRESS until then), in slices, beside what else the loop does; after
// resign() nothing of it is served.
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
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/log.h"
#include "broker/group/config.h"
#include "broker/group/fences.h"
#include "broker/group/hosted_group.h"
#include "broker/group/link_commit.h"
#include "broker/group/seams.h"
#include "io/env.h"
#include "io/gate.h"
#include "kafka/gen/delete_groups.h"
#include "kafka/gen/heartbeat.h"
#include "kafka/gen/list_groups.h"
#include "kafka/gen/offset_commit.h"
#include "kafka/gen/offset_delete.h"
#include "kafka/gen/offset_fetch.h"

namespace isthmus::broker {

// How long those who need to know every group wait for loaded().
inline constexpr auto patience_for_groups = std::chrono::seconds(5);

class Coordinator {
 public:
  struct Seams {
    Journal& journal;
    Ownership& ownership;
    Topics& topics;
    LogEnds& ends;
  };
  // REQUIRES: drain() has returned before destruction, unless the loop has ended.
  Coordinator(io::Loop& loop, io::Random& random, GroupConfig config, Seams seams);
  ~Coordinator();

  // This broker has become leader of a partition of __consumer_offsets, or has lost it. lead()
  // starts the loading; a failed one is logged and tried again.
  void lead(PartitionIndex partition);
  void resign(PartitionIndex partition);
  bool serves(const std::string& group) const;
  // Waits until all is loaded: before, nobody knows which groups there are. False: not by then.
  io::Task<bool> loaded(io::Instant deadline);
  // Resigns everything and returns when no request is under way.
  io::Task<void> drain();

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

  // All groups in the partitions that are loaded here, in order.
  std::vector<std::string> names() const;
  // What a group has committed here, as far as it is durable.
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

  // Switchover, at the source: from now on clients' joins, commits, leaves and heartbeats for these
  // groups wait (fences.h), or get NOT_COORDINATOR; done when the commits accepted before have
  // ended. fence_all() is for every group, also those that are not loaded or not there yet. Not
  // durable: the switchover's own record is, and whoever reads it fences again after a restart.
  // unfence() gives the members a whole session to report, with their ids and generation; `moved`:
  // who waits gets NOT_COORDINATOR, whatever the register says of the group.
  io::Task<void> fence(std::vector<std::string> groups, std::string id);
  io::Task<void> fence_all(std::string id,
                           GroupFences::Clients clients = GroupFences::Clients::wait);
  void unfence(const std::string& id, bool moved = false);

 private:
  using Groups = std::unordered_map<std::string, HostedGroupPtr>;
  struct Partition {
    uint64_t term = 0;  // of our leading it; what began in an earlier one is void
    bool loaded = false;
    Groups groups;
  };
  class Loader;
  enum class GroupName : uint8_t { required, may_be_empty };

  // coordinator.cc
  Now now() const { return {loop_.now(), loop_.wall_ms()}; }
  std::string fresh_id();
  Partition* partition_of(const std::string& group);
  // Whether the group's partition is served here, and, for clients, whether they may change it.
  kafka::ErrorCode check(const std::string& group, GroupName name);
  kafka::ErrorCode check_client(const std::string& group, GroupName name);
  // The same, once no fence holds the group.
  io::Task<kafka::ErrorCode> admit_client(std::string group, GroupName name);
  bool fenced(const std::string& group) const { return fences_.hold(group); }
  HostedGroupPtr find(const std::string& group);
  HostedGroupPtr host(const std::string& group);  // found or made. REQUIRES: check() is none
  void drop(const HostedGroupPtr& hosted);
  void perform(const HostedGroupPtr& hosted, GroupActions actions);
  void count_bytes(HostedGroup& hosted);
  bool has_room_for(const std::string& group, int64_t growth);
  // Forgets a group that nobody joined after all and of which nothing was ever stored.
  bool drop_unused(const HostedGroupPtr& hosted);
  void arm(const HostedGroupPtr& hosted);
  void on_timer(const HostedGroupPtr& hosted);
  io::Task<void> load(PartitionIndex partition, uint64_t term);
  io::Task<Result<void>> load_now(PartitionIndex partition, uint64_t term);
  bool leads(PartitionIndex partition, uint64_t term) const;
  void serve(PartitionIndex partition, uint64_t term, Groups groups);
  io::Task<void> store(HostedGroupPtr hosted, GroupActions::Store store);
  // In batches of bounded size, one after the other.
  io::Task<Result<void>> append(PartitionIndex partition, std::vector<GroupRecord> records);

  // coordinator_offsets.cc
  io::Task<void> sweep();
  io::Task<void> expire(HostedGroupPtr hosted);
  io::Task<kafka::ErrorCode> remove_offsets(HostedGroupPtr hosted,
                                            std::vector<TopicPartition> partitions);
  io::Task<kafka::ErrorCode> remove_group(HostedGroupPtr hosted);
  io::Task<kafka::OffsetFetchResponse::OffsetFetchResponseGroup> fetch_group(
      kafka::OffsetFetchRequest::OffsetFetchRequestGroup request);

  // coordinator_topics.cc
  io::Task<void> forget(std::vector<HostedGroupPtr> groups, std::set<std::string> deleted);

  // coordinator_link.cc
  void suspend(const HostedGroupPtr& hosted);
  io::Task<void> refuse_late(std::string fence);
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
  io::Task<void> write_final(Release& release, Uuid switchover, InFlight& writing);
  void end_release(Release& release);

  io::Loop& loop_;
  io::Random& random_;
  const GroupConfig config_;
  Seams seams_;
  Logger log_{"groups"};

  std::map<PartitionIndex, Partition> partitions_;
  uint64_t last_term_ = 0;
  size_t bytes_ = 0;  // of all groups' members
  bool told_of_no_room_ = false;
  GroupFences fences_;
  std::map<std::string, int64_t> link_epochs_;  // the highest seen

  RequestId last_request_ = 0;
  Waiting<kafka::JoinGroupResponse>::Map joins_;
  Waiting<kafka::SyncGroupResponse>::Map syncs_;
  InFlight requests_;
  bool closing_ = false;
  bool is_loading_ = false;
  bool sweeping_ = false;
  io::Event loading_;  // has changed
  io::Event stop_;
  io::Gate gate_;
};

// The answer for what a journal, or another seam, failed with.
kafka::ErrorCode coordinator_error(const Error& error);

}  // namespace isthmus::broker
