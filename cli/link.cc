// isthmus link list|describe: what links are, how far they are behind, what a failover would lose.
// The verbs that change a link are in failover.cc (promote) and link_reverse.cc.
#include "cli/link.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/link_view.h"
#include "cli/table.h"

namespace isthmus::cli {
namespace {

using nlohmann::json;

json to_json(std::optional<int64_t> number) { return number ? json(*number) : json(nullptr); }

std::string summary(const LinkView& view) {
  if (view.failed > 0) {
    return fmt::format("DEGRADED: {} of {} failed", view.failed,
                       count_of(view.partitions, "partition"));
  }
  if (!view.contact_age_ms) return "DEGRADED: no mirror runs for it since the target's start";
  if (!view.mirror_is_there()) {
    return fmt::format("DEGRADED: its mirror has not spoken for {} s",
                       seconds(view.contact_age_ms));
  }
  return "OK";
}

Exit exit_of(const LinkView& view) {
  return view.failed == 0 && view.mirror_is_there() ? Exit::done : Exit::degraded;
}

std::string number_text(ClusterNumber number) {
  return number == 0 ? "(not Isthmus)" : fmt::format("({})", number);
}

void print_failures(const LinkView& view) {
  for (const TopicView& topic : view.topics) {
    for (const PartitionView& p : topic.partitions) {
      if (p.reason.empty()) continue;
      fmt::print("  {}: {} at {}\n", p.name, p.reason, grouped(p.end_offset));
    }
  }
}

void print_link(const LinkView& view) {
  fmt::print("{}  preserve  {}{} → {}{}  {}\n", view.name, view.source,
             number_text(view.source_number), view.target, number_text(view.target_number),
             summary(view));
  fmt::print("Source      {}\n", view.source_answers ? "answers" : "does not answer from here");
  fmt::print("Mirror      {}\n", view.contact_age_ms ? fmt::format("last heard of {} s ago",
                                                                   seconds(view.contact_age_ms))
                                                     : "not heard of since the target's start");
  fmt::print("Failover now would lose  {}\n", view.would_lose());
  fmt::print("Groups      {} of the link{}\n", view.groups.size(),
             view.held.empty()
                 ? ""
                 : fmt::format("; {} held: {}", view.held.size(), fmt::join(view.held, ", ")));
  if (!view.held.empty()) fmt::print("            {}\n", view.why_held());
  if (view.topics.empty()) {
    fmt::print("No topic of {} is mirrored this way\n", view.target);
    return;
  }
  Table table({{"TOPIC"}, {"STATE"}, {"PARTS", true}, {"LAG REC", true}, {"LAG S", true}});
  for (const TopicView& topic : view.topics) {
    table.add({topic.name, topic.state,
               fmt::format("{}/{}", topic.healthy, topic.partitions.size()),
               number_or_unknown(topic.lag.records), seconds(topic.lag.ms)});
  }
  fmt::print("{}", table.to_string());
  print_failures(view);
}

json to_json(const LinkView& view) {
  json topics = json::array();
  for (const TopicView& topic : view.topics) {
    json partitions = json::array();
    for (const PartitionView& p : topic.partitions) {
      partitions.push_back({{"partition", p.name},
                            {"reason", p.reason},
                            {"end_offset", p.end_offset},
                            {"lag_records", to_json(p.lag.records)},
                            {"lag_ms", to_json(p.lag.ms)}});
    }
    topics.push_back({{"topic", topic.name},
                      {"state", topic.state},
                      {"healthy", topic.healthy},
                      {"partitions", partitions},
                      {"lag_records", to_json(topic.lag.records)},
                      {"lag_ms", to_json(topic.lag.ms)}});
  }
  const Lag lag = view.lag();
  return {{"link", view.name},
          {"source", view.source},
          {"target", view.target},
          {"source_answers", view.source_answers},
          {"contact_age_ms", to_json(view.contact_age_ms)},
          {"partitions", view.partitions},
          {"failed", view.failed},
          {"lag_records", to_json(lag.records)},
          {"lag_ms", to_json(lag.ms)},
          {"would_lose", view.would_lose()},
          {"groups", view.groups},
          {"held", view.held},
          {"topics", topics}};
}

io::Task<Exit> list(Sites& sites, LinkOptionsPtr options, bool as_json) {
  Table table({{"LINK"},
               {"SOURCE"},
               {"TARGET"},
               {"TOPICS", true},
               {"PARTS", true},
               {"LAG REC", true},
               {"LAG S", true},
               {"STATE"}});
  json out = json::array();
  Exit outcome = Exit::done;
  for (const std::string& name : sites.names()) {
    auto target = co_await sites.describe(name, true, true);
    if (!target) {
      outcome = fail_with(target.error());
      continue;
    }
    for (const auto& link : target->links) {
      auto view = view_link(link.name, *target, nullptr);
      if (!view) continue;
      const Lag lag = view->lag();
      table.add({view->name, view->source, view->target, std::to_string(view->topics.size()),
                 std::to_string(view->partitions), number_or_unknown(lag.records), seconds(lag.ms),
                 summary(*view)});
      out.push_back(to_json(*view));
    }
  }
  fmt::print("{}", as_json ? out.dump(2) + "\n" : table.to_string());
  co_return outcome;
}

io::Task<Exit> describe(Sites& sites, LinkOptionsPtr options, bool as_json) {
  auto view = co_await look_at_link(sites, options->name);
  if (!view) co_return fail_with(view.error());
  if (as_json) {
    fmt::print("{}\n", to_json(*view).dump(2));
  } else {
    print_link(*view);
  }
  co_return exit_of(*view);
}

}  // namespace

io::Task<Result<LinkView>> look_at_link(Sites& sites, std::string name) {
  auto ends = process::parse_link_name(name);
  if (!ends) co_return fail("'" + name + "' is no link: its name is <source>-<target>");
  auto target = co_await sites.describe(ends->target, true, true);
  if (!target) co_return fail(target.error());
  Result<SiteAnswer> source = fail("not known here");
  if (sites.has(ends->source)) {
    source = co_await sites.describe(ends->source, true, false, look_within);
  }
  co_return view_link(name, *target, source ? &*source : nullptr);
}

void add_link(CLI::App& app, Chosen& chosen) {
  CLI::App& group = add_group(app, "link", "Links: what is mirrored from one site to another");
  auto options = std::make_shared<LinkOptions>();
  add_site_command(
      group, chosen,
      {"list", "Lists the links of all clusters", "isthmus link list --config config/router.yaml"},
      options, list);
  add_site_command(group, chosen,
                   {"describe", "Shows how far a link is, and what a failover now would lose",
                    "isthmus link describe seoul-tokyo --config config/router.yaml"},
                   options, describe)
      .add_option("LINK", options->name, "<source>-<target>")
      ->required();
  add_link_promote(group, chosen, options);
  add_link_reverse(group, chosen, options);
}

}  // namespace isthmus::cli
