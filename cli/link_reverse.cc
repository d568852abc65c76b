// isthmus link reverse: the way back after a failover. The site that was lost keeps what only it
// has in <topic>.diverged.<epoch>, cuts its logs to what both have, and mirrors from there on. What
// cannot is named, and the rest goes on.
#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "cli/link.h"
#include "cli/output.h"
#include "cli/table.h"
#include "client/epoch_histories.h"
#include "kafka/gen/become_mirror.h"
#include "kafka/gen/create_partitions.h"
#include "kafka/gen/epoch_history.h"
#include "kafka/takeovers.h"

namespace isthmus::cli {
namespace {

using nlohmann::json;
using Topic = SiteAnswer::SiteTopic;
using Outcome = kafka::BecomeMirrorResponse::BecomeMirrorResult;

// Everything that was acknowledged and not mirrored is written once more before the cut.
constexpr auto export_within = std::chrono::minutes(10);

// What both have under the same id, and the new source may write; `others` is what it has besides.
std::vector<std::string> topics_to_reverse(const SiteAnswer& source, const SiteAnswer& target,
                                           std::vector<Uuid>& others) {
  std::vector<std::string> names;
  for (const Topic& topic : source.topics) {
    if (topic.writer != kafka::WriterKind::clients) {
      others.push_back(topic.topic_id);
      continue;
    }
    auto old = std::ranges::find(target.topics, topic.topic_id, &Topic::topic_id);
    if (old != target.topics.end()) names.push_back(topic.name);
  }
  return names;
}

kafka::BecomeMirrorRequest::BecomeMirrorTopic topic_of(
    const kafka::EpochHistoryResponse::EpochHistoryTopic& from) {
  kafka::BecomeMirrorRequest::BecomeMirrorTopic topic;
  topic.name = from.name;
  topic.topic_id = from.topic_id;
  for (const auto& p : from.partitions) {
    auto& partition = topic.partitions.emplace_back();
    partition.index = p.index;
    partition.leader_epoch = p.leader_epoch;
    partition.end_offset = p.end_offset;
    for (const auto& e : p.entries) {
      partition.history.push_back({e.epoch, e.owner, e.start_offset});
    }
  }
  return topic;
}

// Partitions that the lost site got and the link never saw: what is in them is kept like any other
// suffix, and at the new source they are made, empty, so that both have as many.
std::vector<kafka::CreatePartitionsRequest::CreatePartitionsTopic> partitions_to_make(
    const SiteAnswer& source, const SiteAnswer& target) {
  std::vector<kafka::CreatePartitionsRequest::CreatePartitionsTopic> topics;
  for (const Topic& topic : source.topics) {
    auto old = std::ranges::find(target.topics, topic.topic_id, &Topic::topic_id);
    const bool both = old != target.topics.end() && topic.writer == kafka::WriterKind::clients;
    if (!both || old->partitions.size() <= topic.partitions.size()) continue;
    topics.push_back({topic.name, static_cast<int32_t>(old->partitions.size()), std::nullopt});
  }
  return topics;
}

// A topic that does not follow, and why. It stays as it is, and holds no other up.
using Refused = std::map<std::string, std::string>;

io::Task<Result<void>> make_partitions(Sites& sites, std::string at, const SiteAnswer& source,
                                       const SiteAnswer& target, Refused& refused) {
  kafka::CreatePartitionsRequest request;
  request.topics = partitions_to_make(source, target);
  request.timeout_ms = 10'000;
  if (request.topics.empty()) co_return Result<void>{};
  auto answer = co_await sites.ask(at, std::move(request));
  if (!answer) co_return fail(answer.error());
  for (const auto& result : answer->results) {
    if (result.error_code == kafka::ErrorCode::none) continue;
    const std::string code(kafka::error_name(result.error_code));
    refused[result.name] =
        "partitions that " + at + " has not got: " + result.error_message.value_or(code);
  }
  co_return Result<void>{};
}

// Why the topic's history is not known; empty if it is.
std::string why_unknown(const kafka::EpochHistoryResponse::EpochHistoryTopic& history,
                        const SiteAnswer& source) {
  if (history.error_code != kafka::ErrorCode::none) {
    return source.name + ": " + std::string(kafka::error_name(history.error_code));
  }
  const auto topic = std::ranges::find(source.topics, history.topic_id, &Topic::topic_id);
  if (topic == source.topics.end()) return "made or deleted meanwhile at " + source.name;
  if (history.partitions.size() >= topic->partitions.size()) return "";
  return "a partition is offline at " + source.name;
}

io::Task<Result<kafka::BecomeMirrorRequest>> make_request(Sites& sites, LinkOptionsPtr options,
                                                          process::LinkName ends,
                                                          Refused& refused) {
  auto source = co_await sites.describe(ends.source, true, false);
  if (!source) co_return fail(source.error());
  auto target = co_await sites.describe(ends.target, true, false);
  if (!target) co_return fail(target.error());
  if (!options->dry_run) {
    auto made = co_await make_partitions(sites, ends.source, *source, *target, refused);
    if (!made) co_return fail(made.error());
  }
  kafka::BecomeMirrorRequest request;
  request.link = options->name;
  request.left_link = ends.target + "-" + ends.source;
  request.origin = source->number;
  request.dry_run = options->dry_run;
  request.route_version = source->route_version;
  kafka::put_takeovers(request.routes,
                       kafka::takeovers_in(source->routes, source->route_version, source->name));

  auto topics = topics_to_reverse(*source, *target, request.others);
  if (topics.empty()) co_return request;
  auto cluster = sites.at(ends.source);
  if (!cluster) co_return fail(cluster.error());
  auto histories = co_await client::epoch_histories(**cluster, std::move(topics), sites.deadline());
  if (!histories) co_return fail(histories.error());
  for (const auto& history : histories->topics) {
    const std::string why = why_unknown(history, *source);
    if (!why.empty()) refused.emplace(history.name, why);
    auto at = std::ranges::find(source->topics, history.name, &Topic::name);
    if (refused.contains(history.name)) {
      // The lost site keeps it closed.
      if (at != source->topics.end()) request.others.push_back(at->topic_id);
      continue;
    }
    auto& topic = request.topics.emplace_back(topic_of(history));
    topic.promoted_at = at->promoted_at;
  }
  co_return request;
}

int64_t cut_of(const Outcome& topic) {
  int64_t sum = 0;
  for (const auto& p : topic.partitions) sum += p.end_offset - p.cut_at;
  return sum;
}

void print_refused(const LinkOptions& options, const process::LinkName& ends,
                   const Refused& refused) {
  if (refused.empty()) return;
  say("{} {} not follow:", count_of(refused.size(), "topic"), options.dry_run ? "would" : "could");
  for (const auto& [topic, why] : refused) say("  {}: {}", topic, why);
  say("They stay as they are at {}. Next: mend that, and repeat the command", ends.target);
}

void print_outcome(const LinkOptions& options, const process::LinkName& ends,
                   const std::vector<Outcome>& topics) {
  say("{}: {} {} {}", options.name, count_of(topics.size(), "topic"),
      options.dry_run ? "would follow" : "follow", ends.source);
  Table table({{"TOPIC"}, {"PARTS", true}, {"OFFSETS CUT", true}, {"KEPT IN"}});
  for (const Outcome& topic : topics) {
    table.add({topic.name, std::to_string(topic.partitions.size()), grouped(cut_of(topic)),
               topic.exported_to.empty() ? "nothing to keep" : topic.exported_to});
  }
  show(table);
  for (const Outcome& topic : topics) {
    for (const auto& p : topic.partitions) {
      if (p.end_offset == p.cut_at) continue;
      say("  {}-{}: offsets {} to {}", topic.name, p.index, grouped(p.cut_at),
          grouped(p.end_offset - 1));
    }
  }
  if (options.dry_run) {
    say("Nothing was changed.");
  } else {
    say("Next: a mirror with link {} in its file goes on from there; "
        "isthmus link describe {}",
        options.name, options.name);
  }
}

json to_json(const LinkOptions& options, const std::vector<Outcome>& outcomes,
             const Refused& refused) {
  json topics = json::array();
  for (const Outcome& topic : outcomes) {
    json partitions = json::array();
    for (const auto& p : topic.partitions) {
      partitions.push_back(
          {{"partition", p.index}, {"cut_at", p.cut_at}, {"end_offset", p.end_offset}});
    }
    topics.push_back({{"topic", topic.name},
                      {"exported_to", topic.exported_to},
                      {"offsets_cut", cut_of(topic)},
                      {"partitions", partitions}});
  }
  json left = json::array();
  for (const auto& [topic, why] : refused) left.push_back({{"topic", topic}, {"why", why}});
  return {
      {"link", options.name}, {"dry_run", options.dry_run}, {"topics", topics}, {"refused", left}};
}

Exit exit_of(const LinkOptions& options, const std::vector<Outcome>& followed,
             const Refused& refused) {
  if (refused.empty()) return Exit::done;
  if (options.dry_run) return Exit::not_ready;
  return followed.empty() ? Exit::failed : Exit::degraded;
}

io::Task<Exit> reverse(Sites& sites, LinkOptionsPtr options, bool as_json) {
  auto ends = process::parse_link_name(options->name);
  if (!ends) {
    co_return fail_with(Error::message("'" + options->name +
                                       "' is no link: its name is <new source>-<old source>"));
  }
  Refused refused;
  auto request = co_await make_request(sites, options, *ends, refused);
  if (!request) co_return fail_with(request.error());
  if (request->topics.empty() && refused.empty()) {
    co_return fail_with(Error::message("nothing to reverse: " + ends->source +
                                       " writes no topic that " + ends->target + " has too"));
  }
  std::vector<Outcome> followed;
  if (!request->topics.empty()) {
    auto response = co_await sites.ask(ends->target, std::move(*request), export_within);
    if (!response) co_return fail_with(response.error());
    for (Outcome& topic : response->topics) {
      if (topic.error_code != kafka::ErrorCode::none) {
        refused[topic.name] = topic.error_message.value_or("refused");
      } else {
        followed.push_back(std::move(topic));
      }
    }
    auto whole = refusal(ends->target, *response);
    if (whole && (refused.empty() || !followed.empty())) co_return fail_with(*whole);
  }
  if (as_json) {
    show(to_json(*options, followed, refused));
  } else {
    if (!followed.empty()) print_outcome(*options, *ends, followed);
    print_refused(*options, *ends, refused);
  }
  co_return exit_of(*options, followed, refused);
}

}  // namespace

void add_link_reverse(Command group, LinkOptionsPtr options) {
  Command command = add_site_command(
      group,
      {"reverse", "The way back: the site that was lost follows the one that went on",
       "isthmus link reverse tokyo-seoul --dry-run --config config/router.yaml"},
      options, reverse);
  command.argument("LINK", options->name, "<new source>-<old source>");
  command.flag("--dry-run", options->dry_run, "Only say what would be cut");
}

}  // namespace isthmus::cli
