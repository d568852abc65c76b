// Trouble: what is wrong, from what a process says of itself at /status (docs/status.md) and
// nothing else, with what to do next: the same, in the same order, as the page of the admin port
// says (process/page/trouble.js). Pure; any thread.
//
// Names are as they came: who shows them makes them printable.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace isthmus::cli {

struct Trouble {
  bool stops = false;  // something is not served; else a warning
  std::string where;   // a site, a link, a part of a broker
  std::string text;
  std::string next;               // what to do; empty: nothing is known
  std::vector<std::string> list;  // each partition, with why
  int64_t more = 0;               // of which nothing is told
};

// Those that stop something first, and otherwise as they were found. Empty: nothing is wrong.
std::vector<Trouble> troubles_of(const nlohmann::json& status);

// The list `sites` of a router; of an older one, which has none, what it says of its clusters.
nlohmann::json sites_of(const nlohmann::json& status);

}  // namespace isthmus::cli
