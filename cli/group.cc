// isthmus group list|describe.
#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/output.h"
#include "cli/sites.h"
#include "cli/table.h"
#include "client/admin.h"

namespace isthmus::cli {
namespace {

using nlohmann::json;

struct GroupOptions {
  Where where;
  std::string cluster;
  std::string name;
};
using Options = std::shared_ptr<GroupOptions>;

// The link that owns the group at this site, or empty.
std::string link_of(const SiteAnswer& site, const std::string& group) {
  auto found = std::ranges::find(site.groups, group, &SiteAnswer::SiteGroup::name);
  return found == site.groups.end() ? "" : found->link;
}

std::string owner_text(const std::string& link) {
  return link.empty() ? "clients" : "link " + link;
}

io::Task<Exit> list(Sites& sites, Options options, bool as_json) {
  Table table({{"CLUSTER"}, {"GROUP"}, {"STATE"}, {"OWNED BY"}});
  json out = json::array();
  bool all_known = true;
  for (const std::string& name : sites.names(options->cluster)) {
    auto site = co_await sites.describe(name, false, true);
    if (!site) {
      without(name, site.error());
      all_known = false;
      continue;
    }
    auto cluster = sites.at(name);
    if (!cluster) co_return fail_with(cluster.error());
    client::Admin admin(**cluster);
    auto groups = co_await admin.list_groups(sites.deadline());
    if (!groups) co_return fail_with(groups.error());
    for (const auto& group : *groups) {
      const std::string link = link_of(*site, group.group_id);
      table.add({name, group.group_id, group.group_state, owner_text(link)});
      out.push_back({{"cluster", name},
                     {"group", group.group_id},
                     {"state", group.group_state},
                     {"link", link}});
    }
  }
  as_json ? show(out) : show(table);
  co_return exit_of_list(all_known, !out.empty());
}

struct Described {
  kafka::DescribeGroupsResponse::DescribedGroup group;
  client::ByPartition<client::CommittedOffset> committed;
  client::ByPartition<client::ListedOffset> ends;
  std::string link;
};

io::Task<Result<Described>> look(Sites& sites, std::string cluster_name, std::string group) {
  Described out;
  auto site = co_await sites.describe(cluster_name, false, true);
  if (!site) co_return fail(site.error());
  out.link = link_of(*site, group);
  auto cluster = sites.at(cluster_name);
  if (!cluster) co_return fail(cluster.error());
  client::Admin admin(**cluster);
  auto described = co_await admin.describe_group(group, sites.deadline());
  if (!described) co_return fail(described.error());
  out.group = std::move(*described);
  auto committed = co_await admin.committed_offsets(group, sites.deadline());
  if (!committed) co_return fail(committed.error());
  out.committed = std::move(*committed);
  client::ByPartition<int64_t> wanted;
  for (const auto& [partition, offset] : out.committed) wanted[partition] = client::latest_offset;
  if (!wanted.empty()) {
    auto ends = co_await admin.list_offsets(std::move(wanted), sites.deadline());
    if (!ends) co_return fail(ends.error());
    out.ends = std::move(*ends);
  }
  co_return out;
}

std::optional<int64_t> end_of(const Described& group, const TopicPartition& partition) {
  auto end = group.ends.find(partition);
  if (end == group.ends.end() || end->second.error != kafka::ErrorCode::none) return std::nullopt;
  return end->second.offset;
}

void print_group(const std::string& cluster, const Described& group) {
  say("{}  at {}  {}  owned by {}  {}", group.group.group_id, cluster, group.group.group_state,
      owner_text(group.link), count_of(group.group.members.size(), "member"));
  Table table({{"TOPIC"}, {"PART", true}, {"COMMITTED", true}, {"END", true}, {"LAG", true}});
  for (const auto& [partition, committed] : group.committed) {
    const auto end = end_of(group, partition);
    std::optional<int64_t> lag;
    if (end) lag = std::max<int64_t>(0, *end - committed.offset);
    table.add({partition.topic, std::to_string(partition.partition), grouped(committed.offset),
               number_or_unknown(end), number_or_unknown(lag)});
  }
  if (!table.empty()) show(table);
}

json to_json(const std::string& cluster, const Described& group) {
  json partitions = json::array();
  for (const auto& [partition, committed] : group.committed) {
    const auto end = end_of(group, partition);
    partitions.push_back({{"topic", partition.topic},
                          {"partition", partition.partition},
                          {"committed", committed.offset},
                          {"end", end ? json(*end) : json(nullptr)}});
  }
  json members = json::array();
  for (const auto& member : group.group.members) {
    members.push_back({{"id", member.member_id}, {"client_id", member.client_id}});
  }
  return {{"cluster", cluster},
          {"group", group.group.group_id},
          {"state", group.group.group_state},
          {"link", group.link},
          {"members", members},
          {"partitions", partitions}};
}

io::Task<Exit> describe(Sites& sites, Options options, bool as_json) {
  json out = json::array();
  bool all_known = true;
  for (const std::string& name : sites.names(options->cluster)) {
    auto group = co_await look(sites, name, options->name);
    if (!group) {
      without(name, group.error());
      all_known = false;
      continue;
    }
    if (group->group.group_state == "Dead") continue;
    out.push_back(to_json(name, *group));
    if (!as_json) print_group(name, *group);
  }
  if (out.empty()) co_return fail_with(Error::message(nowhere("group", options->name, all_known)));
  if (as_json) show(out);
  co_return exit_of_list(all_known, !out.empty());
}

}  // namespace

void add_consumer_group(Command line) {
  Command group = line.group("group", "Consumer groups of a site");
  auto options = std::make_shared<GroupOptions>();
  add_site_command(group,
                   {"list", "Lists the groups of all clusters, and whose they are",
                    "isthmus group list --config config/router.yaml"},
                   options, list);
  Command described =
      add_site_command(group,
                       {"describe", "Shows where a group stands, wherever it exists",
                        "isthmus group describe billing --config config/router.yaml"},
                       options, describe);
  described.argument("GROUP", options->name);
}

}  // namespace isthmus::cli
