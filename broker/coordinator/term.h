// Term: one partition of a coordinators' topic, for as long as this broker leads it under one
// leader epoch. Whatever belongs to it (what is hosted, requests, writes) holds it and looks at it
// again after each wait: when the term is over, what began in it is void.
//
//              resign(), a newer epoch
//   standing ───────────────────────────► lost: another broker may lead. Nothing is written, and
//      │                                  what a write under way comes to is not told.
//      │  drain()
//      └────────────────────────────────► ended: nobody else leads before this process is gone.
//                                         What had begun is finished, and answered.
//
// Made and ended by the CoordinatorRuntime, on its loop; shared by those that it concerns.
#pragma once

#include <memory>
#include <vector>

#include "base/ids.h"
#include "broker/coordinator/journal.h"
#include "io/event.h"

namespace isthmus::broker {

class Term {
 public:
  // `journal` outlives the term.
  Term(PartitionIndex partition, LeaderEpoch leader_epoch, Journal& journal, io::Loop& loop)
      : partition_(partition), leader_epoch_(leader_epoch), journal_(journal), over_(loop) {}

  PartitionIndex partition() const { return partition_; }
  LeaderEpoch leader_epoch() const { return leader_epoch_; }
  // Nothing new begins in it.
  bool is_over() const { return state_ != State::standing; }
  // Nor is anything of it written or answered: NOT_COORDINATOR instead.
  bool is_lost() const { return state_ == State::lost; }
  // Where work beside requests sleeps, with a deadline: it is woken, for good, when the term is
  // over.
  io::Event& over() { return over_; }

  // In batches of bounded size, one after the other. Error::closed if the term was lost by the end:
  // then the records, or some of them, may have been written; whoever leads now knows.
  io::Task<Result<void>> append(std::vector<JournalRecord> records);

 private:
  friend class CoordinatorRuntime;
  enum class State : uint8_t { standing, ended, lost };

  const PartitionIndex partition_;
  const LeaderEpoch leader_epoch_;
  Journal& journal_;
  State state_ = State::standing;
  io::Event over_;
};
using TermPtr = std::shared_ptr<Term>;

}  // namespace isthmus::broker
