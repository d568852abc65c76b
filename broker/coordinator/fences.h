// CoordinatorFences: which keys of a coordinator (groups, transactional ids) a switchover holds,
// and the clients that wait for the end of that.
//
// What clients ask of a held key waits, in the order of arrival, for as long as they wait for
// answers anyway (replica/fence_wait.h): a moment later the fence is lifted and they go on, or the
// keys have moved and they are sent away. Where a failover went past this site nobody waits: that
// lasts until the way back.
//
// A fence outlives terms: it holds what is loaded while it lasts, too. Owned by the
// CoordinatorRuntime, on its loop.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "io/event.h"
#include "io/task.h"

namespace isthmus::broker {

class CoordinatorFences {
 public:
  enum class Clients : uint8_t { wait, are_refused };

  explicit CoordinatorFences(io::Loop& loop) : changed_(loop) {}

  void add(const std::vector<std::string>& keys, const std::string& id);
  // For every key, also those that are not there yet.
  void add_for_all(const std::string& id, Clients clients);
  // `moved`: they are at another site now; who waits is sent away.
  void remove(const std::string& id, bool moved);

  bool hold(const std::string& key) const { return !on_all_.empty() || by_key_.contains(key); }
  // Whether the fence of that id holds every key.
  bool hold_all(const std::string& id) const { return on_all_.contains(id); }
  // Whether clients wait for it.
  bool are_waited_for(const std::string& key) const;

  // Returns when nobody holds the key, or after a wait that is long enough. False: whoever waited
  // has to look for its coordinator elsewhere.
  io::Task<bool> pass(std::string key);
  // Until that fence on all keys is gone. False: not by then.
  io::Task<bool> gone(std::string id, io::Instant deadline);
  // Nobody waits any more.
  void end_waits() { changed_.close(); }

 private:
  std::map<std::string, std::set<std::string>> by_key_;  // key -> ids of the fences
  std::map<std::string, Clients> on_all_;                // by id
  io::Event changed_;
  size_t waiting_ = 0;
  uint64_t moves_ = 0;
};

}  // namespace isthmus::broker
