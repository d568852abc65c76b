// Judge: keeps the first invariant that a run has broken. One per run; everything in a scenario
// reports to it, and nothing throws: the scenario looks and stops.
#pragma once

#include <optional>
#include <string>
#include <utility>

namespace isthmus::sim {

struct Violation {
  std::string invariant;  // a fixed phrase, by which runs are compared
  std::string details;    // what was seen
};

class Judge {
 public:
  void broken(std::string invariant, std::string details) {
    if (!first_) first_ = Violation{std::move(invariant), std::move(details)};
  }
  bool content() const { return !first_.has_value(); }
  const std::optional<Violation>& first() const { return first_; }

 private:
  std::optional<Violation> first_;
};

}  // namespace isthmus::sim
