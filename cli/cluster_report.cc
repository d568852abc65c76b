#include "cli/cluster_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/reports.h"
#include "cli/table.h"
#include "views/json.h"

namespace isthmus::cli {
namespace {

using nlohmann::json;

std::string or_dash(std::string text) { return text.empty() ? "–" : text; }

std::string joined(const std::vector<NodeId>& nodes) {
  return or_dash(fmt::format("{}", fmt::join(nodes, ",")));
}

std::string number_or_dash(std::optional<int32_t> number) {
  return number ? std::to_string(*number) : "–";
}

std::string bytes_text(int64_t bytes) {
  constexpr int64_t mb = 1'000'000;
  if (bytes < mb) return grouped(bytes) + " bytes";
  return grouped(bytes / mb) + " MB";
}

std::string drain_text(kafka::BrokerDrain drain) {
  switch (drain) {
    case kafka::BrokerDrain::none: return "";
    case kafka::BrokerDrain::leadership: return ", drained of leadership";
    case kafka::BrokerDrain::replicas: return ", drained";
  }
  return "";
}

Table brokers_of(const ClusterView& view) {
  const bool any_rack =
      std::ranges::any_of(view.brokers, [](const auto& b) { return !b.rack.empty(); });
  std::vector<Column> columns{{"BROKER", true}, {"ADDRESS"}};
  if (any_rack) columns.push_back({"RACK"});
  columns.insert(
      columns.end(),
      {{"STARTS", true}, {"STATE"}, {"LEADS", true}, {"IN SYNC", true}, {"BEHIND", true}});
  Table table(std::move(columns));
  for (const BrokerHealth& broker : view.brokers) {
    std::vector<std::string> cells{std::to_string(broker.node), or_dash(broker.address)};
    if (any_rack) cells.push_back(or_dash(broker.rack));
    cells.push_back(number_or_dash(broker.starts));
    cells.push_back(std::string(to_string(broker.state)) +
                    (broker.controller ? ", controller" : "") + drain_text(broker.drain));
    cells.push_back(std::to_string(broker.leads));
    cells.push_back(fmt::format("{}/{}", broker.in_sync, broker.replicas));
    cells.push_back(std::to_string(broker.behind()));
    table.add(std::move(cells));
  }
  return table;
}

Table partitions_of(const ClusterView& view) {
  Table table({{"PARTITION"}, {"LEADER", true}, {"ISR"}, {"REPLICAS"}, {"ELR"}, {"MIN ISR", true}});
  for (const PartitionHealth& p : view.not_whole) {
    table.add({p.name, p.is_leaderless() ? "none" : std::to_string(p.leader), joined(p.isr),
               joined(p.replicas), joined(p.elr), number_or_dash(p.min_insync_replicas)});
  }
  return table;
}

std::string below_min_isr(const ClusterView& view) {
  std::string text = grouped(static_cast<int64_t>(view.below_min_isr));
  if (view.unknown_min_isr > 0) text += fmt::format(" (unknown of {})", view.unknown_min_isr);
  return text;
}

}  // namespace

Lines text_of(const ClusterView& view, bool partitions) {
  Lines out;
  const std::string number = view.number > 0 ? fmt::format("({})", view.number) : "";
  out.say("{}{}  {}  {}", view.name, number, view.id, summary(view));
  out.add(brokers_of(view));
  out.say("{}, {}, {}: {} under-replicated, {} below min.insync.replicas, {} without a leader",
          count_of(view.brokers.size(), "broker"), count_of(view.topics, "topic"),
          count_of(view.partitions, "partition"),
          grouped(static_cast<int64_t>(view.under_replicated)), below_min_isr(view),
          grouped(static_cast<int64_t>(view.leaderless)));
  if (view.joining > 0) {
    out.say("{} on the way to brokers that have yet to get them: {} to go",
            count_of(view.joining, "partition"), bytes_text(view.bytes_to_go));
  }
  if (!view.tells_of_all) {
    out.say("As Metadata tells: no starts, no ELR, and of a broker that is down only what it has");
  }
  say_findings(out, findings_of(view));
  if (partitions) out.add(partitions_of(view));
  return out;
}

json json_of(const ClusterView& view, bool partitions) {
  json out{{"cluster", view.name},
           {"number", view.number},
           {"cluster_id", view.id},
           {"whole", view.is_whole()},
           {"tells_of_all", view.tells_of_all},
           {"brokers", json_of(view.brokers)},
           {"topics", view.topics},
           {"partitions", view.partitions},
           {"under_replicated", view.under_replicated},
           {"below_min_insync_replicas", view.below_min_isr},
           {"min_insync_replicas_unknown", view.unknown_min_isr},
           {"without_leader", view.leaderless},
           {"joining", view.joining},
           {"bytes_to_go", view.bytes_to_go},
           {"findings", json_of(findings_of(view))}};
  if (partitions) out["not_whole"] = json_of(view.not_whole, view.tells_of_all);
  return out;
}

}  // namespace isthmus::cli
