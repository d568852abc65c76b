#include "broker/group/fences.h"

#include <algorithm>

#include "broker/replica/fence_wait.h"

namespace isthmus::broker {

void GroupFences::add(const std::vector<std::string>& groups, const std::string& id) {
  for (const std::string& group : groups) by_group_[group].insert(id);
}

void GroupFences::add_for_all(const std::string& id, Clients clients) {
  on_all_[id] = clients;
  changed_.notify_all();
}

void GroupFences::remove(const std::string& id, bool moved) {
  const bool held_all = on_all_.erase(id) > 0;
  for (auto& [group, ids] : by_group_) ids.erase(id);
  std::erase_if(by_group_, [](const auto& fence) { return fence.second.empty(); });
  if (moved && held_all) ++moves_;
  changed_.notify_all();
}

bool GroupFences::are_waited_for(const std::string& group) const {
  const auto refuses = [](const auto& fence) { return fence.second == Clients::are_refused; };
  return hold(group) && !changed_.closed() && std::ranges::none_of(on_all_, refuses);
}

io::Task<bool> GroupFences::pass(std::string group) {
  const uint64_t moves = moves_;
  // Those who have waited were woken, and go first: they stand in the loop's queue.
  if (waiting_ > 0 && !hold(group)) co_await io::yield(changed_.loop());
  const io::Instant deadline = changed_.loop().now() + fence_wait;
  ++waiting_;
  while (are_waited_for(group) && changed_.loop().now() < deadline) {
    co_await changed_.wait_until(deadline);
  }
  --waiting_;
  co_return moves == moves_;
}

io::Task<bool> GroupFences::gone(std::string id, io::Instant deadline) {
  while (on_all_.contains(id) && !changed_.closed()) {
    if (changed_.loop().now() >= deadline) co_return false;
    co_await changed_.wait_until(deadline);
  }
  co_return true;
}

}  // namespace isthmus::broker
