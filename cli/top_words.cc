#include "cli/top_words.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>
#include <vector>

#include "cli/told.h"

namespace isthmus::cli {

using nlohmann::json;

std::string or_unknown(std::string text) { return text.empty() ? not_known : text; }

std::string joined(const std::vector<std::string>& parts, const char* by) {
  std::vector<std::string> said;
  std::ranges::copy_if(parts, std::back_inserter(said), [](const auto& p) { return !p.empty(); });
  return fmt::format("{}", fmt::join(said, by));
}

std::pair<std::string, TopMark> state_of_site(const json& site) {
  const auto reachable = told_flag(site, "reachable");
  if (reachable == false) return {"does not answer", TopMark::stop};
  if (!reachable) return {"not known", TopMark::quiet};
  bool warned = !told_text(site, "trouble").empty();
  for (const json& finding : told_list(site, "findings")) {
    const std::string verdict = told_text(finding, "verdict");
    if (verdict == "stop") return {"answers, in trouble", TopMark::stop};
    warned = warned || verdict == "warn";
  }
  if (warned) return {"answers, not whole", TopMark::warn};
  return {"answers", TopMark::good};
}

std::string partitions_of_site(const json& site) {
  std::vector<std::string> parts = {count_text(told_number(site, "topics"), "topic"),
                                    count_text(told_number(site, "partitions"), "partition")};
  const std::pair<const char*, const char*> broken[] = {
      {"leaderless", "without a leader"},
      {"below_min_isr", "below min.insync.replicas"},
      {"under_replicated", "under-replicated"}};
  for (const auto& [member, words] : broken) {
    const auto count = told_number(site, member);
    if (count > 0) parts.push_back(fmt::format("{} {}", grouped_text(count), words));
  }
  if (const auto joining = told_number(site, "joining"); joining > 0) {
    parts.push_back(fmt::format("{} joining, {} to go", count_text(joining, "replica"),
                                bytes_text(told_number(site, "bytes_to_go"))));
  }
  return joined(parts, ", ");
}

std::pair<std::string, TopMark> state_of_link(const json& link) {
  if (told_flag(told_object(link, "switchover"), "handed_over") == true) {
    return {"nobody is written", TopMark::stop};
  }
  const auto ok = told_flag(link, "ok");
  if (ok == true) return {"OK", TopMark::good};
  if (told_flag(link, "paused") == true) return {"paused", TopMark::warn};
  if (told_number(link, "failed") > 0 || !told_list(link, "stuck").empty()) {
    return {"degraded", TopMark::stop};
  }
  return ok ? std::pair("degraded", TopMark::warn) : std::pair("not known", TopMark::quiet);
}

std::string lag_text(const json& link) {
  const auto ms = told_number(link, "lag_ms"), records = told_number(link, "lag_records");
  if (!ms && !records) return "lag not known";
  return fmt::format("lag {}, {}", duration_text(ms), count_text(records, "record"));
}

// What a step means to clients.
const char* meaning_of(std::string_view phase) {
  constexpr std::pair<std::string_view, const char*> meanings[] = {
      {"wished", "asked for; the source is written"},
      {"handed_over", "the source has handed over; nobody is written"},
      {"promoted", "the target is written"},
      {"abandoned", "given up; the source opens again"},
      {"done", "the source mirrors back"},
      {"taken_back", "the source is written again"},
      {"stepped_down", "the source knows of the failover, and is closed"}};
  for (const auto& [name, meaning] : meanings) {
    if (name == phase) return meaning;
  }
  return "";
}

std::string phase_text(const json& step) {
  std::string phase = or_unknown(told_text(step, "phase"));
  std::ranges::replace(phase, '_', ' ');
  return phase;
}

const char* kind_of(const json& move) {
  return told_flag(move, "failover") == true ? "failover" : "switchover";
}

}  // namespace isthmus::cli
