// isthmus switchover --from A --to B, and take-back: moving to the other site with nothing lost.
//
// The command writes a wish at the target and watches; the mirror of the link does the work, from
// records at both ends that outlive it and this command. So it may be ended and repeated at any
// time: it then finds what is under way and goes on watching.
#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "broker/image/image.h"
#include "cli/access.h"
#include "cli/limits.h"
#include "cli/link.h"
#include "cli/reports.h"
#include "cli/table.h"
#include "client/admin.h"
#include "kafka/gen/finish_switchover.h"
#include "kafka/gen/switchover_wish.h"
#include "kafka/link_ends.h"
#include "mirror/access_reader.h"
#include "views/readiness.h"

namespace isthmus::cli {
namespace {

using nlohmann::json;
using Phase = kafka::SwitchoverPhase;

constexpr auto look_every = io::milliseconds(50);

struct SwitchoverOptions {
  Where where;
  std::string from;
  std::string to;
  bool dry_run = false;
  bool take_back = false;
  bool force = false;
  bool leave_behind = false;
  int64_t wait_s = 30;  // for the hand-over; then the wish is given up

  std::string link() const { return from + "-" + to; }
};
using Options = std::shared_ptr<SwitchoverOptions>;

// What both ends have written down of the switchovers of one link.
struct Ends {
  struct Side {
    Uuid id;
    Phase phase = Phase::none;
    std::string trouble;
    kafka::ClusterIdentity identity{};
  };
  std::optional<Side> source;  // nothing: it does not answer
  std::optional<Side> target;
  // One of the two that answer is not the cluster that the other has agreed with, or that is meant.
  std::string wrong;

  bool says(const std::optional<Side>& side, const Uuid& id, Phase phase) const {
    return side && side->id == id && side->phase == phase;
  }
  // Why the target has given `id` up, or refuses to be promoted.
  std::string trouble(const Uuid& id) const {
    return target && target->id == id ? target->trouble : "";
  }
};

Ends::Side side_of(const SiteAnswer& site, const std::string& link) {
  auto found = std::ranges::find(site.switchovers, link, &SiteAnswer::SiteSwitchover::link);
  Ends::Side side;
  side.identity = kafka::identity_of(site);
  if (found == site.switchovers.end()) return side;
  side.id = found->switchover_id;
  side.phase = found->phase;
  side.trouble = found->trouble;
  return side;
}

io::Task<Ends> look_at_ends(Sites& sites, Options options) {
  Ends ends;
  auto source = co_await sites.describe(options->from, false, false);
  if (source) ends.source = side_of(*source, options->link());
  auto target = co_await sites.describe(options->to, false, false);
  if (target) ends.target = side_of(*target, options->link());
  if (source && target) {
    ends.wrong = kafka::wrong_ends({options->from, options->to}, &*source, *target);
  }
  co_return ends;
}

// The switchover that has begun and is not over, so that it must go on under its own id.
std::optional<Uuid> under_way(const Ends& ends) {
  if (ends.source && ends.source->phase == Phase::handed_over) return ends.source->id;
  if (ends.target && ends.target->phase == Phase::wished) return ends.target->id;
  return std::nullopt;
}

// Nothing where it does not answer: that is found out elsewhere.
io::Task<LimitsOf> ask_limits(Sites& sites, std::string name, NodeId node) {
  LimitsOf found{name, {}};
  auto cluster = sites.at(name);
  if (!cluster) co_return found;
  client::Admin admin(**cluster);
  auto answer = co_await admin.describe_configs(kafka::ConfigResource::broker,
                                                {std::to_string(node)}, sites.deadline());
  if (answer) found.limits = limits_in(*answer);
  co_return found;
}

io::Task<AccessOf> ask_access(Sites& sites, std::string name) {
  auto cluster = sites.at(name);
  if (!cluster) co_return AccessOf{name, fail(cluster.error())};
  mirror::AccessPicture picture;
  auto read =
      co_await mirror::read_access(**cluster, picture, answer_within, client::Cluster::shared_lane);
  if (!read) co_return AccessOf{name, fail(read.error())};
  co_return AccessOf{name, std::move(*picture.view)};
}

// Done if it is ready, not_ready if not; what speaks against it is printed unless it is in JSON and
// ready, where the outcome alone is the document.
io::Task<Exit> check_readiness(Sites& sites, Options options, bool as_json) {
  auto source = co_await sites.describe(options->from, true, true);
  if (!source) co_return fail_with(source.error());
  auto target = co_await sites.describe(options->to, true, true);
  if (!target) co_return fail_with(target.error());
  auto link = view_link(options->link(), *target, &*source);
  if (!link) co_return fail_with(link.error());
  Readiness readiness = judge(*link, *source, sites.switchover(), options->leave_behind);
  const LimitsOf there = co_await ask_limits(sites, options->from, source->node_id);
  const LimitsOf here = co_await ask_limits(sites, options->to, target->node_id);
  readiness.findings.push_back(judge_limits(there, here));
  const AccessOf access_there = co_await ask_access(sites, options->from);
  const AccessOf access_here = co_await ask_access(sites, options->to);
  readiness.findings.push_back(judge_access(access_there, access_here, options->link()));
  const bool ready = readiness.stops() == 0;
  if (as_json && (options->dry_run || !ready)) {
    show(json_of(*link, readiness));
  }
  if (!as_json) show(text_of(*link, readiness));
  co_return ready ? Exit::done : Exit::not_ready;
}

// `give_up` is why; empty: it is wanted.
io::Task<Result<Uuid>> wish_for(Sites& sites, Options options, Uuid id, std::string give_up) {
  const bool abandon = !give_up.empty();
  kafka::SwitchoverWishRequest request;
  request.link = options->link();
  request.switchover_id = id;
  request.abandon = abandon;
  request.reason = std::move(give_up);
  auto answer = co_await sites.ask(options->to, std::move(request));
  if (!answer) co_return fail(answer.error());
  // Somebody else's wish came first: that one is watched.
  if (!abandon && answer->phase == Phase::wished) co_return answer->switchover_id;
  if (auto refused = refusal(options->to, *answer)) co_return fail(*refused);
  co_return id;
}

// Says each step once, with the time since the start.
class Progress {
 public:
  Progress(io::Loop& loop, bool quiet) : loop_(loop), began_(loop.now()), quiet_(quiet) {}
  double seconds_since_start() const {
    return std::chrono::duration<double>(loop_.now() - began_).count();
  }
  void say(const std::string& text) {
    if (text == said_ || quiet_) return;
    said_ = text;
    cli::say("{:6.2f} s  {}", seconds_since_start(), text);
  }

 private:
  io::Loop& loop_;
  io::Instant began_;
  bool quiet_;
  std::string said_;
};

std::string step_text(const SwitchoverOptions& options, const Ends& ends, const Uuid& id) {
  if (ends.says(ends.target, id, Phase::promoted)) {
    return "promoted: " + options.to + " is written now; waiting for " + options.from +
           " to follow";
  }
  if (ends.says(ends.source, id, Phase::handed_over) && !ends.trouble(id).empty()) {
    return not_promoted(options.from, options.to, ends.trouble(id));
  }
  if (ends.says(ends.source, id, Phase::handed_over)) {
    return "handed over: " + options.to + " has everything, and only it may go on";
  }
  if (!ends.source) return options.from + " does not answer";
  if (!ends.target) return options.to + " does not answer";
  return "the mirror drains " + options.link();
}

Exit report(const SwitchoverOptions& options, const Uuid& id, double took_s, bool as_json) {
  if (as_json) {
    const json out{{"link", options.link()},
                   {"id", id.to_string()},
                   {"outcome", "promoted"},
                   {"seconds", took_s}};
    show(out);
  } else {
    say("Done: {} is written, {} follows. {:.2f} s from the wish on; "
        "producers stood still for less",
        options.to, options.from, took_s);
  }
  return Exit::done;
}

Exit fell_back(const SwitchoverOptions& options, const std::string& why) {
  return fail_with(Error::message("switchover of " + options.link() + " " + why + "; " +
                                  options.from + " goes on as before, nothing was lost"));
}

Error another_answers(const Ends& ends) {
  return Error::message(ends.wrong + ": what it says changes nothing");
}

// Until both ends say that it is over, or the time is up before the hand-over.
io::Task<Exit> watch(Sites& sites, Options options, Uuid id, bool as_json) {
  Progress progress(sites.loop(), as_json);
  const io::Instant deadline = sites.deadline(std::chrono::seconds(options->wait_s));
  bool give_up = true;
  for (;;) {
    const Ends ends = co_await look_at_ends(sites, options);
    const bool promoted = ends.says(ends.target, id, Phase::promoted);
    const bool handed_over = ends.says(ends.source, id, Phase::handed_over);
    if (promoted && ends.says(ends.source, id, Phase::done)) {
      co_return report(*options, id, progress.seconds_since_start(), as_json);
    }
    if (ends.says(ends.target, id, Phase::abandoned) && !handed_over) {
      const std::string why = ends.trouble(id);
      co_return fell_back(*options, why.empty() ? "was given up" : "was given up: " + why);
    }
    if (!ends.wrong.empty()) co_return fail_with(another_answers(ends));
    progress.say(step_text(*options, ends, id));
    const bool too_late = sites.loop().now() > deadline;
    if (too_late && promoted) {
      complain(options->to + " is written; " + options->from +
               " has not followed yet, its mirror will see to it");
      co_return Exit::degraded;
    }
    if (too_late && handed_over) {
      const std::string why = ends.trouble(id);
      co_return fail_with(
          Error::message(not_promoted(options->from, options->to, why) +
                         ". Next: " + after_hand_over(options->from, options->to, why)));
    }
    if (too_late && give_up) {
      // A wish that nobody drives would else come true whenever a mirror is started.
      auto given_up = co_await wish_for(sites, options, id, "not handed over in time");
      if (!given_up) co_return fail_with(given_up.error());
      give_up = false;
    }
    co_await io::sleep(sites.loop(), look_every);
  }
}

io::Task<Exit> switch_over(Sites& sites, Options options, bool as_json) {
  const Ends ends = co_await look_at_ends(sites, options);
  std::optional<Uuid> id = under_way(ends);
  if (!ends.wrong.empty() && !options->dry_run) co_return fail_with(another_answers(ends));
  if (!id || options->dry_run) {
    const Exit ready = co_await check_readiness(sites, options, as_json);
    if (ready != Exit::done || options->dry_run) co_return ready;
    auto wished = co_await wish_for(sites, options, sites.new_id(), "");
    if (!wished) co_return fail_with(wished.error());
    id = *wished;
  }
  co_return co_await watch(sites, options, *id, as_json);
}

// What the target says of a hand-over that shall be taken back: given up, durably, so that it can
// never be promoted on it. Refused where it is promoted already.
io::Task<Result<void>> give_up_at_target(Sites& sites, Options options, Uuid id) {
  auto given_up = co_await wish_for(sites, options, id, "taken back by the operator");
  if (given_up) co_return Result<void>{};
  co_return fail(given_up.error().text + ": repeat the switchover instead, it goes forward");
}

// After a hand-over or a failover: the source goes on. Where the target answers, and was not
// promoted, on its word; where it is gone for good, on the operator's. Also where the source has
// closed nothing: it was failed over, came back, and never heard of that.
io::Task<Exit> take_back(Sites& sites, Options options, bool as_json) {
  const Ends ends = co_await look_at_ends(sites, options);
  if (!ends.source) co_return fail_with(Error::message(options->from + " does not answer"));
  const bool handed_over = ends.source->phase == Phase::handed_over;
  // What another cluster answers, that has its name, is no answer of the target's.
  const bool answers = ends.target && ends.wrong.empty();
  if (answers && !handed_over) {
    co_return fail_with(Error::message(options->to + " answers: after a failover let " +
                                       options->from + " follow it with: isthmus link reverse " +
                                       options->to + "-" + options->from));
  }
  if (!answers && !options->force) {
    co_return fail_with(Error::message(
        options->to +
        " does not answer: if you have made sure that it will not come back, --force"));
  }
  if (answers) {
    auto given_up = co_await give_up_at_target(sites, options, ends.source->id);
    if (!given_up) co_return fail_with(given_up.error());
  }
  const bool is_closed = handed_over || ends.source->phase == Phase::stepped_down;
  kafka::FinishSwitchoverRequest request;
  request.switchover_id = is_closed ? ends.source->id : sites.new_id();
  request.link = options->link();
  request.force = !answers;
  if (answers) request.target_id = ends.target->identity.id;
  if (answers) request.target_number = ends.target->identity.number;
  auto answer = co_await sites.ask(options->from, std::move(request));
  if (!answer) co_return fail_with(answer.error());
  if (auto refused = refusal(options->from, *answer)) co_return fail_with(*refused);
  if (as_json) {
    const json out{{"link", options->link()}, {"outcome", "taken back"}};
    show(out);
  } else if (answers) {
    say("{} is written again, where it ended: {} has given the switchover up.", options->from,
        options->to);
  } else {
    say("{} is written again. {} must not come back before its data is thrown away.", options->from,
        options->to);
  }
  co_return Exit::done;
}

io::Task<Exit> forth_or_back(Sites& sites, Options options, bool as_json) {
  auto verb = options->take_back ? take_back : switch_over;
  return verb(sites, std::move(options), as_json);
}

}  // namespace

void add_switchover(Command line) {
  auto options = std::make_shared<SwitchoverOptions>();
  Command command = add_site_command(
      line,
      {"switchover", "Moves to the other site, with nothing lost and no client restarted",
       "isthmus switchover --from seoul --to tokyo --dry-run --config config/router.yaml"},
      options, forth_or_back);
  command.option("--from", options->from, "The site that is written now", {.required = true});
  command.option("--to", options->to, "The site that shall be", {.required = true});
  command.flag("--dry-run", options->dry_run, "Only say what speaks for and against it");
  command.flag("--leave-behind", options->leave_behind,
               "Although the link does not bring every topic: those stay, and routes lead away");
  command.option("--wait", options->wait_s,
                 "Seconds to wait for the hand-over, then the wish is given up (default 30)",
                 {1, 3600});
  Command back = command.word(
      "take-back",
      "Goes on at --from after a hand-over, or after a failover to a site that died for good",
      options->take_back);
  back.flag("--force", options->force,
            "It does not answer, and I have made sure that it will not come back");
}

}  // namespace isthmus::cli
