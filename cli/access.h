// Who may do what at two sites, compared: what one of them allows and the other refuses fails after
// a move. Pure; made from what both tell (ReadAccess).
#pragma once

#include <string>

#include "mirror/access_view.h"
#include "views/readiness.h"

namespace isthmus::cli {

using views::Finding;
using views::Verdict;

struct AccessOf {
  std::string site;
  Result<mirror::AccessView> view;
};
// A warning where they differ in what a link could carry, and where one of them does not tell.
Finding judge_access(const AccessOf& source, const AccessOf& target, const std::string& link);

}  // namespace isthmus::cli
