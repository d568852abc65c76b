#include "cli/reports.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace isthmus::cli {
namespace {

using nlohmann::json;

json to_json(std::optional<int64_t> number) { return number ? json(*number) : json(nullptr); }

std::string number_text(ClusterNumber number) {
  return number == 0 ? "(not Isthmus)" : fmt::format("({})", number);
}

std::string source_text(const LinkView& view) {
  return view.forgotten ? "(forgotten)" : number_text(view.source_number);
}

void add_failures(Lines& out, const LinkView& view) {
  for (const TopicView& topic : view.topics) {
    for (const PartitionView& p : topic.partitions) {
      if (p.reason.empty()) continue;
      out.say("  {}: {} at {}", p.name, p.reason, grouped(p.end_offset));
      if (!p.overtaken) continue;
      out.say("  Next: isthmus link resume {} --partition {} --accept-gap", view.name, p.name);
    }
  }
}

// A switchover that stands between the two sites, or why the latest was given up.
void add_switchover(Lines& out, const LinkView& view) {
  if (view.handed_over || !view.refused_promotion().empty()) {
    const std::string why = view.refused_promotion();
    out.say("Switchover  {}", not_promoted(view.source, view.target, why));
    out.say("            Next: {}", after_hand_over(view.source, view.target, why));
  } else if (view.switchover && !view.switchover->trouble.empty()) {
    out.say("Switchover  the latest was given up: {}", view.switchover->trouble);
  }
}

json access_of(const LinkView& view) {
  if (!view.access) return nullptr;
  return {{"acls", view.access->acls},
          {"users", view.access->users},
          {"quotas", view.access->quotas},
          {"waiting", view.access->waiting},
          {"problems", view.access->problems}};
}

}  // namespace

Lines text_of(const LinkView& view) {
  Lines out;
  out.say("{}  preserve  {}{} → {}{}  {}", view.name, view.source, source_text(view), view.target,
          number_text(view.target_number), summary(view));
  out.say("Source      {}", view.source_answers ? "answers" : "does not answer from here");
  if (view.paused) out.say("Next        isthmus link resume {}", view.name);
  if (!view.wrong_ends.empty()) {
    out.say("Ends        {}", view.wrong_ends);
    out.say("            what that cluster says changes nothing; nothing is attached or moved");
  }
  out.say("Mirror      {}",
          view.contact_age_ms ? fmt::format("last heard of {} s ago", seconds(view.contact_age_ms))
                              : "not heard of since the target's start");
  add_switchover(out, view);
  out.say("Failover now would lose  {}", view.would_lose());
  out.say("Groups      {} of the link{}", view.groups.size(),
          view.held.empty()
              ? ""
              : fmt::format("; {} held: {}", view.held.size(), fmt::join(view.held, ", ")));
  if (!view.held.empty()) out.say("            {}", view.why_held());
  if (view.access) {
    out.say("Access      {}", view.what_follows());
    for (const auto& problem : view.access->problems) out.say("            {}", problem);
  }
  if (view.left_out_count.value_or(0) > 0) out.say("Left out    {}", view.what_is_left_out());
  if (view.topics.empty()) {
    out.say("No topic of {} is mirrored this way", view.target);
    return out;
  }
  Table table({{"TOPIC"}, {"STATE"}, {"PARTS", true}, {"LAG REC", true}, {"LAG S", true}});
  for (const TopicView& topic : view.topics) {
    table.add({topic.name, topic.state,
               fmt::format("{}/{}", topic.healthy, topic.partitions.size()),
               number_or_unknown(topic.lag.records), seconds(topic.lag.ms)});
  }
  out.add(table);
  add_failures(out, view);
  return out;
}

json json_of(const LinkView& view) {
  json left_out = json::array();
  for (const LeftOutTopic& topic : view.left_out) {
    left_out.push_back({{"topic", topic.name},
                        {"why", topic.why},
                        {"selected", topic.selected},
                        {"was_mirrored", topic.was_mirrored}});
  }
  json topics = json::array();
  for (const TopicView& topic : view.topics) {
    json partitions = json::array();
    for (const PartitionView& p : topic.partitions) {
      partitions.push_back({{"partition", p.name},
                            {"reason", p.reason},
                            {"offline", p.offline},
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
          {"wrong_ends", view.wrong_ends},
          {"paused", view.paused},
          {"contact_age_ms", to_json(view.contact_age_ms)},
          {"partitions", view.partitions},
          {"failed", view.failed},
          {"lag_records", to_json(lag.records)},
          {"lag_ms", to_json(lag.ms)},
          {"would_lose", view.would_lose()},
          {"groups", view.groups},
          {"held", view.held},
          {"access", access_of(view)},
          {"switchover", switchover_json(view)},
          {"left_out", left_out},
          {"left_out_count", view.left_out_count ? json(*view.left_out_count) : json(nullptr)},
          {"topics", topics}};
}

namespace {

const char* verdict_text(Verdict verdict) {
  switch (verdict) {
    case Verdict::ok: return "ok  ";
    case Verdict::warn: return "warn";
    case Verdict::stop: return "STOP";
  }
  return "?";
}

}  // namespace

void say_findings(Lines& out, const std::vector<Finding>& findings) {
  for (const Finding& finding : findings) {
    out.say("{}  {}", verdict_text(finding.verdict), finding.text);
    if (!finding.next.empty()) out.say("      Next: {}", finding.next);
  }
}

Lines text_of(const LinkView& link, const Readiness& readiness) {
  Lines out;
  out.say("{}: {}, {}, {}", link.name, count_of(link.topics.size(), "topic"),
          count_of(link.partitions, "partition"), count_of(link.groups.size(), "group"));
  say_findings(out, readiness.findings);
  out.say("Stand-still  limited by the link's fence; after it the source goes on as before");
  out.say("Way back     isthmus switchover --from {} --to {}, identical offsets", link.target,
          link.source);
  const size_t stops = readiness.stops();
  if (stops == 0) {
    out.say("READY");
  } else {
    out.say("NOT READY: {}. Nothing was changed.", count_of(stops, "stop"));
  }
  return out;
}

json json_of(const LinkView& link, const Readiness& readiness) {
  return {{"link", link.name},
          {"ready", readiness.stops() == 0},
          {"findings", json_of(readiness.findings)}};
}

namespace {

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

void add_topics(Lines& out, const std::vector<Topic>& topics) {
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
  out.add(table);
}

// A partition that did not open at the target was promoted blindly.
void add_offline(Lines& out, const PromotionWish& wish, const std::vector<Topic>& topics) {
  for (const Topic& topic : topics) {
    for (const auto& p : topic.partitions) {
      if (p.end_offset >= 0) continue;
      out.say("Offline     {}-{} did not open at {}: see its log; what it holds stays", topic.name,
              p.index, wish.target);
    }
  }
}

// How old that is.
std::string since(const LinkView& before) {
  if (before.source_answers) return "";
  const auto age = before.source_age_ms();
  return age ? fmt::format(" {} s ago, unknown since", seconds(*age)) : ", unknown since when";
}

std::optional<int64_t> age_of(const LinkView& before, const std::string& topic,
                              PartitionIndex index) {
  const std::string name = topic + "-" + std::to_string(index);
  for (const TopicView& view : before.topics) {
    const auto found = std::ranges::find(view.partitions, name, &PartitionView::name);
    if (found != view.partitions.end()) return found->source_age_ms;
  }
  return std::nullopt;
}

}  // namespace

std::string consequence(const PromotionWish& wish) {
  if (!wish.route_from.empty()) {
    return fmt::format(
        "the routes of {0} lead to {1}; {0} refuses writers as soon as the mirror of {2} reaches "
        "it",
        wish.source, wish.target, wish.link);
  }
  return fmt::format(
      "routes stay as they are: {0} goes on where it is up, both are written then, and nothing "
      "that "
      "is written at one is brought to the other",
      wish.source);
}

std::string not_moved(const LinkView& link) {
  if (!link.left_out_count) {
    return "unknown: which topics of " + link.source +
           " were never mirrored, no mirror has told since the start of " + link.target;
  }
  return link.what_is_left_out();
}

Lines text_of(const PromotionWish& wish, const LinkView& link,
              const kafka::PromoteResponse& response) {
  Lines out;
  out.say("{}: {} and {} are written at {} now", wish.link,
          count_of(response.topics.size(), "topic"), count_of(response.groups.size(), "group"),
          wish.target);
  add_topics(out, response.topics);
  if (response.topics.empty()) return out;
  out.say("Routes      {}", consequence(wish));
  add_offline(out, wish, response.topics);
  if (!not_moved(link).empty()) out.say("Not moved   {}", not_moved(link));
  if (wish.drained) {
    out.say("Lost        nothing: each ends where {} said just before that it ends", wish.source);
    return out;
  }
  const Loss loss = loss_of(response.topics);
  out.say(
      "Lost        at least {} in {}, going by what was heard of {}{}{}",
      count_of(static_cast<size_t>(loss.records), "record"), count_of(loss.partitions, "partition"),
      wish.source, since(link),
      loss.unknown > 0 ? fmt::format("; unknown in {}", count_of(loss.unknown, "partition")) : "");
  out.say("Gap         offsets that consumers may have read at {} are not given out again",
          wish.source);
  out.say("Way back    when {} is up again: isthmus link reverse {}-{}", wish.source, wish.target,
          wish.source);
  out.say("            it keeps what only {} has in <topic>.diverged.<epoch>", wish.source);
  return out;
}

json json_of(const PromotionWish& wish, const LinkView& link,
             const kafka::PromoteResponse& response) {
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
                            {"source_heard_ms_ago", to_json(age_of(link, topic.name, p.index))},
                            {"lost_at_least", lost ? json(*lost) : json(nullptr)},
                            {"open_transactions", p.open_transactions}});
    }
    topics.push_back({{"topic", topic.name}, {"partitions", partitions}});
  }
  return {{"link", wish.link},
          {"target", wish.target},
          {"topics", topics},
          {"groups", response.groups},
          {"takes_over", wish.route_from},
          {"not_moved", not_moved(link)},
          {"way_back", wish.target + "-" + wish.source}};
}

}  // namespace isthmus::cli
