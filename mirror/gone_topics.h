// GoneTopics: which copies have lost their topic at the source, and when that is followed. Pure.
//
// A deletion may be a mistake, and the target is where the records still are: the copy stays until
// the source has been without a topic of that name for the delay, without a break. A name that is
// back meanwhile ends that, whatever topic has it: a copy of the one before is for an operator to
// decide (kafka/schema/enum/mirror_trouble.schema, recreated). Nothing of this is stored: whoever
// begins anew waits anew, since what is deleted too late can still be deleted. A source without any
// topic has lost its data, or is about to find them: that is no deletion.
//
// Owned by a Session, on its loop.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/ids.h"
#include "io/loop.h"

namespace isthmus::mirror {

class GoneTopics {
 public:
  explicit GoneTopics(io::Duration delay) : delay_(delay) {}

  // The target has a copy of that topic, of this link.
  void add_copy(const std::string& name, const Uuid& id);
  // It has not, or none that a deletion could be about.
  void forget(const std::string& name) { copies_.erase(name); }
  // The source has topics of these names and no others.
  void look(const std::set<std::string>& names, io::Instant now);
  struct Topic {
    std::string name;
    Uuid id;
  };
  // Those that were gone for the delay, until they are forgotten.
  std::vector<Topic> due(io::Instant now) const;

 private:
  struct Copy {
    Uuid id;
    std::optional<io::Instant> gone_since;
  };
  const io::Duration delay_;
  std::map<std::string, Copy> copies_;
};

}  // namespace isthmus::mirror
