// isthmus link pause|resume: copy no more, or go on; and, where the source's retention has
// overtaken the copy, go on behind what is gone; where it has created a topic again, set the copy
// of the one before aside. Recorded at the link's target.
#include <fmt/core.h>

#include <nlohmann/json.hpp>

#include "cli/link.h"
#include "cli/output.h"
#include "cli/table.h"
#include "kafka/gen/pause_link.h"

namespace isthmus::cli {
namespace {

using nlohmann::json;
using Answer = kafka::PauseLinkResponse;

Exit refuse_steering(const std::string& why) {
  complain(why + "; nothing was changed");
  return Exit::not_ready;
}

json json_of_steering(const std::string& link, const std::string& target, bool paused,
                      const Answer& answer) {
  json accepted = json::array();
  for (const auto& gap : answer.accepted) {
    accepted.push_back(
        {{"topic", gap.topic}, {"partition", gap.partition}, {"reason", gap.reason}});
  }
  json aside = json::array();
  for (const auto& kept : answer.aside) {
    aside.push_back({{"topic", kept.topic}, {"name", kept.name}});
  }
  return {{"link", link},
          {"at", target},
          {"paused", paused},
          {"accepted", accepted},
          {"set_aside", aside}};
}

io::Task<Exit> steer(Sites& sites, kafka::PauseLinkRequest request, bool as_json) {
  const auto ends = process::parse_link_name(request.link);
  if (!ends) {
    co_return fail_with(
        Error::message("'" + request.link + "' is no link: its name is <source>-<target>"));
  }
  const std::string link = request.link;
  const bool paused = request.paused, sets_aside = request.set_aside;
  auto answer = co_await sites.ask(ends->target, std::move(request));
  if (!answer) co_return fail_with(answer.error());
  if (auto refused = refusal(ends->target, *answer)) co_return refuse_steering(refused->text);
  if (sets_aside && answer->aside.empty()) {
    co_return refuse_steering("the brokers of " + ends->target +
                              " are of an older release, which sets nothing aside");
  }
  if (as_json) {
    show(json_of_steering(link, ends->target, paused, *answer));
    co_return Exit::done;
  }
  if (paused) {
    say("{}: paused. What is at {} stays; nothing more is copied, over restarts too", link,
        ends->target);
    say("Next: isthmus link resume {}", link);
  } else {
    say("{}: goes on from where {} ends", link, ends->target);
  }
  for (const auto& gap : answer->accepted) {
    say("Gap accepted  {}-{}{}", gap.topic, gap.partition,
        gap.reason.empty() ? ", before" : ": " + gap.reason);
  }
  for (const auto& kept : answer->aside) {
    say("Set aside     the copy of the {} that was deleted is {} now: read it, or delete it",
        kept.topic, kept.name);
  }
  co_return Exit::done;
}

io::Task<Exit> pause(Sites& sites, LinkOptionsPtr options, bool as_json) {
  kafka::PauseLinkRequest request;
  request.link = options->name;
  request.paused = true;
  auto done = co_await steer(sites, std::move(request), as_json);
  co_return done;
}

// "pay.b-3": topics may have dashes in their names.
std::optional<TopicPartition> partition_named(const std::string& text) {
  const size_t dash = text.rfind('-');
  const std::string digits = dash == std::string::npos ? "" : text.substr(dash + 1);
  const bool is_number = !digits.empty() && digits.size() <= 9 &&
                         digits.find_first_not_of("0123456789") == std::string::npos;
  if (!is_number || dash == 0) return std::nullopt;
  return TopicPartition{text.substr(0, dash), static_cast<PartitionIndex>(std::stol(digits))};
}

io::Task<Exit> resume(Sites& sites, LinkOptionsPtr options, bool as_json) {
  kafka::PauseLinkRequest request;
  request.link = options->name;
  request.accept_gap = options->accept_gap;
  if (!options->partition.empty()) {
    if (!options->accept_gap) {
      co_return refuse_steering("a link goes on as a whole: --partition is for --accept-gap");
    }
    const auto named = partition_named(options->partition);
    if (!named) {
      co_return fail_with(
          Error::message("'" + options->partition + "' is no partition: it is <topic>-<number>"));
    }
    request.partitions.push_back({named->topic, named->partition});
  }
  request.set_aside = options->set_aside;
  if (!options->topic.empty()) {
    if (!options->set_aside) {
      co_return refuse_steering("a link goes on as a whole: --topic is for --set-aside");
    }
    request.topics.push_back(options->topic);
  }
  auto done = co_await steer(sites, std::move(request), as_json);
  co_return done;
}

}  // namespace

void add_link_pause(Command group, LinkOptionsPtr options) {
  Command paused =
      add_site_command(group,
                       {"pause", "Copies nothing more over a link, until it is resumed",
                        "isthmus link pause seoul-tokyo --config config/router.yaml"},
                       options, pause);
  paused.argument("LINK", options->name, "<source>-<target>");
  Command resumed = add_site_command(
      group,
      {"resume", "Lets a link go on, also past offsets that are gone and topics made anew",
       "isthmus link resume seoul-tokyo --config config/router.yaml"},
      options, resume);
  resumed.argument("LINK", options->name, "<source>-<target>");
  resumed.flag("--accept-gap", options->accept_gap,
               "Go on where the source's retention has overtaken the copy: what is gone is gone");
  resumed.option("--partition", options->partition, "Of one only: <topic>-<number>");
  resumed.flag("--set-aside", options->set_aside,
               "Where the source has deleted a topic and created it again, rename the old copy to "
               "<topic>.recreated, and mirror the new one");
  resumed.option("--topic", options->topic, "Of one only");
}

}  // namespace isthmus::cli
