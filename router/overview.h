// Overview: what the sites behind the router say of themselves, and what follows for whoever looks
// at its page: sites and their brokers, what is not whole, links and what a failover would lose,
// switchovers, groups. What docs/status.md calls sites, links, switchovers and groups.
//
// Each site is asked all the time, over a connection of its own to an inside listener: every two
// seconds, five times a second while something moves, and seldomer where its answer is much work,
// which takes a twentieth of its time at most unless that would leave the page blind. What a site
// said last stands until it says something else, with its age. A link is judged when its source has
// spoken after its target, as far as it speaks at all: only then is what a failover would lose a
// bound. Nothing here decides anything.
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
  // How long to wait after a site has worked for so long on its answer.
  static io::Duration pause_after(io::Duration work, bool moves);
  // Ends the conversations; those who watch return. Before it is destroyed.
  io::Task<void> close();
  // A site has told all about itself.
  void note(views::ClusterAnswers told);

  // The members of /status.
  void add_to(nlohmann::json& status) const;

 private:
  struct Told {
    views::SiteAnswer answer;
    views::ClusterView view;
    io::Instant at{};
  };
  // The ends of a link's partitions at the target.
  using Ends = std::map<std::pair<Uuid, PartitionIndex>, Offset>;
  struct LinkSeen {
    std::optional<views::LinkView> view;
    LinkHistory history;
    Ends ends;
    io::Instant ends_at{};  // when they were that
    std::optional<int64_t> records_per_s;
  };

  // To a listener inside the site; kept from one question to the next.
  io::Task<Result<client::Connection*>> connect(Site& site);
  // How long the site has worked on its answer.
  io::Task<Result<io::Duration>> ask(Site& site);
  void forget_links_gone(const std::string& target);
  // `source` has told, or is nullptr: it does not tell now.
  void judge(const std::string& link, const Told& target, const Told* source);
  static std::optional<int64_t> rate_of(LinkSeen& seen, const std::string& link,
                                        const Told& target);
  // Of a site that answers; what another said before it went away is not of now.
  const Told* present(const std::string& site) const;
  nlohmann::json site_json(const std::string& name, const Site& site) const;
  nlohmann::json link_json(const LinkSeen& seen) const;
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
