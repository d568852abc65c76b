#include "cli/promotion.h"

#include <fmt/core.h>

#include <nlohmann/json.hpp>

#include "cli/link.h"
#include "cli/table.h"

namespace isthmus::cli {
namespace {

using nlohmann::json;
using Topic = kafka::PromoteResponse::PromotedTopic;

// What is known to be lost of a partition: what the source was last heard to have, minus what we
// hold. It may have gone on after that.
std::optional<int64_t> lost_at_least(const kafka::PromoteResponse::PromotedPartition& p) {
  if (p.source_end_offset < 0) return std::nullopt;
  return std::max<int64_t>(0, p.source_end_offset - p.end_offset);
}

struct Loss {
  int64_t records = 0;
  size_t partitions = 0;
  size_t unknown = 0;
};

Loss loss_of(const std::vector<Topic>& topics) {
  Loss loss;
  for (const Topic& topic : topics) {
    for (const auto& p : topic.partitions) {
      const auto lost = lost_at_least(p);
      loss.records += lost.value_or(0);
      if (lost.value_or(0) > 0) ++loss.partitions;
      if (!lost) ++loss.unknown;
    }
  }
  return loss;
}

void print_topics(const std::vector<Topic>& topics) {
  Table table({{"TOPIC"},
               {"PARTS", true},
               {"RECORDS TO", true},
               {"LOST", true},
               {"GAP TO", true},
               {"OPEN TX ABORTED", true}});
  for (const Topic& topic : topics) {
    const Loss loss = loss_of({topic});
    int64_t end = 0;
    int64_t next = 0;
    int32_t open = 0;
    for (const auto& p : topic.partitions) {
      end = std::max(end, p.end_offset);
      next = std::max(next, p.next_offset);
      open += p.open_transactions;
    }
    const std::string lost = loss.unknown > 0 ? "unknown" : "≥" + grouped(loss.records);
    table.add({topic.name, std::to_string(topic.partitions.size()), grouped(end), lost,
               grouped(next), std::to_string(open)});
  }
  if (!table.empty()) fmt::print("{}", table.to_string());
}

// A partition that did not open at the target was promoted blindly.
void print_offline(const PromotionWish& wish, const std::vector<Topic>& topics) {
  for (const Topic& topic : topics) {
    for (const auto& p : topic.partitions) {
      if (p.end_offset >= 0) continue;
      fmt::print("Offline     {}-{} did not open at {}: see its log; what it holds stays\n",
                 topic.name, p.index, wish.target);
    }
  }
}

void print_promotion(const PromotionWish& wish, const kafka::PromoteResponse& response) {
  fmt::print("{}: {} and {} are written at {} now\n", wish.link,
             count_of(response.topics.size(), "topic"), count_of(response.groups.size(), "group"),
             wish.target);
  print_topics(response.topics);
  if (response.topics.empty()) return;
  print_offline(wish, response.topics);
  const Loss loss = loss_of(response.topics);
  fmt::print(
      "Lost        at least {} in {}, going by what was last heard of {}{}\n",
      count_of(static_cast<size_t>(loss.records), "record"), count_of(loss.partitions, "partition"),
      wish.source,
      loss.unknown > 0 ? fmt::format("; unknown in {}", count_of(loss.unknown, "partition")) : "");
  fmt::print("Gap         offsets that consumers may have read at {} are not given out again\n",
             wish.source);
  fmt::print("Way back    when {} is up again: isthmus link reverse {}-{}\n", wish.source,
             wish.target, wish.source);
  fmt::print("            it keeps what only {} has in <topic>.diverged.<epoch>\n", wish.source);
}

json to_json(const PromotionWish& wish, const kafka::PromoteResponse& response) {
  json topics = json::array();
  for (const Topic& topic : response.topics) {
    json partitions = json::array();
    for (const auto& p : topic.partitions) {
      const auto lost = lost_at_least(p);
      partitions.push_back({{"partition", p.index},
                            {"leader_epoch", p.leader_epoch},
                            {"end_offset", p.end_offset},
                            {"next_offset", p.next_offset},
                            {"source_end_offset", p.source_end_offset},
                            {"lost_at_least", lost ? json(*lost) : json(nullptr)},
                            {"open_transactions", p.open_transactions}});
    }
    topics.push_back({{"topic", topic.name}, {"partitions", partitions}});
  }
  return {{"link", wish.link},
          {"target", wish.target},
          {"topics", topics},
          {"groups", response.groups},
          {"way_back", wish.target + "-" + wish.source}};
}

kafka::PromoteRequest request_of(const Sites& sites, const PromotionWish& wish) {
  kafka::PromoteRequest request;
  request.switchover_id = sites.new_id();
  request.link = wish.link;
  request.failover = true;
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

Exit print_plan(const PromotionWish& wish, const LinkView& view, bool stopped, bool as_json) {
  if (as_json) {
    const json out{{"link", wish.link},
                   {"ready", !stopped},
                   {"topics", view.topics.size()},
                   {"partitions", view.partitions},
                   {"groups", view.groups.size()},
                   {"would_lose", view.would_lose()},
                   {"source_answers", view.source_answers}};
    fmt::print("{}\n", out.dump(2));
    return stopped ? Exit::not_ready : Exit::done;
  }
  fmt::print("{}: {}, {}, {}\n", wish.link, count_of(view.topics.size(), "topic"),
             count_of(view.partitions, "partition"), count_of(view.groups.size(), "group"));
  fmt::print("Would lose  {}\n", view.would_lose());
  if (stopped) {
    fmt::print("STOP  {} answers: after a failover both sites would be written\n", wish.source);
    fmt::print(
        "      Next: isthmus switchover --from {} --to {}, which loses nothing; or --force\n",
        wish.source, wish.target);
    fmt::print("NOT READY: 1 stop. Nothing was changed.\n");
    return Exit::not_ready;
  }
  fmt::print("READY. Nothing was changed.\n");
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
    fmt::print("{}\n", to_json(wish, *response).dump(2));
  } else {
    print_promotion(wish, *response);
  }
  co_return Exit::done;
}

}  // namespace isthmus::cli
