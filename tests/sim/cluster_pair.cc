#include "tests/sim/cluster_pair.h"

#include <algorithm>

#include "kafka/gen/drain_broker.h"
#include "tests/sim/cluster_faults.h"
#include "tests/sim/mirror_process.h"
#include "tests/sim/pair.h"
#include "tests/sim/reassigning.h"

namespace isthmus::sim {

using std::chrono::milliseconds;
using std::chrono::seconds;

ClusterPair::ClusterPair(Stage& stage) : stage_(stage), fence_(seconds(5)), step_judge_(stage) {
  const size_t brokers = stage.is_harsh() && stage.besides_one_in(3) ? 5 : 3;
  sites_[0] = std::make_unique<Cluster>(stage, "tokyo", 1, brokers);
  sites_[1] = std::make_unique<Cluster>(stage, "seoul", 2, brokers);
  for (size_t i = 0; i < 2; ++i) {
    mirror_hosts_[i] = &stage.world().add_host(Pair::mirror_names[i]);
    step_judge_.watch(*sites_[i], majority_of(brokers));
  }
  if (stage.is_harsh() && stage.besides_one_in(2)) mirror_hosts_[0]->run_fast(5);
  if (stage.one_in(2)) fence_ = stage.random().between(milliseconds(300), seconds(3));
  stage.has_several_brokers();
}

std::vector<io::Address> ClusterPair::clients() {
  std::vector<io::Address> all = writer().clients();
  for (const io::Address& address : follower().clients()) all.push_back(address);
  return all;
}

bool ClusterPair::begin() {
  for (auto& site : sites_) site->start_all();
  for (auto& site : sites_) {
    if (!site->await_serving()) return false;
  }
  if (!stage_.asker().create_topic(writer()[0], "orders", partitions)) return false;
  stage_.destination().sites = writer().clients();
  start_mirror();
  return true;
}

void ClusterPair::start_mirror(size_t which) {
  kill_mirror(which);
  process::MirrorConfig config;
  for (size_t i = 0; i < 2; ++i) {
    process::LinkConfig link;
    link.source.bootstrap_servers = sites_[i]->peers();
    link.target.bootstrap_servers = sites_[1 - i]->peers();
    link.fence = std::chrono::duration_cast<milliseconds>(fence_);
    link.delete_delay = delete_delay;
    config.links[sites_[i]->name() + "-" + sites_[1 - i]->name()] = link;
  }
  mirrors_[which] = &start_mirror_on(*mirror_hosts_[which], std::move(config));
}

void ClusterPair::kill_mirror(size_t which) {
  if (mirrors_[which] != nullptr) mirrors_[which]->kill();
  mirrors_[which] = nullptr;
}

void ClusterPair::cut_from_mirror(Cluster& site, Duration a_while, const std::string& mirror) {
  SimNetwork& network = stage_.world().network();
  const bool whole_site = stage_.one_in(2);
  const bool one_way = stage_.one_in(3);
  const size_t one = stage_.random().below(site.size());
  for (size_t i = 0; i < site.size(); ++i) {
    if (!whole_site && i != one) continue;
    const std::string name = site[i].name();
    if (one_way) {
      network.cut_one_way(name, mirror);
    } else {
      network.cut(name, mirror);
    }
    stage_.world().after(a_while, [&network, name, mirror] { network.heal(name, mirror); });
  }
}

void ClusterPair::cut_from_mirrors(Cluster& site, Duration a_while) {
  SimNetwork& network = stage_.world().network();
  for (const std::string mirror : Pair::mirror_names) {
    for (size_t i = 0; i < site.size(); ++i) {
      const std::string name = site[i].name();
      network.cut(name, mirror);
      stage_.world().after(a_while, [&network, name, mirror] { network.heal(name, mirror); });
    }
  }
}

// A mirror process that stands still while its fences end and clients go on, and perhaps while
// another takes its links over.
void ClusterPair::stand_still() {
  const size_t which = stage_.random().below(2);
  SimProcess* zombie = mirrors_[which];
  if (zombie == nullptr) return;
  zombie->pause();
  if (stage_.one_in(2)) start_mirror(1 - which);
  stage_.world().after(stage_.random().between(milliseconds(50), seconds(9)), [zombie] {
    if (zombie->running()) zombie->resume();
  });
}

// Who leads does so no more, and does not hear of it for a while.
void ClusterPair::replace_unheard(Cluster& site, Duration a_while) {
  const TopicPartition orders{"orders",
                              static_cast<PartitionIndex>(stage_.random().below(partitions))};
  const auto leader = site.leader_of(stage_.one_in(2) ? orders : offsets_partition);
  if (!leader || *leader >= site.size()) return;
  site[*leader].cut_zookeeper_for(a_while);
  kafka::DrainBrokerRequest request;
  request.broker_id = site.node(*leader);
  request.drain = kafka::BrokerDrain::leadership;
  for (size_t i = 0; i < site.size(); ++i) {
    if (i != *leader && site[i].serving()) (void)stage_.asker().ask(site[i].peers(), request);
  }
}

void ClusterPair::disturb() {
  Cluster& site = *sites_[stage_.random().below(2)];
  const Duration a_while = stage_.random().between(milliseconds(50), seconds(8));
  const size_t which = stage_.random().below(2);
  switch (stage_.random().below(12)) {
    case 0:
      kill_mirror(which);
      stage_.run_between(milliseconds(0), seconds(1));
      return start_mirror(which);
    case 1:
    case 2: return stand_still();
    case 3: return cut_from_mirror(site, a_while, Pair::mirror_names[which]);
    case 4: {
      const bool after_a_write = stage_.one_in(2);
      for (size_t i = 0; i < site.size(); ++i) site[i].cut_zookeeper_for(a_while, after_a_write);
      return;
    }
    case 5: return replace_unheard(site, a_while);
    case 6:
      if (stage_.one_in(3)) return lose_all(stage_, site);
      [[fallthrough]];
    default: return sim::disturb(stage_, site);
  }
}

bool ClusterPair::calm() {
  for (auto& site : sites_) site->calm();
  // Processes under SIGSTOP never say goodbye.
  for (size_t i = 0; i < 2; ++i) kill_mirror(i);
  start_mirror();
  for (auto& site : sites_) {
    if (!stage_.content() || !site->await_serving()) return false;
    undo_drains(stage_, *site);
    if (!site->await_in_sync()) return false;
  }
  return true;
}

SiteState ClusterPair::state(Cluster& site) {
  std::optional<SiteState> all;
  for (size_t i = 0; i < site.size(); ++i) {
    const SiteState state =
        site[i].serving() ? state_in(stage_.asker().glance(site[i])) : SiteState{};
    if (all && *all != state) return {};
    all = state;
  }
  return *all;
}

ClusterPair::Histories ClusterPair::histories(
    Cluster& site, kafka::EpochHistoryResponse::EpochHistoryTopic& topic) {
  kafka::EpochHistoryRequest request;
  request.topics = {"orders"};
  Histories all;
  for (size_t i = 0; i < site.size(); ++i) {
    const auto answer = stage_.asker().ask(site[i].peers(), request);
    if (!answer || answer->topics.size() != 1) continue;
    if (answer->topics[0].error_code != kafka::ErrorCode::none) continue;
    topic.name = answer->topics[0].name;
    topic.topic_id = answer->topics[0].topic_id;
    for (const auto& partition : answer->topics[0].partitions) {
      auto& known = all.try_emplace(partition.index, partition).first->second;
      if (known.leader_epoch < partition.leader_epoch) known = partition;
    }
  }
  return all;
}

void ClusterPair::check_writer() {
  writer().check_records("orders", partitions);
  if (!stage_.content() || stage_.group_names().empty()) return;
  if (Site* coordinator = writer().coordinator()) stage_.check_groups_at(*coordinator);
}

std::string ClusterPair::difference(PartitionIndex index, const Histories& from,
                                    const Histories& to) {
  const TopicPartition partition{"orders", index};
  const auto original = writer().read(partition);
  const auto copy = follower().read(partition);
  if (!original || !copy) return "cannot be read";
  if (original->high_watermark != copy->high_watermark || original->start != copy->start) {
    return std::to_string(copy->start) + " to " + std::to_string(copy->high_watermark) + ", not " +
           std::to_string(original->start) + " to " + std::to_string(original->high_watermark);
  }
  if (original->bytes != copy->bytes) return "other bytes";
  const auto left = from.find(index);
  const auto right = to.find(index);
  if (left == from.end() || right == to.end()) return "its epochs are not told";
  const auto end = original->high_watermark;
  auto below = [end](const auto& history) {
    auto entries = history.entries;
    std::erase_if(entries, [end](const auto& e) { return e.start_offset >= end; });
    return entries;
  };
  const auto ours = below(left->second);
  const auto theirs = below(right->second);
  auto same = [](const auto& a, const auto& b) {
    return a.epoch == b.epoch && a.owner == b.owner && a.start_offset == b.start_offset;
  };
  return std::ranges::equal(ours, theirs, same) ? "" : "another history of epochs";
}

std::string ClusterPair::difference() {
  kafka::EpochHistoryResponse::EpochHistoryTopic topic;
  const Histories from = histories(writer(), topic);
  const Histories to = histories(follower(), topic);
  for (PartitionIndex i = 0; i < partitions && stage_.content(); ++i) {
    const std::string found = difference(i, from, to);
    if (!found.empty())
      return "orders-" + std::to_string(i) + " at " + follower().name() + ": " + found;
  }
  return "";
}

void ClusterPair::check_caught_up() {
  std::string found = "nobody looked";
  for (int i = 0; i < 60 && stage_.content() && !found.empty(); ++i) {
    stage_.world().run_for(seconds(1));
    found = difference();
  }
  if (!found.empty()) stage_.judge().broken("a mirror is equal to its source in the end", found);
  // Group offsets follow within a second.
  stage_.world().run_for(seconds(3));
  check_groups_behind();
}

void ClusterPair::check_groups_behind() {
  if (!stage_.content() || stage_.group_names().empty()) return;
  Site* coordinator = follower().coordinator();
  if (coordinator == nullptr) return;
  for (const std::string& group : stage_.group_names()) {
    for (PartitionIndex i = 0; i < partitions && stage_.content(); ++i) {
      const auto served = stage_.asker().committed(*coordinator, group, {"orders", i});
      const Offset end = stage_.ledger().end({"orders", i});
      if (!served || *served <= end) continue;
      stage_.judge().broken("a mirrored group is never beyond the mirrored records",
                            group + " is at " + std::to_string(*served) + ", the records end at " +
                                std::to_string(end));
    }
  }
}

// One of them may have yet to hear of a promotion, or of an election: the epoch is the latest that
// any of them knows. Nothing is judged where one that may be the only one to know is silent.
void ClusterPair::check_onward() {
  const kafka::DescribeSiteRequest request{.include_topics = true, .include_groups = false};
  std::map<PartitionIndex, LeaderEpoch> now;
  for (size_t i = 0; i < writer().size(); ++i) {
    if (!writer()[i].serving()) return;
    const auto site = stage_.asker().ask(writer()[i].peers(), request);
    if (!site) return;
    for (const auto& topic : site->topics) {
      if (topic.name != "orders") continue;
      for (const auto& p : topic.partitions) {
        now[p.index] = std::max(now[p.index], p.leader_epoch);
      }
    }
  }
  for (const auto& [index, epoch] : now) {
    LeaderEpoch& reached = reached_[index];
    if (epoch < reached) {
      stage_.judge().broken("epochs never go back", writer().name() + " leads orders-" +
                                                        std::to_string(index) + " in epoch " +
                                                        std::to_string(epoch) + " after " +
                                                        std::to_string(reached));
    }
    reached = std::max(reached, epoch);
  }
}

bool ClusterPair::has_committed(const std::string& group) {
  Site* coordinator = writer().coordinator();
  for (PartitionIndex i = 0; i < partitions && coordinator != nullptr; ++i) {
    const auto offset = stage_.asker().committed(*coordinator, group, {"orders", i});
    if (offset && *offset >= 0) return true;
  }
  return false;
}

void ClusterPair::await_groups() {
  const std::set<std::string> all = stage_.group_names();
  for (int i = 0; i < 60 && stage_.content(); ++i) {
    const bool known = std::ranges::all_of(all, [&](const auto& id) { return has_committed(id); });
    if (known && owns_groups(stage_.asker().describe(follower()[0]), link(), all)) return;
    stage_.world().run_for(milliseconds(500));
  }
  stage_.judge().broken("a link takes its source's groups", link());
}

}  // namespace isthmus::sim
