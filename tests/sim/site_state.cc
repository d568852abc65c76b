#include "tests/sim/site_state.h"

#include <algorithm>

#include "kafka/topic_writer.h"

namespace isthmus::sim {

SiteState state_in(const std::optional<kafka::DescribeSiteResponse>& site) {
  using Writer = SiteState::Writer;
  SiteState state;
  if (!site) return state;
  for (const auto& topic : site->topics) {
    if (topic.name != "orders") continue;
    const auto writer = kafka::writer_of(topic);
    state.writer = writer.link() != nullptr     ? Writer::link
                   : writer.nobody() != nullptr ? Writer::nobody
                                                : Writer::clients;
  }
  state.at_rest = std::ranges::none_of(site->switchovers, [](const auto& s) {
    return s.phase == kafka::SwitchoverPhase::wished ||
           s.phase == kafka::SwitchoverPhase::handed_over;
  });
  return state;
}

bool owns_groups(const std::optional<kafka::DescribeSiteResponse>& site, const std::string& link,
                 const std::set<std::string>& groups) {
  if (!site) return false;
  std::set<std::string> owned;
  for (const auto& group : site->groups) {
    if (group.link == link) owned.insert(group.name);
  }
  return std::ranges::includes(owned, groups);
}

}  // namespace isthmus::sim
