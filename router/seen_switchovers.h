// SeenSwitchovers: the switchovers and failovers that the sites have told of since the router
// started, each with the moments at which its phases were seen: later than they were by as long as
// a site is not asked. The latest ten. Pure; of the overview, on its loop.
#pragma once

#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "kafka/gen/describe_site.h"

namespace isthmus::router {

class SeenSwitchovers {
 public:
  using Told = kafka::DescribeSiteResponse::SiteSwitchover;
  static constexpr size_t most = 10;

  struct Step {
    kafka::SwitchoverPhase phase = kafka::SwitchoverPhase::none;
    int64_t wall_ms = 0;
  };
  struct Switchover {
    std::string link;
    Uuid id;
    bool failover = false;
    bool gave_way = false;  // its link's sides speak of a later one
    std::string trouble;
    std::vector<Step> steps;  // in the order in which they were seen

    bool has(kafka::SwitchoverPhase phase) const;
    bool is_over() const;
  };

  // What `site` says now, of all its links. What it said first, it had done before anybody looked:
  // of that only what is not over yet is told.
  void note(const std::string& site, const std::vector<Told>& told, int64_t wall_ms);
  bool any_under_way() const;
  // The latest first.
  const std::deque<Switchover>& all() const { return all_; }

 private:
  Switchover* find(const std::string& link, const Uuid& id);
  void give_way(const std::string& link, const Uuid& id);

  std::deque<Switchover> all_;
  std::set<std::string> heard_;  // sites that have told before
  // By site and link, what was told last.
  std::map<std::pair<std::string, std::string>, std::pair<Uuid, kafka::SwitchoverPhase>> last_;
};

}  // namespace isthmus::router
