#include "views/readiness.h"

#include <fmt/core.h>

#include <algorithm>

#include "views/words.h"

namespace isthmus::views {
namespace {

// The first three, and how many more there are.
std::string names_of(const std::vector<std::string>& all) {
  constexpr size_t most = 3;
  std::string names;
  for (size_t i = 0; i < std::min(all.size(), most); ++i) names += (i ? ", " : "") + all[i];
  if (all.size() > most) names += fmt::format(" and {} more", all.size() - most);
  return names;
}

Finding judge_mirror(const LinkView& link) {
  if (link.mirror_is_there()) {
    return {Verdict::ok, fmt::format("mirror heard of {} s ago", seconds(link.contact_age_ms)), ""};
  }
  return {Verdict::stop, "no mirror runs for " + link.name + ", and it is the one that drives this",
          "isthmus mirror with this link in its file"};
}

Finding judge_pause(const LinkView& link) {
  if (!link.paused) return {Verdict::ok, link.name + " is not paused", ""};
  return {Verdict::stop, link.name + " is paused: nothing is copied",
          "isthmus link resume " + link.name};
}

Finding judge_ends(const LinkView& link) {
  if (link.wrong_ends.empty())
    return {Verdict::ok, "both ends are the clusters that are meant", ""};
  return {Verdict::stop, link.wrong_ends,
          "correct the address, or see: isthmus link describe " + link.name};
}

Finding judge_lag(const LinkView& link, const process::SwitchoverConfig& limits) {
  const Lag lag = link.lag();
  const auto limit = limits.max_lag.count();
  const std::string text = fmt::format("lag {} s, {} records (limit {} s)", seconds(lag.ms),
                                       number_or_unknown(lag.records), seconds(limit));
  if (lag.ms && *lag.ms <= limit) return {Verdict::ok, text, ""};
  return {Verdict::stop, text, "wait until isthmus link describe " + link.name + " shows less"};
}

Finding judge_partitions(const LinkView& link) {
  if (link.topics.empty()) {
    return {Verdict::stop, "no topic is mirrored by " + link.name, "is everything moved already?"};
  }
  if (link.failed == 0) {
    return {Verdict::ok,
            fmt::format("{} of {} mirrored", count_of(link.partitions, "partition"),
                        count_of(link.topics.size(), "topic")),
            ""};
  }
  std::vector<std::string> stuck;
  for (const TopicView& topic : link.topics) {
    stuck.insert(stuck.end(), topic.stuck.begin(), topic.stuck.end());
  }
  return {Verdict::stop,
          fmt::format("{} of {} not mirrored: {}", link.failed,
                      count_of(link.partitions, "partition"), names_of(stuck)),
          "isthmus link describe " + link.name};
}

// Topics that are written at the source and would stay behind, while their clients are led away.
Finding judge_topics(const LinkView& link, bool leave_behind) {
  const std::string left = link.what_is_left_out();
  if (left.empty()) return {Verdict::ok, "every topic of " + link.source + " is mirrored", ""};
  return {leave_behind ? Verdict::warn : Verdict::stop,
          "would stay behind, and their clients be led to " + link.target + ": " + left,
          leave_behind ? "" : "mirror them (link topics), or leave them: --leave-behind"};
}

// Groups that live at the target too would go on at what they have committed there.
Finding judge_groups(const LinkView& link) {
  if (link.held.empty()) {
    return {Verdict::ok, count_of(link.groups.size(), "group") + " of the link, none held", ""};
  }
  return {Verdict::stop,
          fmt::format("{} held: {}", count_of(link.held.size(), "group"), names_of(link.held)),
          link.why_held()};
}

// By groups.exclude, most often.
void add_groups_left(std::vector<Finding>& findings, const SiteAnswer& source,
                     const LinkView& link) {
  std::vector<std::string> left;
  for (const auto& group : source.groups) {
    const bool follows = !group.link.empty() || std::ranges::count(link.groups, group.name) > 0 ||
                         std::ranges::count(link.held, group.name) > 0;
    if (!follows) left.push_back(group.name);
  }
  if (left.empty()) return;
  findings.push_back(
      {Verdict::warn,
       fmt::format("{} of {} not of the link, so they begin anew at {}: {}",
                   count_of(left.size(), "group"), link.source, link.target, names_of(left)),
       ""});
}

Finding judge_way_back(const SiteAnswer& source, const LinkView& link) {
  const std::string reverse = link.target + "-" + link.source;
  auto found = std::ranges::find(source.links, reverse, &SiteAnswer::SiteLink::name);
  const bool runs = found != source.links.end() && speaks(*found);
  if (runs && found->paused) {
    return {Verdict::warn, reverse + " is paused: nothing flows back afterwards",
            "isthmus link resume " + reverse};
  }
  if (runs) return {Verdict::ok, "way back: link " + reverse + " is kept", ""};
  return {Verdict::warn, "no mirror keeps " + reverse + ": nothing flows back afterwards",
          "isthmus mirror with link " + reverse + " in its file"};
}

// One that is between the two sites goes on under its own id, whatever this one would say.
void add_hand_over(std::vector<Finding>& findings, const LinkView& link) {
  const std::string why = link.refused_promotion();
  if (!link.handed_over && why.empty()) return;
  findings.push_back({Verdict::stop, not_promoted(link.source, link.target, why),
                      after_hand_over(link.source, link.target, why)});
}

}  // namespace

size_t Readiness::stops() const {
  return static_cast<size_t>(std::ranges::count(findings, Verdict::stop, &Finding::verdict));
}

Readiness judge(const LinkView& link, const SiteAnswer& source,
                const process::SwitchoverConfig& limits, bool leave_behind) {
  Readiness readiness{{judge_ends(link), judge_mirror(link), judge_pause(link),
                       judge_partitions(link), judge_lag(link, limits), judge_groups(link),
                       judge_topics(link, leave_behind), judge_way_back(source, link)}};
  add_groups_left(readiness.findings, source, link);
  add_hand_over(readiness.findings, link);
  return readiness;
}

}  // namespace isthmus::views
