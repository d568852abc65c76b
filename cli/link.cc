// isthmus link list|describe: what links are, how far they are behind, what a failover would lose.
// The verbs that change a link are in failover.cc (promote), link_reverse.cc, link_pause.cc and
// link_forget.cc.
#include "cli/link.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/reports.h"
#include "cli/table.h"

namespace isthmus::cli {
namespace {

using nlohmann::json;

Exit exit_of(const LinkView& view) {
  const bool well = !view.paused && view.failed == 0 && view.mirror_is_there() &&
                    view.wrong_ends.empty() && view.refused_promotion().empty() &&
                    view.amiss() == 0;
  return well ? Exit::done : Exit::degraded;
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
  bool all_known = true;
  for (const std::string& name : sites.names()) {
    auto target = co_await sites.describe(name, true, true);
    if (!target) {
      without(name, target.error());
      all_known = false;
      continue;
    }
    for (const auto& link : target->links) {
      auto view = view_link(link.name, *target, nullptr);
      if (!view) continue;
      const Lag lag = view->lag();
      table.add({view->name, view->source, view->target, std::to_string(view->topics.size()),
                 std::to_string(view->partitions), number_or_unknown(lag.records), seconds(lag.ms),
                 summary(*view)});
      out.push_back(json_of(*view));
    }
  }
  as_json ? show(out) : show(table);
  co_return exit_of_list(all_known, !out.empty());
}

io::Task<Exit> describe(Sites& sites, LinkOptionsPtr options, bool as_json) {
  auto view = co_await look_at_link(sites, options->name);
  if (!view) co_return fail_with(view.error());
  if (as_json) {
    show(json_of(*view));
  } else {
    show(text_of(*view));
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
    source = co_await sites.describe(ends->source, true, false);
  }
  co_return view_link(name, *target, source ? &*source : nullptr);
}

void add_link(Command line) {
  Command group = line.group("link", "Links: what is mirrored from one site to another");
  auto options = std::make_shared<LinkOptions>();
  add_site_command(
      group,
      {"list", "Lists the links of all clusters", "isthmus link list --config config/router.yaml"},
      options, list);
  Command described =
      add_site_command(group,
                       {"describe", "Shows how far a link is, and what a failover now would lose",
                        "isthmus link describe seoul-tokyo --config config/router.yaml"},
                       options, describe);
  described.argument("LINK", options->name, "<source>-<target>");
  add_link_promote(group, options);
  add_link_reverse(group, options);
  add_link_pause(group, options);
  add_link_forget(group, options);
}

}  // namespace isthmus::cli
