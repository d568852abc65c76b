// What `link describe`, `switchover --dry-run` and `failover` say, as text and as JSON. Pure, so
// that a fuzzer feeds them with the names that a site may send (tests/fuzz/reports_fuzz.cc).
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "cli/output.h"
#include "cli/promotion.h"
#include "views/json.h"
#include "views/link_view.h"
#include "views/readiness.h"

namespace isthmus::cli {

using views::after_hand_over;
using views::Finding;
using views::judge;
using views::Lag;
using views::LeftOutTopic;
using views::LinkView;
using views::not_promoted;
using views::PartitionView;
using views::Readiness;
using views::TopicView;
using views::Verdict;
using views::view_link;

Lines text_of(const LinkView& view);
nlohmann::json json_of(const LinkView& view);

// "ok    ...", a line each, and what would mend it.
void say_findings(Lines& out, const std::vector<Finding>& findings);

Lines text_of(const LinkView& link, const Readiness& readiness);
nlohmann::json json_of(const LinkView& link, const Readiness& readiness);

// What a promotion means for clients and for the source, in one line.
std::string consequence(const PromotionWish& wish);
// What it leaves at the source, as far as anybody has told; empty if nothing.
std::string not_moved(const LinkView& link);
// After it was done; `link` is how it was before.
Lines text_of(const PromotionWish& wish, const LinkView& link,
              const kafka::PromoteResponse& response);
nlohmann::json json_of(const PromotionWish& wish, const LinkView& link,
                       const kafka::PromoteResponse& response);

}  // namespace isthmus::cli
