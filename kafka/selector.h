// Selector: which names of topics or groups are meant, by MirrorMaker 2's rule: a name is taken if
// one of the patterns matches the whole of it and none of the excluded ones does.
//
// A pattern is a name, a name's beginning with `.*` behind it, or an expression of RE2, which takes
// time linear in the name whatever the pattern: names come from outside and may be 32 KiB long. `.`
// matches every character, a line break too, and each byte of a name that is not UTF-8: such names
// are not left out silently.
//
// A plain value; any loop.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/error.h"

namespace isthmus::kafka {

class Selector {
 public:
  // An error names the pattern and what is wrong with it.
  static Result<Selector> parse(const std::vector<std::string>& include,
                                const std::vector<std::string>& exclude);
  bool takes(const std::string& name) const;
  // Whether all names with this beginning are meant: one pattern with `.*` behind it takes them,
  // and none of the kind excludes them all. What expressions of another form take is not known.
  bool takes_all_of(const std::string& beginning) const;

 private:
  struct Patterns;
  struct Sides;
  explicit Selector(std::shared_ptr<const Sides> sides) : sides_(std::move(sides)) {}

  std::shared_ptr<const Sides> sides_;
};

}  // namespace isthmus::kafka
