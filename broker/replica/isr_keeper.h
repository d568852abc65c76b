// IsrKeeper: who should be in the ISR of a partition that is led here. Pure: told what the record
// says, what followers fetch, and the time; says what to propose to the controller.
//
// A member leaves when it has not had the end of the log for replica.lag.time.max.ms; one that has
// all there is stays, however silent it is: nothing is lost with it. Who is not a member is
// proposed when it has all that is safe (the high watermark) and all that was there when the
// leader's epoch began: what an earlier leader has acknowledged may lie above a watermark that this
// leader has yet to learn.
//
// A proposal names the start of each broker, and a broker that has started anew since is no member
// by what it had before (KIP-903). One is under way at a time. While its outcome is not known, it
// counts for the high watermark beside the record (replica.h): also after it has failed, until the
// record has changed, since it may have been taken.
//
// Owned by a Partition, on its loop.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "base/ids.h"
#include "io/loop.h"

namespace isthmus::broker {

class IsrKeeper {
 public:
  // A broker, as the image has it.
  struct Peer {
    int32_t starts = 0;
    bool fenced = false;
  };
  // A partition's record, and the brokers that are its replicas.
  struct Record {
    std::vector<NodeId> isr;
    std::map<NodeId, Peer> replicas;
    int64_t version = -1;
  };
  struct Member {
    NodeId node = -1;
    int32_t starts = 0;
    friend bool operator==(const Member&, const Member&) = default;
  };
  using Proposal = std::vector<Member>;

  explicit IsrKeeper(NodeId self) : self_(self) {}
  void allow_lag(io::Duration at_most) { lag_at_most_ = at_most; }

  // It leads in another epoch, which begins where its log ends now.
  void lead(Record record, Offset log_end, io::Instant now);
  void on_record(Record record, io::Instant now);
  void follow();

  // Whether a broker is a replica, and speaks of a start that is not over.
  bool knows(NodeId node, int32_t starts) const;
  // A follower has `end` durably, and asks for what follows. True if it has started anew since it
  // was heard of last. REQUIRES: it is known.
  bool on_fetch(NodeId node, int32_t starts, Offset end, Offset log_end, io::Instant now);
  // Where its log starts. True if that has moved. REQUIRES: on_fetch() came before.
  bool on_start(NodeId node, Offset start);
  // The lowest start of the logs of those in sync, `own` among them: whoever is elected of them has
  // nothing below it. -1: somebody has not told.
  Offset lowest_start(Offset own) const;
  // The log was cut: nobody has more of it who is heard of from now on.
  void on_truncated(Offset log_end);
  // Whether all in sync, and those who are proposed, have fetched since: their logs end where ours
  // does, or before.
  bool have_cut() const;
  // What the replica that is not in the ISR and has least has, as far as it was heard of; nothing:
  // all are in. `log_start`: of one that was not.
  std::optional<Offset> lowest_outside(Offset log_start) const;
  // Somebody may be let in, and nothing is under way.
  bool is_due(Offset high_watermark) const;

  // What the ISR should be, if it should be another than the record's and nothing is under way.
  // From now on proposed() says who counts besides.
  std::optional<Proposal> propose(Offset high_watermark, Offset log_end, io::Instant now);
  // The record has been changed, or will not be by this proposal; or nobody knows.
  void on_decided();
  void on_failed();
  const std::vector<NodeId>& proposed() const { return proposed_; }
  int64_t version() const { return record_.version; }

 private:
  struct Follower {
    int32_t starts = -1;
    Offset end = -1;
    io::Instant caught_up_at{};
    Offset log_end_then = -1;  // at its last fetch
    io::Instant fetched_at{};
    Offset log_start = -1;
    bool has_cut = false;  // its log is a prefix of ours, also since ours was cut
  };

  bool may_join(NodeId node, const Peer& peer, Offset high_watermark) const;
  bool lags(NodeId node, Offset log_end, io::Instant now) const;

  NodeId self_;
  io::Duration lag_at_most_ = std::chrono::seconds(10);
  Record record_;
  Offset epoch_start_ = 0;
  std::map<NodeId, Follower> followers_;
  std::vector<NodeId> proposed_;
  bool under_way_ = false;
  std::optional<int64_t> doubted_version_;  // of the record when a proposal failed
};

}  // namespace isthmus::broker
