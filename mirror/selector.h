// Selector: which names a link takes, by MirrorMaker 2's rule: a name is taken if one of the
// patterns matches the whole of it and none of the excluded ones does. Patterns were checked when
// the configuration was loaded. A plain value.
#pragma once

#include <memory>
#include <string>
#include <vector>

namespace isthmus::mirror {

class Selector {
 public:
  Selector(const std::vector<std::string>& include, const std::vector<std::string>& exclude);
  bool takes(const std::string& name) const;

 private:
  struct Patterns;
  std::shared_ptr<const Patterns> patterns_;
};

}  // namespace isthmus::mirror
