// isthmus link forget: the cluster that a link comes from is gone for good; another one, with
// another number, may take its name.
#include <fmt/core.h>

#include <nlohmann/json.hpp>

#include "cli/link.h"
#include "cli/output.h"
#include "cli/table.h"
#include "kafka/gen/forget_link.h"
#include "kafka/link_ends.h"

namespace isthmus::cli {
namespace {

using kafka::ClusterIdentity;
using nlohmann::json;

struct Parting {
  std::string link;
  std::string gone;  // its name, which is free then
  std::string at;    // the cluster that forgets it
  ClusterIdentity cluster;
};

void print(const Parting& p, bool done) {
  say("{}: {} {} that {} is {}", p.link, p.at, done ? "has forgotten" : "would forget", p.gone,
      to_string(p.cluster));
  say("Forgotten   what it was told over {0} and {1}-{2}: switchovers, and who is at the other end",
      p.link, p.at, p.gone);
  say("Kept        all topics, records and groups of {}", p.at);
  say("Never again that cluster, nor its number {}: its epochs and producer ids are in the logs",
      p.cluster.number);
}

json to_json(const Parting& p, bool done) {
  return {{"link", p.link},
          {"at", p.at},
          {"cluster", p.gone},
          {"cluster_id", p.cluster.id},
          {"number", p.cluster.number},
          {"forgotten", done}};
}

Exit refuse(const std::string& why) {
  complain(why + "; nothing was changed");
  return Exit::not_ready;
}

io::Task<Exit> carry_out(Sites& sites, Parting parting, bool as_json) {
  kafka::ForgetLinkRequest request;
  request.link = parting.link;
  request.cluster_id = parting.cluster.id;
  request.number = parting.cluster.number;
  auto answer = co_await sites.ask(parting.at, std::move(request));
  if (!answer) co_return fail_with(answer.error());
  if (auto refused = refusal(parting.at, *answer)) co_return refuse(refused->text);
  if (as_json) {
    show(to_json(parting, true));
    co_return Exit::done;
  }
  print(parting, true);
  say("Next: a cluster called {} with another cluster.number, its addresses in the files of "
      "mirrors "
      "and routers, and both restarted",
      parting.gone);
  co_return Exit::done;
}

io::Task<Exit> forget(Sites& sites, LinkOptionsPtr options, bool as_json) {
  auto ends = process::parse_link_name(options->name);
  if (!ends) {
    co_return fail_with(Error::message("'" + options->name +
                                       "' is no link: its name is <gone>-<the one that stays>"));
  }
  auto site = co_await sites.describe(ends->target, false, false);
  if (!site) co_return fail_with(site.error());
  const std::string reverse = ends->target + "-" + ends->source;
  const Parting parting{options->name, ends->source, ends->target,
                        kafka::other_end(*site, options->name, reverse)};
  if (!parting.cluster.known()) {
    co_return refuse(parting.at + " knows no cluster at the other end of " + parting.link);
  }
  Result<SiteAnswer> other = fail("not known here");
  if (sites.has(parting.gone)) {
    other = co_await sites.describe(parting.gone, false, false);
  }
  if (other && kafka::identity_of(*other) == parting.cluster) {
    co_return refuse(parting.gone + " answers, and is the one that would be forgotten");
  }
  if (options->yes) co_return co_await carry_out(sites, parting, as_json);
  as_json ? show(to_json(parting, false)) : print(parting, false);
  co_return refuse("it cannot be taken back: say --yes");
}

}  // namespace

void add_link_forget(Command group, LinkOptionsPtr options) {
  Command command = add_site_command(
      group,
      {"forget", "Gives up the cluster that a link comes from: another one may take its name",
       "isthmus link forget tokyo-seoul --config config/router.yaml"},
      options, forget);
  command.argument("LINK", options->name, "<gone>-<the one that stays>");
  command.flag("--yes", options->yes, "Do it; without, nothing is changed");
}

}  // namespace isthmus::cli
