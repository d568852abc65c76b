// What `isthmus top` shows of a process: the picture of the page of its admin port, as lines. What
// is wrong comes first, then what its role has: a router its sites, links, switchovers and groups,
// a broker itself, a mirror its links.
//
// Pure: from what /status said (docs/status.md; a member that is missing is not known) and what the
// terminal can show. Every line is printable, and as wide as the terminal at most.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/top_text.h"
#include "cli/top_words.h"

namespace isthmus::cli {

// What was heard of a process.
struct TopHeard {
  nlohmann::json status;        // the last that it said; null: nothing so far
  std::string lost;             // why there has been no answer since; empty: it answers
  int64_t answered_ms_ago = 0;  // while it is lost
};

struct TopLine {
  std::string text;
  TopMark mark = TopMark::plain;
};

std::vector<TopLine> top_view(const TopHeard& heard, const TopLook& look);

// At most so many lines; the last then says how many there are more.
std::vector<TopLine> fit_rows(std::vector<TopLine> lines, size_t rows);

// Something is wrong, or it is not known whether something is.
bool is_wrong(const TopHeard& heard);

}  // namespace isthmus::cli
