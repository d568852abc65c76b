// GoneTopics: which copies have lost their topic at the source, and when that is followed. Pure.
//
// A deletion may be a mistake, and the target is where the records still are: the copy stays until
// the source has been without its topic for the delay, without a break. If another topic has the
// name by then, the copy is set aside and not deleted (broker/link/set_aside.h). Nothing of this is
// stored: whoever begins anew waits anew, since what is deleted too late can still be deleted. A
// source without any topic has lost its data, or is about to find them: that is no deletion.
//
// Owned by a Session, on its loop.
#pragma once

#include <map>
#include <optional>
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
  // The source has these topics and no others. A zero id is that of any topic of the name.
  void look(const std::map<std::string, Uuid>& there, io::Instant now);
  struct Topic {
    std::string name;
    Uuid id;
    bool recreated = false;  // another has the name
  };
  // Those that were gone for the delay, until they are forgotten.
  std::vector<Topic> due(io::Instant now) const;

 private:
  struct Copy {
    Uuid id;
    std::optional<io::Instant> gone_since;
    bool recreated = false;
  };
  const io::Duration delay_;
  std::map<std::string, Copy> copies_;
};

}  // namespace isthmus::mirror
