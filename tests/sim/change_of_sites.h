// ChangeOfSites: what an operator, a driver, or an old driver's late messages may do in a planned
// switchover.
//
// Besides asking the mirror process for it, it can drive one itself, by hand: the same requests, in
// the same order, but with pauses that outlast deadlines, deaths in between, and every earlier
// request sent again at some later time. That is what the model of the rule explores
// (docs/model/switchover.py), here with the real brokers.
#pragma once

#include <functional>
#include <map>
#include <vector>

#include "kafka/cluster_identity.h"
#include "kafka/gen/fence.h"
#include "tests/sim/pair.h"
#include "tests/sim/site_state.h"

namespace isthmus::sim {

class ChangeOfSites {
 public:
  ChangeOfSites(Stage& stage, Pair& pair) : stage_(stage), pair_(pair) {}

  // The command: a new id, or the last one again (true if it is durable), or the word to give it
  // up.
  bool wish();
  bool wish_again();
  void give_up();

  // One whole switchover or a part of it, without the mirror's driver.
  void drive_by_hand();
  // Up to the hand-over, or the promotion too; the source has not heard of that. False: it fell
  // back.
  bool drive_to_the_middle(bool promotes);
  // Another cluster gives up the switchover, as it would any, and the source is told so.
  void believe_stranger(Site& stranger);
  // Some earlier request once more, as a line that was cut for long would bring it.
  void repeat_something();

  // All is calm, and producers go to the writer: a fence that ends by itself is none of their
  // business. They run afterwards.
  void fence_in_vain();

  // Both sites never say at once that clients may write.
  void check_one_writer();
  // Everything is up: the switchover ends, forward or back. Makes the writer the one that it is.
  void await_end();
  // Asks until the sites have changed places, which a calm world must allow.
  void succeed();

 private:
  using Ends = kafka::FenceResponse;

  SiteState view(Site& site);
  Uuid new_id();
  // Sends it and remembers it. False if it was refused or not answered.
  template <typename Request>
  bool say(Site& to, Request request);
  std::optional<Ends> fence(int32_t deadline_ms);
  bool await_drained(const Ends& ends);
  bool hand_over(const Ends& ends);
  bool promote(const Ends& ends);
  void finish(bool promoted, const kafka::ClusterIdentity& speaker);
  const kafka::ClusterIdentity& identity(Site& site);
  void die_perhaps();

  Stage& stage_;
  Pair& pair_;
  Uuid id_;
  std::map<const Site*, kafka::ClusterIdentity> identities_;
  std::vector<std::function<void()>> said_;
};

}  // namespace isthmus::sim
