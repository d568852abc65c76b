#include "router/seen_switchovers.h"

#include <algorithm>
#include <utility>

namespace isthmus::router {
namespace {

using Phase = kafka::SwitchoverPhase;

constexpr Phase ends[] = {Phase::promoted, Phase::abandoned, Phase::done, Phase::taken_back,
                          Phase::stepped_down};

bool is_end(Phase phase) { return std::ranges::find(ends, phase) != std::end(ends); }

}  // namespace

bool SeenSwitchovers::Switchover::has(Phase phase) const {
  return std::ranges::find(steps, phase, &Step::phase) != steps.end();
}

bool SeenSwitchovers::Switchover::is_over() const {
  return gave_way || std::ranges::any_of(steps, is_end, &Step::phase);
}

SeenSwitchovers::Switchover* SeenSwitchovers::find(const std::string& link, const Uuid& id) {
  const auto found = std::ranges::find_if(
      all_, [&](const Switchover& each) { return each.link == link && each.id == id; });
  return found == all_.end() ? nullptr : &*found;
}

// A side keeps the latest of a link only: of one that no side speaks of any more nobody tells an
// end.
void SeenSwitchovers::give_way(const std::string& link, const Uuid& id) {
  for (const auto& [side, told] : last_) {
    if (side.second == link && told.first == id) return;
  }
  Switchover* known = find(link, id);
  if (known != nullptr) known->gave_way = true;
}

void SeenSwitchovers::note(const std::string& site, const std::vector<Told>& told,
                           int64_t wall_ms) {
  const bool is_first = heard_.insert(site).second;
  for (const Told& each : told) {
    if (each.phase == Phase::none) continue;
    Switchover* known = find(each.link, each.switchover_id);
    if (known != nullptr) known->trouble = each.trouble;
    const std::pair now{each.switchover_id, each.phase};
    const auto before = std::exchange(last_[{site, each.link}], now);
    if (before == now) continue;
    if (before.first != now.first) give_way(each.link, before.first);
    if (known == nullptr) {
      if (is_first && is_end(each.phase)) continue;
      all_.push_front({.link = each.link, .id = each.switchover_id});
      if (all_.size() > most) all_.pop_back();
      known = &all_.front();
    }
    known->failover = known->failover || each.failover;
    known->trouble = each.trouble;
    if (!known->has(each.phase)) known->steps.push_back({each.phase, wall_ms});
  }
}

bool SeenSwitchovers::any_under_way() const {
  return std::ranges::any_of(all_, [](const Switchover& each) { return !each.is_over(); });
}

}  // namespace isthmus::router
