// Two sites and the mirror between them, all of which die and come back at random points: the
// target is at all times a byte prefix of its source, groups never point beyond it, a group with a
// life of its own at the target is left alone, and deletions cross after their delay.
#include "kafka/gen/find_coordinator.h"
#include "kafka/gen/offset_commit.h"
#include "tests/sim/deletions.h"
#include "tests/sim/intruder.h"
#include "tests/sim/recreated.h"

namespace isthmus::sim {

using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

constexpr const char* held_group = "held";
constexpr Offset held_at = 0;

// A group that commits at the target before the link has heard of it.
void hold_group(Stage& stage, Pair& pair) {
  kafka::FindCoordinatorRequest first;  // makes the topic of the offsets
  first.key = held_group;
  stage.asker().insist(pair.follower().clients(), first, 3);
  kafka::OffsetCommitRequest request;
  request.group_id = held_group;
  auto& topic = request.topics.emplace_back();
  topic.name = "orders";
  topic.partitions.push_back({.partition_index = 0,
                              .committed_offset = held_at,
                              .committed_leader_epoch = -1,
                              .committed_metadata = ""});
  for (int i = 0; i < 100; ++i) {
    auto answer = stage.asker().ask(pair.follower().clients(), request, seconds(5), 8);
    if (answer && answer->topics.at(0).partitions.at(0).error_code == kafka::ErrorCode::none) {
      return stage.add_consumer({.partition = {"orders", 0}, .group = held_group});
    }
    stage.world().run_for(milliseconds(200));
  }
  stage.judge().broken("a target serves groups of its own", held_group);
}

void check_held_group(Stage& stage, Pair& pair) {
  auto found = stage.asker().committed(pair.follower(), held_group, {"orders", 0});
  if (!found || *found == held_at) return;
  stage.judge().broken("a group of the target's own is never taken",
                       std::string(held_group) + " is at " + std::to_string(*found));
}

}  // namespace

void mirror(Stage& stage) {
  // A mirror may lose what its power loss takes: the source has it. A group of its own may not.
  const bool loses = stage.one_in(3);
  Pair pair(stage, loses ? process::Durability::page_cache : process::Durability::fsync);
  if (!pair.begin()) return;
  const bool holds = !loses && stage.one_in(2);
  if (holds) hold_group(stage, pair);
  stage.add_clients("orders", 2, true);
  if (stage.one_in(3)) stage.add_members("orders", 2, stage.random().between(1, 3), true);
  Deletions deletions(stage, pair);

  const uint64_t rounds = stage.random().between(3, 7);
  for (uint64_t i = 0; i < rounds && stage.content(); ++i) {
    stage.run_between(milliseconds(10), seconds(2));
    pair.disturb();
    if (!stage.asker().await_serving(pair.writer())) return;
    if (!stage.asker().await_serving(pair.follower())) return;
    if (stage.one_in(2)) pair.check_prefix();
    if (stage.one_in(2)) pair.check_groups_behind();
    if (stage.one_in(2)) check_appends_are_judged(stage, pair);
    // What is deleted at the source cannot be fetched again.
    if (!loses && stage.one_in(2)) deletions.delete_some();
    deletions.check_none_too_early();
  }
  pair.calm();
  stage.settle("mirroring");
  stage.catch_up();
  pair.check_writer();
  pair.check_caught_up();
  pair.check_groups_behind();
  deletions.check_followed();
  if (holds) check_held_group(stage, pair);
  check_recreated(stage, pair);
}

}  // namespace isthmus::sim
