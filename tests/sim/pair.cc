#include "tests/sim/pair.h"

#include <algorithm>

#include "tests/sim/faults.h"
#include "tests/sim/mirror_process.h"
#include "tests/sim/site_state.h"

namespace isthmus::sim {

using std::chrono::milliseconds;
using std::chrono::seconds;

Pair::Pair(Stage& stage, process::Durability of_follower) : stage_(stage) {
  const int32_t segment_bytes = stage.one_in(2) ? 3000 : 100'000;
  const char* names[] = {"tokyo", "seoul"};
  for (size_t i = 0; i < 2; ++i) {
    sites_[i] = std::make_unique<Site>(
        stage.world(),
        SiteOptions{.name = names[i],
                    .number = static_cast<ClusterNumber>(i + 1),
                    .loops = stage.random().between(1, 2),
                    .segment_bytes = segment_bytes,
                    .durability = i == 0 ? process::Durability::fsync : of_follower});
    mirror_hosts_[i] = &stage.world().add_host(mirror_names[i]);
  }
}

Site& Pair::any() { return *sites_[stage_.random().below(2)]; }

io::Address Pair::address(size_t site) const {
  const bool astray = stranger_ != nullptr && site != writer_;
  return astray ? stranger_->peers() : sites_[site]->peers();
}

process::MirrorConfig Pair::mirror_config() const {
  process::MirrorConfig config;
  for (size_t i = 0; i < 2; ++i) {
    process::LinkConfig link;
    link.source.bootstrap_servers = {address(i)};
    link.target.bootstrap_servers = {address(1 - i)};
    link.delete_delay = delete_delay;
    config.links[sites_[i]->name() + "-" + sites_[1 - i]->name()] = link;
  }
  return config;
}

bool Pair::begin() {
  for (auto& site : sites_) site->start();
  for (auto& site : sites_) {
    if (!stage_.asker().await_serving(*site)) return false;
  }
  if (!stage_.asker().create_topic(writer(), "orders", 2)) return false;
  stage_.destination().sites = {writer().clients()};
  start_mirror();
  return true;
}

void Pair::start_mirror(size_t which) {
  kill_mirror(which);
  mirrors_[which] = &start_mirror_on(*mirror_hosts_[which], mirror_config());
}

void Pair::kill_mirror(size_t which) {
  if (mirrors_[which] != nullptr) mirrors_[which]->kill();
  mirrors_[which] = nullptr;
}

void Pair::disturb() {
  const size_t which = stage_.random().below(2);
  switch (stage_.random().below(8)) {
    case 0:
    case 1: return kill_and_restart(stage_, any());
    case 2:
      mirror_hosts_[which]->jump_wall_clock(static_cast<int64_t>(stage_.random().below(120'000)) -
                                            60'000);
      kill_mirror(which);
      stage_.run_between(milliseconds(0), seconds(1));
      return start_mirror(which);
    case 3: {
      // A mirror process that stands still while another takes its link over, and then goes on.
      SimProcess* zombie = mirrors_[which];
      if (zombie == nullptr || mirrors_[1 - which] != nullptr) return;
      zombie->pause();
      start_mirror(1 - which);
      stage_.run_between(seconds(3), seconds(8));
      if (zombie->running()) zombie->resume();
      return;
    }
    case 4: return sim::disturb(stage_, any(), mirror_names[which]);
    case 5: {
      Site& site = any();
      fail_disk(stage_, site);
      stage_.run_between(milliseconds(0), seconds(1));
      return kill_and_restart(stage_, site);
    }
    default: return sim::disturb(stage_, any(), "clients");
  }
}

void Pair::calm() {
  for (auto& site : sites_) sim::calm(stage_, *site);
  for (auto& site : sites_) {
    if (stage_.content() && (!site->serving() || !stage_.asker().all_online(*site))) {
      kill_and_restart(stage_, *site);
    }
  }
  // Processes under SIGSTOP never say goodbye.
  for (size_t i = 0; i < 2; ++i) kill_mirror(i);
  start_mirror();
}

void Pair::check_prefix() {
  // The follower first: what it has now the writer has too, whenever it is asked later.
  auto copies = stage_.asker().read_all(follower());
  for (const auto& [partition, copy] : copies) {
    if (partition.topic != "orders") continue;
    auto original = stage_.asker().read(writer(), partition);
    if (!original) return;
    stage_.ledger().starts().check(follower().name(), partition, copy.start, copy.bytes.size());
    const Offset both = std::max(original->start, copy.start);
    if (original->bytes_from(both).starts_with(copy.bytes_from(both)) &&
        copy.high_watermark <= original->high_watermark) {
      continue;
    }
    stage_.judge().broken("a mirror is a prefix of its source, byte for byte",
                          partition.to_string() + ": " + std::to_string(copy.bytes.size()) +
                              " bytes to offset " + std::to_string(copy.high_watermark) + " at " +
                              follower().name() + ", " + std::to_string(original->bytes.size()) +
                              " to " + std::to_string(original->high_watermark));
  }
}

void Pair::check_groups_behind() {
  std::set<std::pair<std::string, TopicPartition>> all;
  for (const Consumer* consumer : stage_.consumers()) {
    if (!consumer->group().empty()) all.insert({consumer->group(), consumer->partition()});
  }
  for (const Member* member : stage_.members()) {
    for (int32_t i = 0; i < 2; ++i) all.insert({member->group(), {"orders", i}});
  }
  for (const auto& [group, partition] : all) {
    auto served = stage_.asker().committed(follower(), group, partition);
    auto copy = stage_.asker().read(follower(), partition);
    if (!served || !copy || *served <= copy->end) continue;
    stage_.judge().broken("a mirrored group is never beyond the mirrored records",
                          group + " is at " + std::to_string(*served) + ", the records end at " +
                              std::to_string(copy->end));
  }
}

void Pair::check_writer() {
  auto ends = stage_.ledger().ends();
  for (int32_t i = 0; i < 2; ++i) {
    const TopicPartition partition{"orders", i};
    auto log = stage_.asker().read(writer(), partition);
    if (log) stage_.ledger().check(writer().name(), partition, *log, ends[partition]);
  }
}

bool Pair::is_caught_up() {
  auto from = stage_.asker().describe(writer());
  auto to = stage_.asker().describe(follower());
  if (!from || !to) return false;
  auto ends_of = [](const kafka::DescribeSiteResponse& site) {
    std::vector<Offset> ends;
    for (const auto& topic : site.topics) {
      if (topic.name != "orders") continue;
      for (const auto& p : topic.partitions) ends.push_back(p.high_watermark);
    }
    return ends;
  };
  return ends_of(*from) == ends_of(*to);
}

void Pair::check_caught_up() {
  bool caught_up = false;
  for (int i = 0; i < 120 && stage_.content() && !caught_up; ++i) {
    stage_.world().run_for(seconds(1));
    caught_up = is_caught_up();
  }
  if (!caught_up) stage_.judge().broken("a mirror catches up in the end", link());
  // Group offsets follow within a second.
  stage_.world().run_for(seconds(3));
  check_prefix();
}

bool Pair::has_committed(const std::string& group) {
  for (int32_t i = 0; i < 2; ++i) {
    const auto offset = stage_.asker().committed(writer(), group, {"orders", i});
    if (offset && *offset >= 0) return true;
  }
  return false;
}

void Pair::await_groups() {
  const std::set<std::string> all = stage_.group_names();
  for (int i = 0; i < 60 && stage_.content(); ++i) {
    const bool known = std::ranges::all_of(all, [&](const auto& id) { return has_committed(id); });
    if (known && owns_groups(stage_.asker().describe(follower()), link(), all)) return;
    stage_.world().run_for(milliseconds(500));
  }
  stage_.judge().broken("a link takes its source's groups", link());
}

}  // namespace isthmus::sim
