#include "broker/coordinator/fences.h"

#include <algorithm>

#include "broker/replica/fence_wait.h"

namespace isthmus::broker {

void CoordinatorFences::add(const std::vector<std::string>& keys, const std::string& id) {
  for (const std::string& key : keys) by_key_[key].insert(id);
}

void CoordinatorFences::add_for_all(const std::string& id, Clients clients) {
  on_all_[id] = clients;
  changed_.notify_all();
}

void CoordinatorFences::remove(const std::string& id, bool moved) {
  const bool held_all = on_all_.erase(id) > 0;
  for (auto& [key, ids] : by_key_) ids.erase(id);
  std::erase_if(by_key_, [](const auto& fence) { return fence.second.empty(); });
  if (moved && held_all) ++moves_;
  changed_.notify_all();
}

bool CoordinatorFences::are_waited_for(const std::string& key) const {
  const auto refuses = [](const auto& fence) { return fence.second == Clients::are_refused; };
  return hold(key) && !changed_.closed() && std::ranges::none_of(on_all_, refuses);
}

io::Task<bool> CoordinatorFences::pass(std::string key) {
  const uint64_t moves = moves_;
  // Those who have waited were woken, and go first: they stand in the loop's queue.
  if (waiting_ > 0 && !hold(key)) co_await io::yield(changed_.loop());
  const io::Instant deadline = changed_.loop().now() + fence_wait;
  ++waiting_;
  while (are_waited_for(key) && changed_.loop().now() < deadline) {
    co_await changed_.wait_until(deadline);
  }
  --waiting_;
  co_return moves == moves_;
}

io::Task<bool> CoordinatorFences::gone(std::string id, io::Instant deadline) {
  while (on_all_.contains(id) && !changed_.closed()) {
    if (changed_.loop().now() >= deadline) co_return false;
    co_await changed_.wait_until(deadline);
  }
  co_return true;
}

}  // namespace isthmus::broker
