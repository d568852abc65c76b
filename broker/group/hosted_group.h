// HostedGroup: a group with all that belongs to it in a coordinator: its members (Group), what it
// has committed, the link that owns it, the requests that wait in it; and the records that make it
// durable.
//
// Shared by the CoordinatorRuntime and by the requests that are under way for it, on the
// coordinator's loop. A verb that waits ends while its caller holds the group; what it says after
// the group is_gone() concerns nobody.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/log.h"
#include "broker/coordinator/runtime.h"
#include "broker/group/group.h"
#include "broker/group/group_memory.h"
#include "broker/group/offsets.h"
#include "broker/group/waiting.h"

namespace isthmus::broker {

class HostedGroup final : public Hosted {
 public:
  // What all groups of a coordinator share; it outlives them.
  struct Home {
    io::Loop& loop;
    CoordinatorRuntime& runtime;
    const GroupConfig& config;
    GroupMemory& memory;
    Logger log{LogComponent::groups};
  };
  HostedGroup(Home& home, TermPtr term, Group group);

  // Does what an event of the group asks for: answers, stores, counts, sets the timer.
  void perform(GroupActions actions);
  // Forgets the group if nobody joined after all and nothing of it was ever stored.
  bool remove_if_unused();
  void count_bytes();

  // The tombstones first: what has been forgotten here must not come back with the next
  // coordinator.
  io::Task<kafka::ErrorCode> remove_offsets(std::vector<TopicPartition> partitions);
  // With all that is stored of it.
  io::Task<kafka::ErrorCode> remove();

  std::optional<io::Instant> next_deadline() const override { return group.next_deadline(); }
  void tick() override;
  void refuse_waiting(kafka::ErrorCode error) override { perform(group.refuse_waiting(error)); }
  void resume() override { group.renew_sessions(now()); }
  io::Task<void> expire() override;

  Group group;
  Offsets offsets;
  std::optional<std::string> link;       // that owns it
  std::optional<std::string> wanted_by;  // a link that cannot take it: it has a life of its own
  std::optional<MovedGroup> moved;       // the members that its link has brought
  bool releasing = false;                // its ownership is about to end
  bool removing = false;                 // its tombstones are being written
  RequestId last_request = 0;
  Waiting<kafka::JoinGroupResponse>::Map joins;
  Waiting<kafka::SyncGroupResponse>::Map syncs;

 private:
  using Self = std::shared_ptr<HostedGroup>;
  static io::Task<void> store(Self self, GroupActions::Store store);
  Self self() { return std::static_pointer_cast<HostedGroup>(shared_from_this()); }
  Now now() const { return now_on(home_.loop); }

  Home& home_;
  size_t bytes_ = 0;  // of the coordinator's total
};
using HostedGroupPtr = std::shared_ptr<HostedGroup>;

}  // namespace isthmus::broker
