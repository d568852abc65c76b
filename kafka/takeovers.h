// Takeovers: which cluster is in charge of whose routes. What the router's YAML gives to a cluster
// leads there until another one takes it over; every entry says so of one cluster's routes, with a
// version of its own.
//
// Clusters, mirrors and routers each know some entries, and merge what they hear, entry by entry:
// of two about one cluster the later wins. In whatever order, from whomever and how often they
// hear, they come to the same, and a move of one pair of sites says nothing of another pair. An
// entry that leads home stays: what is older and leads away must not win again.
//
// A version is the time of its promotion in milliseconds, but always above all that its maker knew:
// two sites that cannot see each other are ordered too, as well as their clocks are.
//
// Plain data, copied freely.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace isthmus::kafka {

class Takeovers {
 public:
  struct Entry {
    std::string to;
    int64_t version = 0;
    friend bool operator==(const Entry&, const Entry&) = default;
  };
  using Entries = std::map<std::string, Entry>;  // by the cluster whose routes they are

  // What releases before entries had: one map with one version, as `self` knew it. Routes that it
  // did not name were at home.
  static Takeovers of_one_version(int64_t version, const std::map<std::string, std::string>& map,
                                  const std::string& self);

  // True if that says anything new.
  bool merge(const Takeovers& other);
  bool put(const std::string& from, const std::string& to, int64_t version);
  // All that `from` is in charge of, its own included, is led to `to`.
  void take_over(const std::string& from, const std::string& to, int64_t version);

  // The cluster itself, unless another has taken over. One step only: entries name who is in charge
  // at last, not the way there.
  const std::string& in_charge_of(const std::string& cluster) const;
  int64_t version() const;  // of the latest entry; 0 = there is none
  const Entries& entries() const { return entries_; }
  // The routes that are not where the YAML has them.
  std::map<std::string, std::string> moved() const;

  friend bool operator==(const Takeovers&, const Takeovers&) = default;

 private:
  Entries entries_;
};

// Messages and records have entries of `from`, `to` and `version`; those of releases before entries
// have one version for all, and `self` is the cluster that they come from.
template <typename Routes>
Takeovers takeovers_in(const Routes& routes, int64_t version_of_all, const std::string& self = "") {
  Takeovers all;
  bool have_versions = !routes.empty();
  for (const auto& route : routes) have_versions = have_versions && route.version >= 0;
  if (have_versions) {
    for (const auto& route : routes) all.put(route.from, route.to, route.version);
    return all;
  }
  std::map<std::string, std::string> before;
  for (const auto& route : routes) before[route.from] = route.to;
  return Takeovers::of_one_version(version_of_all, before, self);
}
template <typename Routes>
void put_takeovers(Routes& into, const Takeovers& takeovers) {
  for (const auto& [from, entry] : takeovers.entries()) {
    into.push_back({from, entry.to, entry.version});
  }
}

}  // namespace isthmus::kafka
