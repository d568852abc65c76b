#include "cli/top_trouble.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/told.h"

namespace isthmus::cli {
namespace {

using nlohmann::json;
using Troubles = std::vector<Trouble>;

// A site says something new every second or two.
constexpr int64_t site_is_silent_after_ms = 10'000;
// A switchover takes less than a second; one that takes longer is looked at.
constexpr int64_t switchover_stands_after_ms = 10'000;

std::string or_else(std::string text, const char* instead) { return text.empty() ? instead : text; }

std::vector<std::string> texts_of(const json& list) {
  std::vector<std::string> texts;
  for (const json& each : list) {
    if (each.is_string()) texts.push_back(each.get<std::string>());
  }
  return texts;
}

std::string failover_from(const std::string& site, const json& links) {
  for (const json& link : links) {
    if (told_text(link, "source") != site || site.empty()) continue;
    return fmt::format(". Should it be lost: isthmus failover --from {} --to {} --dry-run", site,
                       told_text(link, "target"));
  }
  return "";
}

void look_at_site(const json& site, const json& links, Troubles& found) {
  const std::string name = told_text(site, "name");
  const std::string trouble = bare_text(told_text(site, "trouble"));
  const auto told = told_number(site, "told_ms_ago");
  if (told_flag(site, "reachable") == false) {
    found.push_back(
        {.stops = true,
         .where = name,
         .text = fmt::format(
             "does not answer: {}{}", or_else(trouble, "no reason is known"),
             told ? fmt::format("; it was last heard {} ago", lasting_text(*told)) : ""),
         .next = "see that its brokers run, and that the line to it stands" +
                 failover_from(name, links)});
    return;
  }
  if (told > site_is_silent_after_ms) {
    found.push_back({.where = name,
                     .text = "answers, and says nothing new of itself",
                     .next = fmt::format("isthmus cluster describe; what stands here is {} old",
                                         lasting_text(*told))});
  } else if (!trouble.empty()) {
    found.push_back({.where = name, .text = trouble});
  }
  for (const json& finding : told_list(site, "findings")) {
    const std::string verdict = told_text(finding, "verdict");
    if (verdict == "ok" || !finding.is_object()) continue;
    found.push_back({.stops = verdict == "stop",
                     .where = name,
                     .text = bare_text(told_text(finding, "text")),
                     .next = told_text(finding, "next")});
  }
}

std::string next_of(const std::string& name, bool paused, const std::vector<std::string>& stuck) {
  for (const std::string& each : stuck) {
    if (each.find("retention_overtook") == std::string::npos) continue;
    return fmt::format(
        "if what is gone at the source may be: isthmus link resume {} --partition {} --accept-gap",
        name, each.substr(0, each.find(':')));
  }
  return fmt::format("isthmus link {} {}", paused ? "resume" : "describe", name);
}

void look_at_latest_move(const json& link, const std::string& name, Troubles& found) {
  const json& move = told_object(link, "switchover");
  const std::string trouble = bare_text(told_text(move, "trouble"));
  const std::string source = told_text(link, "source"), target = told_text(link, "target");
  if (told_flag(move, "handed_over") == true) {
    found.push_back(
        {.stops = true,
         .where = name,
         .text = fmt::format("{} has handed over, {} is not promoted: nobody is written{}{}",
                             source, target, trouble.empty() ? "" : ". ", trouble),
         .next = fmt::format("see that a mirror of the link runs; it promotes by itself. Or go "
                             "back: isthmus switchover take-back --from {} --to {}",
                             source, target)});
  } else if (!trouble.empty()) {
    found.push_back({.where = name, .text = "the latest switchover was given up: " + trouble});
  }
}

// A link as the router sees it.
void look_at_link(const json& link, Troubles& found) {
  const std::string name = told_text(link, "name");
  look_at_latest_move(link, name, found);
  const bool handed_over = told_flag(told_object(link, "switchover"), "handed_over") == true;
  const auto stuck = texts_of(told_list(link, "stuck"));
  const int64_t failed = told_number(link, "failed").value_or(0);
  if (told_flag(link, "ok") == false && !(handed_over && stuck.empty())) {
    const auto named = static_cast<int64_t>(stuck.size());
    found.push_back(
        {.stops = failed > 0 || !stuck.empty(),
         .where = name,
         .text = or_else(bare_text(told_text(link, "summary")), "not mirrored, or not all"),
         .next = next_of(name, told_flag(link, "paused") == true, stuck),
         .list = stuck,
         .more = std::max(failed, named) - named});
  }
  const auto held = texts_of(told_list(link, "held"));
  if (held.empty()) return;
  found.push_back(
      {.where = name,
       .text = fmt::format("{} held: {}", count_text(static_cast<int64_t>(held.size()), "group"),
                           fmt::join(held, ", ")),
       .next = "the other site has a group of that name: isthmus link describe " + name});
}

// A link as its mirror sees it.
void look_at_mirrored(const std::string& name, const json& link, Troubles& found) {
  if (told_flag(link, "attached") == false) {
    const auto problem = or_else(bare_text(told_text(link, "problem")), "no reason is known");
    found.push_back({.stops = true,
                     .where = name,
                     .text = "not attached: " + problem,
                     .next = "see that both ends answer from here"});
  }
  const auto failed = told_number(link, "failed"), held = told_number(link, "held");
  if (failed > 0) {
    found.push_back({.stops = true,
                     .where = name,
                     .text = count_text(failed, "partition") + " not mirrored",
                     .next = "isthmus link describe " + name});
  }
  if (held > 0) {
    found.push_back({.where = name,
                     .text = count_text(held, "group") + " held",
                     .next = "isthmus link describe " + name});
  }
  auto problems = texts_of(told_list(told_object(link, "access"), "problems"));
  if (problems.empty()) return;
  found.push_back({.where = name,
                   .text = "not all ACLs, users and quotas follow",
                   .list = std::move(problems)});
}

// Unless the link itself says that it has handed over.
bool is_told_of_its_link(const json& move, const json& links) {
  return std::ranges::any_of(links, [&](const json& link) {
    return told_text(link, "name") == told_text(move, "link") &&
           told_flag(told_object(link, "switchover"), "handed_over") == true;
  });
}

void look_at_switchover(const json& move, int64_t now, Troubles& found) {
  const json& steps = told_list(move, "steps");
  if (told_flag(move, "over") != false || steps.empty()) return;
  const auto began = told_number(steps.front(), "time_ms");
  if (!began || elapsed_ms(now, *began) < switchover_stands_after_ms) return;
  const std::string name = told_text(move, "link");
  const auto last = told_number(steps.back(), "time_ms").value_or(*began);
  found.push_back(
      {.stops = true,
       .where = name,
       .text = fmt::format("a {} stands since {}: {}",
                           told_flag(move, "failover") == true ? "failover" : "switchover",
                           clock_text(last, now),
                           or_else(bare_text(told_text(move, "trouble")),
                                   told_text(steps.back(), "phase").c_str())),
       .next = fmt::format("isthmus link describe {}; the log of its mirror says what it waits for",
                           name)});
}

std::string partition_of(const json& each) {
  return fmt::format("{}-{}", told_text(each, "topic"),
                     grouped_text(told_number(each, "partition")));
}

void look_at_offline(const json& status, Troubles& found) {
  const json& offline = told_list(status, "offline");
  const auto named = static_cast<int64_t>(offline.size());
  const int64_t total = std::max(told_number(status, "partitions_offline").value_or(0), named);
  if (total <= 0) return;
  Trouble trouble{.stops = true,
                  .where = "disk",
                  .text = count_text(total, "partition") + " offline",
                  .more = total - named};
  if (named > 0) trouble.next = "isthmus partition describe " + partition_of(offline.front());
  for (const json& each : offline) {
    trouble.list.push_back(fmt::format("{}: {}{}", partition_of(each), told_text(each, "reason"),
                                       told_flag(each, "readable") == true ? " (still read)" : ""));
  }
  found.push_back(std::move(trouble));
}

void look_at_broker(const json& status, int64_t now, Troubles& found) {
  look_at_offline(status, found);
  if (const auto since = told_number(status, "metadata_old_since_ms")) {
    found.push_back({.where = "metadata",
                     .text = "what is known is old since " + clock_text(*since, now),
                     .next = "see to ZooKeeper, and the line to it"});
  }
  const json& cuts = told_list(status, "cuts");
  const auto named = static_cast<int64_t>(cuts.size());
  const int64_t total = std::max(told_number(status, "partitions_cut").value_or(0), named);
  if (total <= 0) return;
  Trouble trouble{
      .where = "disk",
      .text = count_text(total, "partition") + " cut at the start, as after a torn tail",
      .next = "what was cut is kept in the files named here",
      .more = total - named};
  for (const json& each : cuts) {
    trouble.list.push_back(fmt::format("{} at {}: {}", partition_of(each),
                                       grouped_text(told_number(each, "offset")),
                                       told_text(each, "kept_in")));
  }
  found.push_back(std::move(trouble));
}

// What the role says of itself, unless the same was said of a site or a link.
void look_at_role(const json& status, Troubles& found) {
  if (std::ranges::any_of(found, &Trouble::stops)) return;
  const std::string name = told_text(status, "name");
  if (told_flag(status, "ready") == false) {
    const auto reason = or_else(bare_text(told_text(status, "reason")), "no reason is known");
    found.push_back({.stops = true, .where = name, .text = "not ready: " + reason});
  }
  const std::string degraded = bare_text(told_text(status, "degraded"));
  if (!degraded.empty()) found.push_back({.where = name, .text = degraded});
}

}  // namespace

json sites_of(const json& status) {
  if (status.is_object() && status.contains("sites")) return told_list(status, "sites");
  json sites = json::array();
  for (const auto& [name, each] : told_object(status, "clusters").items()) {
    json site = {{"name", name}, {"trouble", told_text(each, "trouble")}};
    if (const auto reachable = told_flag(each, "reachable")) site["reachable"] = *reachable;
    if (const auto age = told_number(each, "age_ms")) site["told_ms_ago"] = *age;
    sites.push_back(std::move(site));
  }
  return sites;
}

std::vector<Trouble> troubles_of(const json& status) {
  Troubles found;
  const int64_t now = told_number(status, "time_ms").value_or(0);
  const json& links = told_list(status, "links");
  for (const json& site : sites_of(status)) look_at_site(site, links, found);
  for (const json& link : links) look_at_link(link, found);
  for (const auto& [name, link] : told_object(status, "links").items()) {
    look_at_mirrored(name, link, found);
  }
  for (const json& move : told_list(status, "switchovers")) {
    if (!is_told_of_its_link(move, links)) look_at_switchover(move, now, found);
  }
  look_at_broker(status, now, found);
  look_at_role(status, found);
  Troubles sorted;
  for (const bool stops : {true, false}) {
    for (Trouble& each : found) {
      if (each.stops == stops) sorted.push_back(std::move(each));
    }
  }
  return sorted;
}

}  // namespace isthmus::cli
