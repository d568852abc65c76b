// The words of `isthmus top` for what /status says of a site, a link and a switchover, and how good
// or bad each is: those of the page of the admin port. Pure; any thread.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace isthmus::cli {

enum class TopMark : uint8_t { plain, heading, stop, warn, good, quiet };

std::string or_unknown(std::string text);  // a dash for nothing
// Those that say something.
std::string joined(const std::vector<std::string>& parts, const char* by);

std::pair<std::string, TopMark> state_of_site(const nlohmann::json& site);
std::string partitions_of_site(const nlohmann::json& site);

std::pair<std::string, TopMark> state_of_link(const nlohmann::json& link);
std::string lag_text(const nlohmann::json& link);

const char* meaning_of(std::string_view phase);  // to clients
std::string phase_text(const nlohmann::json& step);
const char* kind_of(const nlohmann::json& move);  // switchover or failover

}  // namespace isthmus::cli
