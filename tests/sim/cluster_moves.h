// ClusterMoves: planned switchovers and failovers between two sites of several brokers, as an
// operator asks for them: of any broker that serves. What drives a planned one is the mirror.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "kafka/gen/fence.h"
#include "tests/sim/cluster_pair.h"

namespace isthmus::sim {

class ClusterMoves {
 public:
  ClusterMoves(Stage& stage, ClusterPair& pair) : stage_(stage), pair_(pair) {}

  // The command: a new id, or the last one again, or the word to give it up.
  void wish();
  void wish_again();
  void give_up();
  // One whole switchover or a part of it, step by step, with faults, pauses that outlast deadlines
  // and earlier requests in between, while the mirror's driver competes. Moves no groups.
  void drive_by_hand();
  // Some earlier request once more, as a line that was cut for long would bring it.
  void repeat_something();
  // All is calm: the switchover ends, forward or back. Makes the writer the one that it is.
  void await_end();
  // Asks until the sites have changed places, which a calm world must allow.
  void succeed();

  // All brokers of the writer die; or nothing reaches them any more but some clients. The line to
  // the mirror may have gone first, so that the follower lags.
  void lose_writer();
  void isolate_writer();
  // Makes the follower the writer, in the face of elections there; clients follow.
  void fail_over();
  // The lost site is up, and becomes the mirror.
  void bring_back();
  // What was acknowledged is where clients read, or above where the failover said that it goes on
  // from, and then in the lost site's export, at its offset; no offset was given out twice.
  void check_nothing_unreported();

 private:
  void ask_for(bool abandon);
  // Remembers it. Nothing: refused, or not answered.
  template <typename Request>
  std::optional<typename Request::Response> say(Cluster& to, Request request);
  void interrupt();
  bool await_drained(const kafka::FenceResponse& fenced);
  bool hand_over(const kafka::FenceResponse& fenced);
  void promote(const kafka::FenceResponse& fenced);
  // What the lost site has kept of that partition.
  std::vector<LogContents> exports(PartitionIndex index);
  Uuid new_id();

  Stage& stage_;
  ClusterPair& pair_;
  Uuid id_;
  std::vector<std::function<void()>> said_;
  Cluster* lost_ = nullptr;  // has the exports
  std::map<PartitionIndex, Offset> promoted_at_;
};

}  // namespace isthmus::sim
