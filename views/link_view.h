// LinkView: what the two ends of a link say of it, and what follows: its state, how far it is
// behind, what a failover would lose. Pure; made from answers to DescribeSite.
//
// Lag in seconds is the mirror's own measure (see the report it sends to the target): how long the
// oldest record that is not at the target has been known to be at the source. Records are the
// source's end minus ours: the source's own word where it answers, else as the mirror last heard
// it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "process/mirror_config.h"
#include "views/site_answer.h"

namespace isthmus::views {

struct Lag {
  std::optional<int64_t> records;
  std::optional<int64_t> ms;
};

struct PartitionView {
  std::string name;  // orders-3
  kafka::MirrorState state = kafka::MirrorState::none;
  std::string reason;
  bool overtaken = false;  // failed, and may go on behind a gap
  bool offline = false;    // at one end; the reason says which
  Offset end_offset = -1;
  Lag lag;
  std::optional<int64_t> source_age_ms;  // since the source said where it ends; nothing = never
};

struct TopicView {
  std::string name;
  std::string state;  // of the worst partition, with its reason
  std::vector<PartitionView> partitions;
  std::vector<std::string> stuck;  // those that do not go on, each with its state and reason
  size_t healthy = 0;
  Lag lag;  // the sum of records, the greatest age; nothing where one is unknown
};

// A topic that clients write at the source and that the link does not bring, or not all of it.
struct LeftOutTopic {
  std::string name;
  std::string why;
  bool selected = true;       // by the link; else it is left out on purpose
  bool was_mirrored = false;  // a copy is there, which nobody brings up to date
};

// What follows of who may do what, as the mirror has told the target last.
struct FollowedAccess {
  int32_t acls = 0, users = 0, quotas = 0;
  int32_t waiting = 0;                // gone at the source, until delete_delay
  std::vector<std::string> problems;  // what does not follow, and why
};

struct LinkView {
  std::string name;
  std::string source;
  std::string target;
  ClusterNumber source_number = 0;
  ClusterNumber target_number = 0;
  bool paused = false;     // by the operator
  bool forgotten = false;  // the cluster that it came from; none has taken its name yet
  bool source_answers = false;
  // The ones that answer are not the two that the link means: what was expected, what was found.
  std::string wrong_ends;
  std::optional<int64_t> contact_age_ms;  // since a mirror process spoke at the target
  bool mirror_speaks = false;             // as often as it has said
  std::vector<TopicView> topics;
  std::vector<std::string> groups;  // that the link owns
  std::vector<std::string> held;    // that it wants, but that live at the target
  // In the source's own words where it answers, else as the mirror told the target last; nothing if
  // nobody has told.
  std::optional<size_t> left_out_count;
  std::vector<LeftOutTopic> left_out;    // the first of many
  std::optional<FollowedAccess> access;  // of a link with `acls: follow`
  size_t partitions = 0;
  size_t failed = 0;  // or waiting, or offline: those that do not go on
  std::optional<SiteAnswer::SiteSwitchover> switchover;  // at the target
  bool handed_over = false;  // the source says so of that one, and the target is not promoted

  bool mirror_is_there() const { return mirror_speaks; }
  Lag lag() const;
  // The oldest of them; nothing where the source has said nothing of any.
  std::optional<int64_t> source_age_ms() const;
  // "≤1,204 records (0.3 s) in 2 partitions, plus pay.b-3: unknown"; of a source that is silent
  // "nothing as of 4.0 s ago, unknown since".
  std::string would_lose() const;
  // "2 topics of seoul: tea (not attached yet), wine (...)"; empty if it brings all.
  std::string what_is_left_out() const;
  // Those that should be mirrored, or were once.
  size_t amiss() const;
  // Nobody is written: the source has handed over, and this is why the target refuses to be
  // promoted. Else empty.
  std::string refused_promotion() const;
  // "12 ACLs, 1 user, 2 quotas follow; 1 gone at seoul, until delete_delay"; empty if none does.
  std::string what_follows() const;
  // What it means that groups are held, and what mends it.
  std::string why_held() const;
};

// "OK", or "DEGRADED: " and why.
std::string summary(const LinkView& view);

// Between the hand-over of `from` and the promotion of `to`, where it does not come: how it stands
// (`why` is what `to` says, empty if nobody has asked it), and what the operator can do.
std::string not_promoted(const std::string& from, const std::string& to, const std::string& why);
std::string after_hand_over(const std::string& from, const std::string& to, const std::string& why);

// Beyond this a mirror process is taken for gone, unless it has said that it speaks less often:
// over a long line a round takes longer.
constexpr int64_t most_contact_age_ms = 5000;
bool speaks(const SiteAnswer::SiteLink& link);

// `source` may be nothing. An error where the target knows no such link.
Result<LinkView> view_link(const std::string& name, const SiteAnswer& target,
                           const SiteAnswer* source);

}  // namespace isthmus::views
