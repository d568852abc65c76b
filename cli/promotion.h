// Promotion without a hand-over: the target of a link goes on without its source. Shared by
// `failover` and `link promote`.
#pragma once

#include "cli/sites.h"
#include "kafka/gen/promote.h"

namespace isthmus::cli {

struct PromotionWish {
  std::string link;
  std::string source;
  std::string target;
  std::string route_from;  // whose routes the target takes over; empty = none
  std::string group;       // only this group; empty = all topics and groups of the link
  bool dry_run = false;
  bool force = false;    // although the source answers
  bool drained = false;  // nobody writes at the source any more, and all of it is here
};

// Refuses (not_ready) while the source answers, unless forced: both would then be written.
io::Task<Exit> promote_without_source(Sites& sites, PromotionWish wish, bool as_json);

}  // namespace isthmus::cli
