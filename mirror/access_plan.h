// AccessPlan: what a link with `acls: follow` changes at its target, given who may do what at both
// ends. Pure, but for since when what is gone has been gone.
//
//  - The target remembers by which link an entry came. What it has of its own is never changed nor
//    removed, also where the source has another value; whoever sets an entry at the target makes it
//    the target's own. What is removed there comes back while the source has it.
//  - A link that writes no topic at its target changes nothing there: it waits for the way back.
//    Of a pair that is the one against the way of the records. What followed stays, and so it does
//    after a promotion.
//  - Meanwhile it notes which of its target's own entries have followed the other way: these follow
//    it from the switchover on, so that a removal at the new source is followed too. Of an entry
//    that is at both ends, this tells where it was made, where both links of a pair write topics;
//    none goes back to where it was made.
//  - Removals come when the source has been without the entry for the delay, without a break. What
//    it does not tell is not gone; a source that has nothing at all has lost it, or is about to
//    find it. As with gone topics (mirror/gone_topics.h) nothing of this is stored: who begins anew
//    waits anew.
//  - At no moment may the target be more open than the source, but for what waits to be removed:
//    entries that deny come before those that allow and go after them, also after those that still
//    wait; and while one of them cannot come, no user does and nothing that allows.
//
// Owned by an AccessSync, on its loop.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "io/loop.h"
#include "mirror/access_view.h"

namespace isthmus::mirror {

class AccessPlan {
 public:
  // `reverse` is the link that runs the other way.
  AccessPlan(std::string link, std::string reverse, io::Duration delay)
      : link_(std::move(link)), reverse_(std::move(reverse)), delay_(delay) {}

  struct Change {
    enum class Kind : uint8_t { put, note, remove };
    AccessKey key;
    Kind kind = Kind::put;
    friend bool operator==(const Change&, const Change&) = default;
  };
  // In the order in which they are to be made. `source` has only what the link carries.
  std::vector<Change> decide(const AccessView& source, const AccessView& target, io::Instant now);

  // The target has refused this put, and will until it or the source is another.
  void refused(const AccessKey& key, std::string why) { refused_[key] = std::move(why); }
  void ask_again() { refused_.clear(); }
  const std::map<AccessKey, std::string>& refusals() const { return refused_; }
  // Whether there is something to decide without news.
  bool is_due(io::Instant now) const;
  // Of the target's that follow the link; gone at the source, not removed yet.
  size_t waiting() const { return gone_since_.size(); }
  bool follows(const AccessEntry& entry) const { return entry.link == link_; }

 private:
  struct Leads {
    bool link = false, reverse = false;
  };
  // Whether the entry is at the source because it has come from the target.
  bool comes_back(const AccessEntry& entry, Leads leads) const;
  bool may_change(const AccessEntry& entry, Leads leads) const;
  bool is_held_back(AccessKind kind, const AccessView& source, const AccessView& target) const;
  void add_removals(const AccessView& source, const AccessView& target, Leads leads,
                    io::Instant now, std::vector<Change>& changes);

  const std::string link_, reverse_;
  const io::Duration delay_;
  std::map<AccessKey, io::Instant> gone_since_;
  std::map<AccessKey, std::string> refused_;
};

}  // namespace isthmus::mirror
