#include "views/json.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace isthmus::views {
namespace {

using nlohmann::json;

json number_or_null(std::optional<int32_t> number) {
  return number ? json(*number) : json(nullptr);
}

}  // namespace

json json_of(const std::vector<Finding>& findings) {
  json list = json::array();
  constexpr const char* names[] = {"ok", "warn", "stop"};
  for (const Finding& f : findings) {
    list.push_back(
        {{"verdict", names[static_cast<size_t>(f.verdict)]}, {"text", f.text}, {"next", f.next}});
  }
  return list;
}

std::string phase_word(kafka::SwitchoverPhase phase) {
  std::string word(to_string(phase));
  std::ranges::replace(word, ' ', '_');
  return word;
}

json switchover_json(const LinkView& view) {
  if (!view.switchover) return nullptr;
  return {{"id", view.switchover->switchover_id.to_string()},
          {"phase", phase_word(view.switchover->phase)},
          {"failover", view.switchover->failover},
          {"handed_over", view.handed_over || !view.refused_promotion().empty()},
          {"trouble", view.switchover->trouble}};
}

json json_of(const std::vector<BrokerHealth>& brokers) {
  json list = json::array();
  for (const BrokerHealth& broker : brokers) {
    list.push_back({{"node_id", broker.node},
                    {"address", broker.address},
                    {"rack", broker.rack},
                    {"starts", number_or_null(broker.starts)},
                    {"state", std::string(to_string(broker.state))},
                    {"controller", broker.controller},
                    {"drain", std::string(to_string(broker.drain))},
                    {"leads", broker.leads},
                    {"in_sync", broker.in_sync},
                    {"replicas", broker.replicas},
                    {"behind", broker.behind()}});
  }
  return list;
}

json json_of(const std::vector<PartitionHealth>& partitions, bool tells_of_all) {
  json list = json::array();
  for (const PartitionHealth& p : partitions) {
    list.push_back({{"partition", p.name},
                    {"leader", p.is_leaderless() ? json(nullptr) : json(p.leader)},
                    {"isr", p.isr},
                    {"replicas", p.replicas},
                    {"adding", p.adding},
                    {"elr", tells_of_all ? json(p.elr) : json(nullptr)},
                    {"min_insync_replicas", number_or_null(p.min_insync_replicas)}});
  }
  return list;
}

}  // namespace isthmus::views
