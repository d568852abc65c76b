// Pair: two sites and the mirror processes between them, with the questions that every two-site
// scenario asks. tokyo (cluster 1) writes first, seoul (2) mirrors it; the link back is configured
// from the start, as it is in production, and finds nothing to do until the sites change places.
#pragma once

#include <array>
#include <string>

#include "process/mirror_config.h"
#include "tests/sim/stage.h"

namespace isthmus::sim {

// Of both links.
constexpr auto delete_delay = std::chrono::seconds(3);

class Pair {
 public:
  static constexpr const char* mirror_names[] = {"mirror-1", "mirror-2"};

  explicit Pair(Stage& stage, process::Durability of_follower = process::Durability::fsync);

  // The site that writes, and the one that mirrors it. swap() is for the scenario, when it knows.
  Site& writer() { return *sites_[writer_]; }
  Site& follower() { return *sites_[1 - writer_]; }
  void swap() { writer_ = 1 - writer_; }
  std::array<Site*, 2> sites() { return {sites_[0].get(), sites_[1].get()}; }
  Site& any();
  // <writer>-<follower>: the link that has something to do.
  std::string link() { return writer().name() + "-" + follower().name(); }
  std::string reverse_link() { return follower().name() + "-" + writer().name(); }

  // Both sites, a topic "orders" of two partitions, and a mirror process. False if that fails.
  bool begin();

  // One of two machines with a mirror process. The second stands in reserve while the first lives.
  void start_mirror(size_t which = 0);
  void kill_mirror(size_t which = 0);
  SimProcess* mirror(size_t which = 0) { return mirrors_[which]; }
  // Where mirror processes that start from now on find another cluster than the follower; nullptr:
  // the follower again.
  void lead_astray(Site* stranger) { stranger_ = stranger; }

  // One random fault to a site, a mirror or a line, undone within seconds.
  void disturb();
  // The end of all that: everything up and calm, whole again.
  void calm();

  // The follower's logs are byte prefixes of the writer's, from where both begin.
  void check_prefix();
  // No group is served at the follower beyond what is there; a group of its own is left alone.
  void check_groups_behind();
  // Waits until the follower has all that the writer has, groups too, and then compares.
  void check_caught_up();
  // What was acknowledged is at the writer.
  void check_writer();
  // Waits until clients may look for their groups at both sites: each has committed at the writer,
  // and is its link's at the follower. Before that, one that asks there first would found another
  // group of the same name, which the link leaves alone.
  void await_groups();

 private:
  bool has_committed(const std::string& group);
  process::MirrorConfig mirror_config() const;
  io::Address address(size_t site) const;
  bool is_caught_up();

  Stage& stage_;
  std::array<std::unique_ptr<Site>, 2> sites_;
  std::array<SimHost*, 2> mirror_hosts_;
  std::array<SimProcess*, 2> mirrors_{};
  size_t writer_ = 0;
  Site* stranger_ = nullptr;
};

}  // namespace isthmus::sim
