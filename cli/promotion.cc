#include "cli/promotion.h"

#include <fmt/core.h>

#include <nlohmann/json.hpp>

#include "cli/link.h"
#include "cli/reports.h"
#include "cli/table.h"

namespace isthmus::cli {
namespace {

using nlohmann::json;
kafka::PromoteRequest request_of(const Sites& sites, const PromotionWish& wish) {
  kafka::PromoteRequest request;
  request.switchover_id = sites.new_id();
  request.link = wish.link;
  request.failover = true;
  request.drained = wish.drained;
  request.route_from = wish.route_from;
  if (wish.group.empty()) {
    request.topics = std::nullopt;
    request.groups = std::nullopt;
  } else {
    request.topics.emplace();
    request.groups = {wish.group};
  }
  return request;
}

// Of a promotion that is said to lose nothing; the target looks again when nobody writes there.
std::optional<std::string> why_not_drained(const LinkView& view) {
  if (!view.mirror_is_there())
    return "its mirror does not run, so nothing is known of " + view.source;
  const auto behind = view.lag().records;
  if (!behind) return "where " + view.source + " ends is not known of every partition";
  if (*behind > 0)
    return fmt::format("{} records are not at {} yet", grouped(*behind), view.target);
  return std::nullopt;
}

Exit print_plan(const PromotionWish& wish, const LinkView& view, bool stopped, bool as_json) {
  const auto undrained = wish.drained ? why_not_drained(view) : std::nullopt;
  if (as_json) {
    const json out{{"link", wish.link},
                   {"ready", !stopped && !undrained},
                   {"topics", view.topics.size()},
                   {"partitions", view.partitions},
                   {"groups", view.groups.size()},
                   {"would_lose", view.would_lose()},
                   {"wrong_ends", view.wrong_ends},
                   {"not_moved", not_moved(view)},
                   {"takes_over", wish.route_from},
                   {"source_answers", view.source_answers}};
    show(out);
    return stopped || undrained ? Exit::not_ready : Exit::done;
  }
  say("{}: {}, {}, {}", wish.link, count_of(view.topics.size(), "topic"),
      count_of(view.partitions, "partition"), count_of(view.groups.size(), "group"));
  say("Would lose  {}", view.would_lose());
  if (!not_moved(view).empty()) say("Not moved   {}", not_moved(view));
  if (wish.group.empty()) say("Routes      {}", consequence(wish));
  if (!view.wrong_ends.empty()) say("Ends        {}", view.wrong_ends);
  if (stopped) {
    say("STOP  {} answers: after a failover both sites would be written", wish.source);
    say("      Next: isthmus switchover --from {} --to {}, which loses nothing; or --force",
        wish.source, wish.target);
  }
  if (undrained) {
    say("STOP  not drained: {}", *undrained);
    say("      Next: stop the producers and wait until `isthmus link describe {}` shows no lag",
        wish.link);
  }
  if (stopped || undrained) {
    say("NOT READY: {}. Nothing was changed.", count_of(stopped && undrained ? 2 : 1, "stop"));
    return Exit::not_ready;
  }
  say("READY. Nothing was changed.");
  return Exit::done;
}

}  // namespace

io::Task<Exit> promote_without_source(Sites& sites, PromotionWish wish, bool as_json) {
  auto view = co_await look_at_link(sites, wish.link);
  if (!view) co_return fail_with(view.error());
  // A group alone may move while the source lives: the operator moves its members.
  const bool stopped = view->source_answers && !wish.force && wish.group.empty();
  if (stopped || wish.dry_run) co_return print_plan(wish, *view, stopped, as_json);

  auto response = co_await sites.ask(wish.target, request_of(sites, wish));
  if (!response) {
    co_return fail_with(Error::message(response.error().text +
                                       "; whether it was promoted is unknown, repeat the command"));
  }
  if (auto refused = refusal(wish.target, *response)) co_return fail_with(*refused);
  if (!wish.group.empty() && response->groups.empty()) {
    co_return fail_with(
        Error::message(wish.target + ": group " + wish.group + " is not owned by " + wish.link));
  }
  if (as_json) {
    show(json_of(wish, *view, *response));
  } else {
    show(text_of(wish, *view, *response));
  }
  co_return Exit::done;
}

}  // namespace isthmus::cli
