// Complaints: how often the log tells what strangers do wrong. Any machine that reaches a port can
// make as many failures as it likes, and each would be a line; so of each reason one is told per
// interval, and the next says how many were not.
//
// Owned by whoever complains, on one loop.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "io/loop.h"

namespace isthmus::server {

class Complaints {
 public:
  static constexpr auto interval = std::chrono::seconds(5);
  // Reasons may hold words of the stranger's. Beyond so many they share one turn.
  static constexpr size_t max_reasons = 32;

  // Something went wrong. Nothing: be silent about it. Else how many were passed over in silence.
  std::optional<size_t> next(const std::string& reason, io::Instant now) {
    if (told_.size() >= max_reasons && !told_.contains(reason)) {
      std::erase_if(told_,
                    [&](const auto& t) { return t.second.at && now >= *t.second.at + interval; });
    }
    const bool is_full = told_.size() >= max_reasons && !told_.contains(reason);
    Told& told = told_[is_full ? std::string() : reason];
    if (told.at && now < *told.at + interval) {
      ++told.silent;
      return std::nullopt;
    }
    told.at = now;
    return std::exchange(told.silent, 0);
  }

  // " (and 7 others before it)", or nothing.
  static std::string others(size_t silent) {
    return silent == 0 ? "" : " (and " + std::to_string(silent) + " others before it)";
  }

 private:
  struct Told {
    std::optional<io::Instant> at;
    size_t silent = 0;
  };
  std::map<std::string, Told> told_;
};

}  // namespace isthmus::server
