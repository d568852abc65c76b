// Overview: what the sites behind the router say of themselves, and what follows for whoever looks
// at its page: sites and their brokers, what is not whole, links and what a failover would lose,
// switchovers, groups. What docs/status.md calls sites, links, switchovers and groups.
//
// Each site is asked all the time, over a connection of its own to an inside listener: every two
// seconds, five times a second while something moves, and never more than a twentieth of the time
// that its answers take, so that a site with much to tell is not kept busy by it. What a site said
// last stands until it says something else, with its age. Nothing here decides anything.
//
// Owned by the router, on its loop, where it has an admin port.
#pragma once

#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "client/connection.h"
#include "io/event.h"
#include "router/link_history.h"
#include "router/picture.h"
#include "router/seen_switchovers.h"
#include "views/cluster_view.h"
#include "views/link_view.h"

namespace isthmus::router {

class Overview {
 public:
  // Of each of them so many are listed; what there is more is counted.
  static constexpr size_t most_partitions = 50;
  static constexpr size_t most_groups = 200;

  // `env`, `picture` and what its sites refer to outlive it.
  Overview(io::Env& env, const Picture& picture);
  ~Overview();

  // Asks the site until `closing`. REQUIRES: site.is_isthmus(), and once for each.
  io::Task<void> watch(Site& site, io::Event& closing);
  // Ends the conversations; those who watch return. Before it is destroyed.
  io::Task<void> close();
  // A site has told all about itself.
  void note(views::ClusterAnswers told);

  // The members of /status.
  void add_to(nlohmann::json& status) const;

 private:
  struct Told {
    views::ClusterAnswers answers;
    io::Instant at{};
  };
  struct LinkSeen {
    LinkHistory history;
    // The sum of the ends of its partitions at the target, and when it was that.
    std::optional<std::pair<io::Instant, int64_t>> ends;
    std::optional<int64_t> records_per_s;
  };

  // To a listener inside the site; kept from one question to the next.
  io::Task<Result<client::Connection*>> connect(Site& site);
  io::Task<Result<void>> ask(Site& site);
  void look_at_links(const std::string& target);
  const views::SiteAnswer* answer_of(const std::string& site) const;
  // Of a source that answers; what another said before it went away is not of now.
  const views::SiteAnswer* present_answer_of(const std::string& site) const;
  nlohmann::json site_json(const std::string& name, const Site& site) const;
  nlohmann::json link_json(const views::LinkView& view) const;
  nlohmann::json links_json() const;
  nlohmann::json switchovers_json() const;
  void add_groups(nlohmann::json& status) const;

  io::Env& env_;
  io::Loop& loop_;
  const Picture& picture_;
  io::Gate gate_;
  std::map<std::string, std::unique_ptr<client::Connection>> connections_;
  std::map<std::string, Told> told_;
  std::map<std::string, std::string> trouble_;  // why a site does not tell
  std::map<std::string, LinkSeen> links_;       // of the links that are there
  SeenSwitchovers switchovers_;
};

}  // namespace isthmus::router
