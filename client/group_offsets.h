// GroupOffsets: what many groups have committed, in few round trips: a coordinator is asked for a
// hundred groups per request (OffsetFetch v8, KIP-709), an older one for one group per request with
// many requests under way; coordinators are looked for likewise (FindCoordinator v4, KIP-699) and
// remembered between the calls.
//
// A group that does not exist has committed nothing; a group that could not be read, or only in
// part, is an error of its own, so that the two are never taken for each other.
//
// Owned by its user, on the loop of the Cluster, which outlives it. One read() at a time.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "client/admin.h"

namespace isthmus::client {

class GroupOffsets {
 public:
  using Committed = Result<ByPartition<CommittedOffset>>;
  using ByGroup = std::map<std::string, Committed>;

  // `patience` is that of each request.
  GroupOffsets(Cluster& cluster, io::Duration patience) : cluster_(cluster), patience_(patience) {}

  // Each group asked for has its entry in the answer.
  io::Task<ByGroup> read(std::set<std::string> groups);

 private:
  using Names = std::vector<std::string>;
  // Fills coordinators_. Those that could not be found get their error in `into`.
  io::Task<void> find_coordinators(Names groups, ByGroup& into);
  io::Task<Result<void>> ask_for_coordinators(Names groups, ByGroup& into);
  // Asks one broker. Groups that it does not coordinate, or that it did not answer for, lose their
  // place in coordinators_.
  io::Task<void> ask(NodeId node, Names groups, ByGroup& into);
  io::Task<Result<void>> fetch(NodeId node, Names groups, ByGroup& into);

  Cluster& cluster_;
  const io::Duration patience_;
  std::map<std::string, NodeId> coordinators_;
};

}  // namespace isthmus::client
