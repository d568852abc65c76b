// GroupFences: which groups a switchover holds, and the clients that wait for the end of that.
//
// What clients ask of a held group waits, in the order of arrival, for as long as they wait for
// answers anyway (replica/fence_wait.h): a moment later the fence is lifted and they go on, or the
// groups have moved and they are sent away. Where a failover went past this site nobody waits: that
// lasts until the way back.
//
// Owned by the Coordinator, on its loop.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "io/event.h"
#include "io/task.h"

namespace isthmus::broker {

class GroupFences {
 public:
  enum class Clients : uint8_t { wait, are_refused };

  explicit GroupFences(io::Loop& loop) : changed_(loop) {}

  void add(const std::vector<std::string>& groups, const std::string& id);
  // For every group, also those that are not there yet.
  void add_for_all(const std::string& id, Clients clients);
  // `moved`: the groups are at another site now; who waits is sent away.
  void remove(const std::string& id, bool moved);

  bool hold(const std::string& group) const {
    return !on_all_.empty() || by_group_.contains(group);
  }
  // Whether the fence of that id holds every group.
  bool hold_all(const std::string& id) const { return on_all_.contains(id); }
  // Whether clients wait for it.
  bool are_waited_for(const std::string& group) const;

  // Returns when nobody holds the group, or after a wait that is long enough. False: whoever waited
  // has to look for the group elsewhere.
  io::Task<bool> pass(std::string group);
  // Until that fence on all groups is gone. False: not by then.
  io::Task<bool> gone(std::string id, io::Instant deadline);
  // Nobody waits any more.
  void end_waits() { changed_.close(); }

 private:
  std::map<std::string, std::set<std::string>> by_group_;  // group -> ids of the fences
  std::map<std::string, Clients> on_all_;                  // by id
  io::Event changed_;
  size_t waiting_ = 0;
  uint64_t moves_ = 0;
};

}  // namespace isthmus::broker
