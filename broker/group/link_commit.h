// What a link says of a group of its source, and what becomes of it. Plain values.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/ids.h"
#include "broker/group/membership.h"
#include "kafka/errors.h"

namespace isthmus::broker {

struct LinkOffset {
  TopicPartition partition;
  Offset offset = -1;
  std::string metadata;
};

struct LinkCommit {
  std::string link;
  int64_t link_epoch = -1;
  std::string group;
  std::vector<LinkOffset> offsets;
  // The topics in which these are all offsets that the group has: what else a link has written
  // there is forgotten. Null = in none.
  std::shared_ptr<const std::set<std::string>> complete_in = nullptr;
  // The members that it has at the source, in a switchover's last round.
  std::optional<MovedGroup> moved = std::nullopt;

  // Without either there is nothing to own the group for.
  bool brings_anything() const { return !offsets.empty() || (moved && !moved->membership.empty()); }
};

struct LinkCommitResult {
  // fenced_leader_epoch: a newer epoch of the link has committed before.
  kafka::ErrorCode error = kafka::ErrorCode::none;
  // Not taken: the group has members or commits of its own, or belongs to another link.
  bool held = false;
  bool empty = true;  // nothing of the group is stored here for the link
};

}  // namespace isthmus::broker
