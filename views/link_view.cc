#include "views/link_view.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <string_view>
#include <unordered_map>

#include "kafka/gen/mirror_trouble.h"
#include "kafka/link_ends.h"
#include "kafka/mirror_reasons.h"
#include "kafka/topic_names.h"
#include "kafka/topic_writer.h"
#include "views/words.h"

namespace isthmus::views {
namespace {

using kafka::MirrorState;

constexpr int offline_badness = 7;

int badness(MirrorState state) {
  switch (state) {
    case MirrorState::failed: return 5;
    case MirrorState::waiting: return 4;
    case MirrorState::paused: return 3;
    case MirrorState::resuming:
    case MirrorState::initializing: return 2;
    case MirrorState::none: return 1;
    case MirrorState::mirroring:
    case MirrorState::stopped: return 0;
  }
  return 6;
}

// One that is still initializing keeps that state; its reason is what keeps it from going on.
bool is_stuck(const PartitionView& partition) {
  switch (partition.state) {
    case MirrorState::failed:
    case MirrorState::waiting: return true;
    case MirrorState::resuming:
    case MirrorState::initializing: return !partition.reason.empty();
    case MirrorState::none:
    case MirrorState::mirroring:
    case MirrorState::paused:
    case MirrorState::stopped: return partition.offline;
  }
  return true;
}

std::string state_text(const PartitionView& partition) {
  if (partition.offline) return "offline(" + partition.reason + ")";
  // A topic that was just created here; no mirror process has spoken of it yet.
  const bool unheard = partition.state == MirrorState::none;
  std::string text(to_string(unheard ? MirrorState::initializing : partition.state));
  if (!partition.reason.empty()) text += "(" + partition.reason + ")";
  return text;
}

Lag add(const Lag& a, const Lag& b) {
  Lag sum;
  if (a.records && b.records) sum.records = *a.records + *b.records;
  if (a.ms && b.ms) sum.ms = std::max(*a.ms, *b.ms);
  return sum;
}

struct SourceEnd {
  Offset high_watermark = -1;
  std::string offline;  // why, and where
};
using Ends = std::map<PartitionIndex, SourceEnd>;

std::string offline_at(const std::string& site, const std::string& why) {
  return why.empty() ? "" : "offline at " + site + ": " + why;
}

using ById = std::map<Uuid, const SiteAnswer::SiteTopic*>;
using ByName = std::unordered_map<std::string_view, const SiteAnswer::SiteTopic*>;

ById topics_by_id(const SiteAnswer* site) {
  ById topics;
  if (site == nullptr) return topics;
  for (const auto& topic : site->topics) topics[topic.topic_id] = &topic;
  return topics;
}

ByName topics_by_name(const SiteAnswer& site) {
  ByName topics;
  for (const auto& topic : site.topics) topics[topic.name] = &topic;
  return topics;
}

// `there`: the topic at the source, or nullptr.
Ends ends_at_source(const SiteAnswer* source, const SiteAnswer::SiteTopic* there) {
  Ends ends;
  if (there == nullptr) return ends;
  for (const auto& p : there->partitions) {
    ends[p.index] = {p.high_watermark, offline_at(source->name, p.offline)};
  }
  return ends;
}

bool was_recreated(const SiteAnswer::SitePartition& partition) {
  return partition.mirror_state == MirrorState::failed &&
         partition.mirror_reason.starts_with(to_string(kafka::MirrorTrouble::recreated));
}

// Of a paused link nothing goes on; what has failed needs more than its resumption.
MirrorState state_in(bool paused, MirrorState state) {
  const bool goes_on_else = state != MirrorState::failed && state != MirrorState::stopped;
  return paused && goes_on_else ? MirrorState::paused : state;
}

PartitionView view_partition(const std::string& target, bool paused,
                             const SiteAnswer::SiteTopic& topic,
                             const SiteAnswer::SitePartition& from, const Ends& ends) {
  PartitionView view;
  view.name = topic.name + "-" + std::to_string(from.index);
  view.state = state_in(paused, from.mirror_state);
  if (view.state != MirrorState::paused) view.reason = from.mirror_reason;
  view.overtaken =
      view.state == MirrorState::failed && view.reason.starts_with(kafka::retention_overtook);
  view.end_offset = from.end_offset;
  Offset source_end = from.source_end_offset;
  std::string offline = offline_at(target, from.offline);
  if (auto now = ends.find(from.index); now != ends.end()) {
    source_end = std::max(source_end, now->second.high_watermark);
    if (offline.empty()) offline = now->second.offline;
  }
  view.offline = !offline.empty();
  if (view.offline) view.reason = offline;
  if (source_end >= 0 && from.end_offset >= 0)
    view.lag.records = std::max<int64_t>(0, source_end - from.end_offset);
  if (from.lag_ms >= 0) view.lag.ms = from.lag_ms;
  // What the topic holds that has the name now, nobody here knows.
  if (was_recreated(from)) view.lag = {};
  if (from.source_age_ms >= 0) view.source_age_ms = from.source_age_ms;
  return view;
}

TopicView view_topic(const std::string& target, bool paused, const SiteAnswer::SiteTopic& topic,
                     const Ends& ends) {
  TopicView view;
  view.name = topic.name;
  view.lag = {0, 0};
  int worst = -1;
  for (const auto& p : topic.partitions) {
    PartitionView partition = view_partition(target, paused, topic, p, ends);
    view.lag = add(view.lag, partition.lag);
    const bool mirrors = partition.state == MirrorState::mirroring;
    if (mirrors && !partition.offline) ++view.healthy;
    const bool stuck = is_stuck(partition);
    if (stuck) view.stuck.push_back(partition.name + ": " + state_text(partition));
    const int bad = partition.offline ? offline_badness : badness(partition.state) + stuck;
    if (bad > worst) {
      worst = bad;
      view.state = state_text(partition);
    }
    view.partitions.push_back(std::move(partition));
  }
  return view;
}

using Told = std::map<std::string, const SiteAnswer::LeftOutTopic*>;

const SiteAnswer::SiteTopic* copy_of(const ByName& at_target, const std::string& link,
                                     const std::string& topic) {
  const auto copy = at_target.find(topic);
  const bool is_there = copy != at_target.end() && kafka::writer_of(*copy->second).is_link(link);
  return is_there ? copy->second : nullptr;
}

// Whether, and why, the link does not bring a topic that is written at the source. What the mirror
// told last may be two seconds old: of a topic that it selects, the copy itself says more.
std::optional<LeftOutTopic> left_out_of(const std::string& target, const ByName& at_target,
                                        const std::string& link, const SiteAnswer::SiteTopic& topic,
                                        const Told& told) {
  LeftOutTopic out;
  out.name = topic.name;
  const auto word = told.find(topic.name);
  const auto* copy = copy_of(at_target, link, topic.name);
  out.was_mirrored = copy != nullptr;
  if (word != told.end()) {
    out.why = word->second->reason;
    out.selected = word->second->selected;
    if (copy == nullptr || !out.selected) return out;
  }
  if (copy == nullptr) {
    out.why = at_target.contains(topic.name) ? "another topic of that name is at " + target
                                             : "not mirrored yet";
    return out;
  }
  if (copy->topic_id != topic.topic_id) {
    out.why = "re-created at the source: the copy is of the topic before";
    return out;
  }
  if (copy->partitions.size() >= topic.partitions.size()) return std::nullopt;
  out.why = fmt::format("{} of {} mirrored", copy->partitions.size(),
                        count_of(topic.partitions.size(), "partition"));
  return out;
}

void view_left_out(LinkView& view, const SiteAnswer& target, const SiteAnswer* source,
                   const SiteAnswer::SiteLink& link) {
  Told told;
  for (const auto& topic : link.left_out) told[topic.name] = &topic;
  const ByName at_target = topics_by_name(target);
  if (source != nullptr) {
    for (const auto& topic : source->topics) {
      const auto writer = kafka::writer_of(topic);
      if (writer.link() != nullptr || writer.is_aside()) continue;
      if (kafka::is_internal(topic.name)) continue;
      auto left = left_out_of(target.name, at_target, view.name, topic, told);
      if (left) view.left_out.push_back(std::move(*left));
    }
    view.left_out_count = view.left_out.size();
    return;
  }
  if (link.left_out_count < 0) return;
  view.left_out_count = static_cast<size_t>(link.left_out_count);
  for (const auto& topic : link.left_out) {
    view.left_out.push_back({topic.name, topic.reason, topic.selected,
                             copy_of(at_target, view.name, topic.name) != nullptr});
  }
}

}  // namespace

std::string not_promoted(const std::string& from, const std::string& to, const std::string& why) {
  if (why.empty()) return fmt::format("{} has handed over, and nobody promotes {} yet", from, to);
  return fmt::format("{} has handed over, and {} refuses to be promoted: {}", from, to, why);
}

std::string after_hand_over(const std::string& from, const std::string& to,
                            const std::string& why) {
  return fmt::format(
      "{}; or go on at {} as before: isthmus switchover take-back --from {} --to {}",
      why.empty() ? fmt::format("start the mirror of {}-{}", from, to)
                  : fmt::format("mend that, the mirror of {}-{} asks again by itself", from, to),
      from, from, to);
}

bool speaks(const SiteAnswer::SiteLink& link) {
  constexpr int missed = 3;
  return link.contact_age_ms >= 0 &&
         link.contact_age_ms <= std::max(most_contact_age_ms, missed * link.next_within_ms);
}

Lag LinkView::lag() const {
  Lag sum{0, 0};
  for (const TopicView& topic : topics) sum = add(sum, topic.lag);
  return sum;
}

std::optional<int64_t> LinkView::source_age_ms() const {
  std::optional<int64_t> oldest;
  for (const TopicView& topic : topics) {
    for (const PartitionView& p : topic.partitions) oldest = std::max(oldest, p.source_age_ms);
  }
  return oldest;
}

std::string LinkView::would_lose() const {
  int64_t records = 0;
  int64_t ms = 0;
  size_t behind = 0;
  std::string unknown;
  size_t unknowns = 0;
  for (const TopicView& topic : topics) {
    for (const PartitionView& p : topic.partitions) {
      if (!p.lag.records) {
        if (++unknowns <= 3) unknown += (unknown.empty() ? "" : ", ") + p.name;
        continue;
      }
      records += *p.lag.records;
      ms = std::max(ms, p.lag.ms.value_or(0));
      if (*p.lag.records > 0) ++behind;
    }
  }
  if (unknowns > 3) unknown += fmt::format(" and {} more", unknowns - 3);
  // Only what the source itself says is of now.
  const auto age = source_age_ms();
  if (!source_answers && !age && partitions > 0) return "unknown: nothing was heard of " + source;
  std::string text =
      records == 0 ? "nothing"
                   : fmt::format("{}{} records ({} s) in {}", source_answers ? "≤" : "≥",
                                 grouped(records), seconds(ms), count_of(behind, "partition"));
  if (!source_answers && age) text += fmt::format(" as of {} s ago, unknown since", seconds(*age));
  if (!unknown.empty()) text += ", plus " + unknown + ": unknown";
  return text;
}

std::string LinkView::what_is_left_out() const {
  constexpr size_t most = 3;
  const size_t count = left_out_count.value_or(0);
  if (count == 0) return "";
  std::string text = fmt::format("{} of {}: ", count_of(count, "topic"), source);
  for (size_t i = 0; i < std::min(left_out.size(), most); ++i) {
    text += fmt::format("{}{} ({})", i ? ", " : "", left_out[i].name, left_out[i].why);
  }
  if (count > std::min(left_out.size(), most))
    text += fmt::format(" and {} more", count - std::min(left_out.size(), most));
  return text;
}

size_t LinkView::amiss() const {
  return static_cast<size_t>(std::ranges::count_if(
      left_out, [](const LeftOutTopic& topic) { return topic.selected || topic.was_mirrored; }));
}

// Before a hand-over nobody asks for a promotion.
std::string LinkView::refused_promotion() const {
  const bool is_wished = switchover && switchover->phase == kafka::SwitchoverPhase::wished;
  return is_wished ? switchover->trouble : "";
}

std::string LinkView::what_follows() const {
  if (!access) return "";
  const auto counted = [](int32_t count, const char* what) {
    return count_of(static_cast<size_t>(std::max(count, 0)), what);
  };
  std::string text = fmt::format("{}, {}, {} follow", counted(access->acls, "ACL"),
                                 counted(access->users, "user"), counted(access->quotas, "quota"));
  if (access->waiting > 0) {
    text += fmt::format("; {} gone at {}, until delete_delay", access->waiting, source);
  }
  return text;
}

std::string LinkView::why_held() const {
  return fmt::format(
      "a held group lives at {0} too: after a move it goes on at what it had committed there, not "
      "at "
      "{1}. Stop its members at {0} and delete it there, or leave it out of the link "
      "(groups.exclude)",
      target, source);
}

std::string summary(const LinkView& view) {
  if (!view.wrong_ends.empty()) return "DEGRADED: another cluster answers at one end";
  if (!view.refused_promotion().empty()) {
    return fmt::format("DEGRADED: {} has handed over, {} is not promoted, nobody is written",
                       view.source, view.target);
  }
  if (view.paused) return "PAUSED by the operator: nothing is copied";
  if (view.failed > 0) {
    return fmt::format("DEGRADED: {} of {} not mirrored", view.failed,
                       count_of(view.partitions, "partition"));
  }
  if (view.forgotten) return "DEGRADED: its source was forgotten, and none has come since";
  if (!view.contact_age_ms) return "DEGRADED: no mirror runs for it since the target's start";
  if (!view.mirror_is_there()) {
    return fmt::format("DEGRADED: its mirror has not spoken for {} s",
                       seconds(view.contact_age_ms));
  }
  if (view.amiss() > 0) {
    return fmt::format("DEGRADED: {} not mirrored, or not all", count_of(view.amiss(), "topic"));
  }
  return "OK";
}

Result<LinkView> view_link(const std::string& name, const SiteAnswer& target,
                           const SiteAnswer* source) {
  auto ends = process::parse_link_name(name);
  if (!ends) return fail("'" + name + "' is no link: its name is <source>-<target>");
  const std::string wrong = kafka::wrong_ends({ends->source, ends->target}, source, target);
  auto link = std::ranges::find(target.links, name, &SiteAnswer::SiteLink::name);
  // Another cluster under that name has no such link, which is the lesser half of the truth.
  const bool no_link = link == target.links.end();
  if (no_link && source != nullptr && !wrong.empty()) return fail(wrong);
  if (no_link) {
    return fail(target.name + ": no mirror has ever brought link " + name +
                " here; `isthmus mirror` with that link in its file does");
  }
  LinkView view;
  view.name = name;
  view.source = ends->source;
  view.target = ends->target;
  view.source_number = link->source_number;
  view.target_number = target.number;
  view.forgotten = link->source_cluster_id.empty() && !link->forgotten.empty();
  view.paused = link->paused;
  view.source_answers = source != nullptr;
  view.wrong_ends = wrong;
  if (link->contact_age_ms >= 0) view.contact_age_ms = link->contact_age_ms;
  view.mirror_speaks = speaks(*link);
  const ById at_source = topics_by_id(source);
  for (const auto& topic : target.topics) {
    if (!kafka::writer_of(topic).is_link(name)) continue;
    const auto there = at_source.find(topic.topic_id);
    TopicView t =
        view_topic(target.name, link->paused, topic,
                   ends_at_source(source, there == at_source.end() ? nullptr : there->second));
    view.partitions += t.partitions.size();
    view.failed += t.stuck.size();
    view.topics.push_back(std::move(t));
  }
  view_left_out(view, target, source, *link);
  if (!link->access.empty()) {
    const auto& told = link->access.front();
    view.access = {told.acls, told.users, told.quotas, told.waiting, told.problems};
  }
  for (const auto& group : target.groups) {
    if (group.link == name) view.groups.push_back(group.name);
    if (group.wanted_by == name) view.held.push_back(group.name);
  }
  auto switchover = std::ranges::find(target.switchovers, name, &SiteAnswer::SiteSwitchover::link);
  if (switchover != target.switchovers.end()) view.switchover = *switchover;
  if (source == nullptr) return view;
  auto there = std::ranges::find(source->switchovers, name, &SiteAnswer::SiteSwitchover::link);
  const bool is_promoted =
      view.switchover && view.switchover->phase == kafka::SwitchoverPhase::promoted;
  view.handed_over = there != source->switchovers.end() && !is_promoted &&
                     there->phase == kafka::SwitchoverPhase::handed_over;
  return view;
}

}  // namespace isthmus::views
