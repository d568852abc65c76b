// isthmus group list|describe.
#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/output.h"
#include "cli/sites.h"
#include "cli/table.h"
#include "client/admin.h"
#include "views/link_view.h"

namespace isthmus::cli {
namespace {

using nlohmann::json;
using views::Lag;

struct GroupOptions {
  Where where;
  std::string cluster;
  std::string name;
};
using Options = std::shared_ptr<GroupOptions>;

// With how far they are behind, of `group` in each partition.
io::Task<Result<SiteAnswer>> with_groups(Sites& sites, std::string cluster,
                                         std::string group = "") {
  kafka::DescribeSiteRequest request;
  request.include_groups = request.include_lags = true;
  if (!group.empty()) request.partitions_of.push_back(std::move(group));
  co_return co_await sites.describe(std::move(cluster), std::move(request));
}

// What the site tells of it; nothing in it where nobody coordinates it.
SiteAnswer::SiteGroup told_of(const SiteAnswer& site, const std::string& group) {
  const auto found = std::ranges::find(site.groups, group, &SiteAnswer::SiteGroup::name);
  return found == site.groups.end() ? SiteAnswer::SiteGroup{} : *found;
}

std::optional<int64_t> if_known(int64_t number) {
  return number < 0 ? std::nullopt : std::optional(number);
}

json json_if_known(std::optional<int64_t> number) { return number ? json(*number) : json(nullptr); }

std::string owner_text(const std::string& link) {
  return link.empty() ? "clients" : "link " + link;
}

io::Task<Exit> list(Sites& sites, Options options, bool as_json) {
  Table table(
      {{"CLUSTER"}, {"GROUP"}, {"STATE"}, {"LAG REC", true}, {"LAG S", true}, {"OWNED BY"}});
  json out = json::array();
  bool all_known = true;
  for (const std::string& name : sites.names(options->cluster)) {
    auto site = co_await with_groups(sites, name);
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
      const auto told = told_of(*site, group.group_id);
      const Lag lag{if_known(told.lag_records), if_known(told.lag_ms)};
      table.add({name, group.group_id, group.group_state, number_or_unknown(lag.records),
                 seconds(lag.ms), owner_text(told.link)});
      out.push_back({{"cluster", name},
                     {"group", group.group_id},
                     {"state", group.group_state},
                     {"lag_records", json_if_known(lag.records)},
                     {"lag_ms", json_if_known(lag.ms)},
                     {"link", told.link}});
    }
  }
  as_json ? show(out) : show(table);
  co_return exit_of_list(all_known, !out.empty());
}

struct Described {
  kafka::DescribeGroupsResponse::DescribedGroup group;
  client::ByPartition<client::CommittedOffset> committed;
  client::ByPartition<client::ListedOffset> ends;
  client::ByPartition<Lag> lags;
  std::string link;
};

io::Task<Result<Described>> look(Sites& sites, std::string cluster_name, std::string group) {
  Described out;
  auto site = co_await with_groups(sites, cluster_name, group);
  if (!site) co_return fail(site.error());
  const auto told = told_of(*site, group);
  out.link = told.link;
  for (const auto& p : told.partitions) {
    out.lags[{p.topic, p.index}] = {if_known(p.lag_records), if_known(p.lag_ms)};
  }
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

// As its coordinator tells, which counts nothing that retention has deleted; an older one tells
// nothing.
Lag lag_of(const Described& group, const TopicPartition& partition) {
  Lag lag;
  const auto found = group.lags.find(partition);
  if (found != group.lags.end()) lag = found->second;
  const auto end = end_of(group, partition);
  if (lag.records || !end) return lag;
  lag.records = std::max<int64_t>(0, *end - group.committed.at(partition).offset);
  return lag;
}

void print_group(const std::string& cluster, const Described& group) {
  say("{}  at {}  {}  owned by {}  {}", group.group.group_id, cluster, group.group.group_state,
      owner_text(group.link), count_of(group.group.members.size(), "member"));
  Table table({{"TOPIC"},
               {"PART", true},
               {"COMMITTED", true},
               {"END", true},
               {"LAG REC", true},
               {"LAG S", true}});
  for (const auto& [partition, committed] : group.committed) {
    const Lag lag = lag_of(group, partition);
    table.add({partition.topic, std::to_string(partition.partition), grouped(committed.offset),
               number_or_unknown(end_of(group, partition)), number_or_unknown(lag.records),
               seconds(lag.ms)});
  }
  if (!table.empty()) show(table);
}

json to_json(const std::string& cluster, const Described& group) {
  json partitions = json::array();
  for (const auto& [partition, committed] : group.committed) {
    const auto end = end_of(group, partition);
    const Lag lag = lag_of(group, partition);
    partitions.push_back({{"topic", partition.topic},
                          {"partition", partition.partition},
                          {"committed", committed.offset},
                          {"end", end ? json(*end) : json(nullptr)},
                          {"lag_records", json_if_known(lag.records)},
                          {"lag_ms", json_if_known(lag.ms)}});
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
