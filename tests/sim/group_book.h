// GroupBook: what the members of consumer groups were told, and what must hold between them.
//
//   one owner     in one generation a partition is given to one member
//   onward        a generation that somebody was assigned in is never followed by a lower one
//   fenced        a commit that names a generation before the one in force is refused
//   kept          who takes a partition over goes on where the last commit was acknowledged
//
// Generations are counted by each coordinator for itself, so they are kept by site; offsets travel
// with a switchover and are kept by group. An answer is compared with what was known when its
// question was sent: answers overtake each other.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/ids.h"
#include "io/loop.h"
#include "io/stream.h"
#include "tests/sim/judge.h"

namespace isthmus::sim {

class GroupBook {
 public:
  explicit GroupBook(Judge& judge) : judge_(judge) {}

  // The highest generation that this coordinator has assigned anything in; 0 = none.
  int32_t generation(const io::Address& site, const std::string& group) const;
  // An answer that names a generation, to a question that was sent when `known` was the highest.
  void told(const io::Address& site, const std::string& group, int32_t generation, int32_t known);
  void assigned(const io::Address& site, const std::string& group, int32_t generation,
                const std::string& member, const std::vector<TopicPartition>& partitions);
  // A commit was accepted that names `generation`; `known` as above.
  void accepted(const io::Address& site, const std::string& group, int32_t generation,
                int32_t known);

  // Offsets: a commit is under way, and may arrive at any time until it is answered.
  using Ticket = uint64_t;
  Ticket committing(const std::string& group, const TopicPartition& partition, Offset offset,
                    io::Instant now);
  void committed(Ticket commit);
  // It was answered by a code that says that nothing was written.
  void refused(Ticket commit);
  // What a coordinator may answer at least; never more than was ever committed.
  struct Range {
    Offset least = -1;
  };
  Range offsets(const std::string& group, const TopicPartition& partition, io::Instant now) const;
  // An answer of `offset`, to a question that was sent when `range` held.
  void fetched(const std::string& by, const std::string& group, const TopicPartition& partition,
               Offset offset, const Range& range);

 private:
  struct Generations {
    int32_t highest = 0;
    // generation -> partition -> member
    std::map<int32_t, std::map<TopicPartition, std::string>> owners;
  };
  struct Doubt {
    Offset offset;
    io::Instant since;
  };
  struct Position {
    Offset acknowledged = -1;
    Offset most = -1;
    std::map<Ticket, Doubt> doubts;
  };
  using GroupAt = std::pair<io::Address, std::string>;
  using PositionOf = std::pair<std::string, TopicPartition>;

  Judge& judge_;
  std::map<GroupAt, Generations> generations_;
  std::map<PositionOf, Position> positions_;
  std::map<Ticket, PositionOf> commits_;
  Ticket last_ticket_ = 0;
};

}  // namespace isthmus::sim
