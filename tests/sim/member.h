// Member: one member of a classic consumer group, over the production client::Connection: joins,
// syncs, sends heartbeats, commits, leaves, and comes back, as librdkafka does. Where its
// coordinator is no more it looks for another and lives on there, in the generation that it has.
//
// It commits positions without reading records (Consumer does that): where it was given a partition
// it goes on from the committed offset, up to what the ledger knows to be there. Now and then it
// dreams for longer than its session lasts and then goes on as if nothing had happened, and now and
// then it commits in the name of the generation before. GroupBook says what must hold.
//
// Lives on the main loop of a simulated process, like the other clients (clients.h).
#pragma once

#include <string>
#include <vector>

#include "kafka/gen/join_group.h"
#include "tests/sim/caller.h"
#include "tests/sim/clients.h"
#include "tests/sim/group_book.h"

namespace isthmus::sim {

struct MemberOptions {
  std::string name;
  std::string group;
  std::string topic;
  int32_t partitions = 1;
  bool offsets_stay = true;  // false where a failover may take commits back
  uint64_t seed = 0;
};

class Member {
 public:
  Member(io::Env& env, GroupBook& book, const Ledger& ledger, const Destination& where,
         MemberOptions options);

  io::Task<void> run();
  // Dreams and leaves no more.
  void calm() { calm_ = true; }
  const std::string& group() const { return options_.group; }
  // The generation that it lives in, awake, and what it owns there; 0 = none.
  int32_t generation() const { return living_ && !dreaming_ ? generation_ : 0; }
  size_t owned() const { return living_ ? owned_.size() : 0; }
  const std::string& trouble() const { return trouble_; }

 private:
  enum class Next : uint8_t { go_on, join_again, turn_away };
  struct Owned {
    TopicPartition partition;
    Offset position = 0;
  };

  io::Task<Next> find_coordinator();
  io::Task<Next> join();
  io::Task<Next> sync(kafka::JoinGroupResponse joined);
  io::Task<Next> take_over(TopicPartition partition);
  // Until the generation ends.
  io::Task<Next> live();
  io::Task<Next> heartbeat();
  io::Task<Next> commit_one();
  // In the name of a generation that is over; must be refused.
  io::Task<Next> commit_late(TopicPartition partition);
  io::Task<Result<kafka::ErrorCode>> send_commit(TopicPartition partition, Offset offset,
                                                 int32_t generation);
  io::Task<Next> leave();
  Next after(const Result<kafka::ErrorCode>& answer);
  bool one_in(uint64_t n) { return random_.below(n) == 0; }
  int32_t known() const { return book_.generation(site_, options_.group); }

  Caller caller_;
  GroupBook& book_;
  const Ledger& ledger_;
  const Destination& where_;
  const MemberOptions options_;
  Prng random_;
  size_t turn_ = 0;
  io::Address site_;  // that it talks to
  std::string id_;
  int32_t generation_ = 0;
  std::vector<Owned> owned_;
  bool living_ = false;
  bool dreaming_ = false;
  bool calm_ = false;
  std::string trouble_;
};

}  // namespace isthmus::sim
