// isthmus failover --from A --to B, and isthmus link promote: going on without the source.

#include "cli/link.h"
#include "cli/promotion.h"

namespace isthmus::cli {
namespace {

struct FailoverOptions {
  Where where;
  PromotionWish wish;
};
using Options = std::shared_ptr<FailoverOptions>;

io::Task<Exit> fail_over(Sites& sites, Options options, bool as_json) {
  PromotionWish wish = options->wish;
  wish.link = wish.source + "-" + wish.target;
  wish.route_from = wish.source;
  return promote_without_source(sites, std::move(wish), as_json);
}

io::Task<Exit> promote_link(Sites& sites, LinkOptionsPtr options, bool as_json) {
  auto ends = process::parse_link_name(options->name);
  if (!ends) {
    return io::ready(fail_with(
        Error::message("'" + options->name + "' is no link: its name is <source>-<target>")));
  }
  PromotionWish wish;
  wish.link = options->name;
  wish.source = ends->source;
  wish.target = ends->target;
  wish.group = options->group;
  wish.dry_run = options->dry_run;
  wish.force = options->force;
  wish.drained = options->drained;
  if (wish.drained && !wish.group.empty()) {
    return io::ready(fail_with(Error::message(
        "--drained is about records, and --group promotes none: leave one of them out")));
  }
  return promote_without_source(sites, std::move(wish), as_json);
}

}  // namespace

void add_link_promote(Command group, LinkOptionsPtr options) {
  Command command = add_site_command(
      group,
      {"promote", "Makes what a link mirrors writable at its target; routes stay as they are",
       "isthmus link promote seoul-tokyo --group billing --config config/router.yaml"},
      options, promote_link);
  command.argument("LINK", options->name, "<source>-<target>");
  command.option("--group", options->group, "Only this group");
  command.flag("--dry-run", options->dry_run, "Only say what would be lost");
  command.flag("--force", options->force, "Although the source answers");
  command.flag("--drained", options->drained,
               "Its producers are stopped and all is mirrored: leave no gap; refused if it is not");
}

void add_failover(Command line) {
  auto options = std::make_shared<FailoverOptions>();
  Command command =
      add_site_command(line,
                       {"failover", "Goes on at the other site, now, without the one that was lost",
                        "isthmus failover --from seoul --to tokyo --config config/router.yaml"},
                       options, fail_over);
  command.option("--from", options->wish.source, "The site that is lost", {.required = true});
  command.option("--to", options->wish.target, "The site that goes on", {.required = true});
  command.flag("--dry-run", options->wish.dry_run, "Only say what would be lost");
  command.flag("--force", options->wish.force, "Although the source answers");
}

}  // namespace isthmus::cli
