// Three replicas, a controller and clients that act in any order: images are heard late, answers
// and proposals are under way for long, machines lose power. Held against what must hold at each
// step: what was acknowledged is never anything else, and every leader has it.
#include <array>

#include "tests/broker/replication/joined_replicas.h"
#include "tests/sim/world/prng.h"

namespace isthmus::broker {
namespace {

class RandomReplicas : public JoinedReplicas, public testing::WithParamInterface<uint64_t> {
 protected:
  static constexpr std::array<NodeId, 3> all_nodes = {a, b, c};

  // ---- what is told and when ----
  struct Late {
    NodeId node = -1;
    int32_t starts = 0;
    FollowerStep step;
    FollowerAnswer answer;
  };
  struct Sent {
    NodeId leader = -1;
    int32_t starts = 0;
    IsrProposal proposal;
    int64_t version = -1;  // of the record that it was decided on, once it was
    bool is_lost = false;  // and its leader is told that nobody knows
  };

  uint64_t random(uint64_t below) { return random_.next() % below; }
  NodeId any() { return all_nodes[random(3)]; }
  bool serves(NodeId id) { return !image_.brokers[id].fenced; }
  bool believes_to_lead(NodeId id) {
    return on(id, [](Partition& p) { return p.history().leads; });
  }
  LeaderEpoch epoch_at(NodeId id) { return view(id).leader_epoch; }

  // ---- the controller ----
  void elect_somebody() {
    NodeId next = -1;
    for (NodeId id : partition().isr) {
      if (serves(id) && (next < 0 || random(2) == 0)) next = id;
    }
    decide(next, partition().isr);
  }
  void fence(NodeId id) {
    image_.brokers[id].fenced = true;
    auto& isr = partition().isr;
    if (isr.size() > 1) std::erase(isr, id);
    ++partition().version;
    if (partition().leader == id) elect_somebody();
  }
  void unfence(NodeId id) {
    image_.brokers[id].fenced = false;
    if (partition().leader < 0) elect_somebody();
  }
  void lose_power(NodeId id) {
    restarts(id);
    fence(id);
    hears(id);
  }
  void take(const Sent& sent) {
    const bool is_of_now =
        partition().leader == sent.leader && epoch() == sent.proposal.leader_epoch;
    if (!is_of_now) return;
    std::vector<NodeId> isr;
    for (const auto& [node, starts] : sent.proposal.isr) {
      if (!serves(node) || image_.brokers[node].starts != starts) return;
      isr.push_back(node);
    }
    partition().isr = std::move(isr);
    ++partition().version;
  }

  // ---- steps ----
  void propose(NodeId id) {
    auto proposal = on(id, [](Partition& p) { return p.propose_isr(); });
    if (proposal) sent_.push_back({id, image_.brokers[id].starts, std::move(*proposal)});
  }
  // It is taken, or not, or only later; its leader hears of that later still, or never.
  void decide_a_proposal() {
    if (sent_.empty()) return;
    const auto at = sent_.begin() + static_cast<ptrdiff_t>(random(sent_.size()));
    Sent sent = std::move(*at);
    sent_.erase(at);
    sent.is_lost = random(4) == 0;
    sent.version = partition().version;
    if (sent.is_lost) ghosts_.push_back(sent);
    if (!sent.is_lost || random(3) == 0) take(sent);
    decided_.push_back(std::move(sent));
  }
  void answer_a_proposal() {
    if (decided_.empty()) return;
    const auto at = decided_.begin() + static_cast<ptrdiff_t>(random(decided_.size()));
    const Sent sent = std::move(*at);
    decided_.erase(at);
    if (image_.brokers[sent.leader].starts != sent.starts) return;
    // Who is answered has heard of what was decided.
    if (!sent.is_lost) hears(sent.leader);
    const auto outcome = sent.is_lost ? IsrOutcome::unknown : IsrOutcome::decided;
    on(sent.leader, [&](Partition& p) { p.isr_proposed(sent.proposal.leader_epoch, outcome); });
  }
  // A commit that nobody waits for any more; its condition is the version of the record.
  void take_a_ghost() {
    if (ghosts_.empty()) return;
    const Sent ghost = ghosts_.back();
    ghosts_.pop_back();
    if (ghost.version == partition().version) take(ghost);
  }
  // As step(), but the answer of a fetch may come much later.
  void follow_a_step(NodeId id) {
    Node& node = nodes_.at(id);
    const FollowerStep step = node.follower.step(now());
    if (step.kind != FollowerStep::Kind::fetch || random(3) != 0) {
      this->step(id);
      return;
    }
    auto read = read_as_follower(id, node.follower.leader(), step);
    late_.push_back({id, image_.brokers[id].starts, step, answer_of(std::move(read))});
  }
  void deliver_late() {
    if (late_.empty()) return;
    const auto at = late_.begin() + static_cast<ptrdiff_t>(random(late_.size()));
    Late late = std::move(*at);
    late_.erase(at);
    if (image_.brokers[late.node].starts != late.starts) return;
    nodes_.at(late.node).follower.on_fetched(late.step.epoch, late.step.offset,
                                             std::move(late.answer), now());
  }
  enum Kind : size_t {
    appends,
    passes_short,
    passes_long,
    hearing,
    proposing,
    deciding,
    answering,
    late,
    fencing,
    unfencing,
    ghost,
    power,
    following,
    kinds
  };
  // Some runs have much of one thing, and little or nothing of another.
  std::array<uint64_t, kinds> draw_weights() {
    constexpr std::array<uint64_t, kinds> usual = {60, 20, 12, 20, 20, 20, 20,
                                                   20, 4,  16, 10, 3,  90};
    std::array<uint64_t, kinds> drawn = usual;
    for (uint64_t& weight : drawn) weight = weight * (1 + random(8)) / 4;
    return drawn;
  }
  Kind draw() {
    uint64_t sum = 0;
    for (uint64_t weight : weights_) sum += weight;
    uint64_t at = random(sum);
    size_t kind = 0;
    while (at >= weights_[kind]) at -= weights_[kind++];
    return static_cast<Kind>(kind);
  }
  void do_something() {
    const NodeId id = any();
    switch (draw()) {
      case appends:
        if (believes_to_lead(id)) (void)append(id, static_cast<int>(1 + random(3)), random(2) == 0);
        break;
      case passes_short: world_.run_for(io::milliseconds(random(20))); break;
      case passes_long: world_.run_for(io::milliseconds(random(9000))); break;
      case hearing: hears(id); break;
      case proposing: propose(id); break;
      case deciding: decide_a_proposal(); break;
      case answering: answer_a_proposal(); break;
      case late: deliver_late(); break;
      case fencing: fence(id); break;
      case unfencing: unfence(id); break;
      case ghost: take_a_ghost(); break;
      case power: lose_power(id); break;
      case following:
      case kinds:
        // Some of them are quick, for as long as nothing else happens.
        for (uint64_t i = 0, most = 1 + random(4); i < most && !believes_to_lead(id); ++i) {
          follow_a_step(id);
        }
    }
  }

  // ---- what must hold ----
  // The values of its log, by offset.
  std::map<Offset, std::string> values(NodeId id) {
    std::map<Offset, std::string> all;
    const Slice bytes = log(id);
    kafka::BatchIterator walk(bytes, true);
    while (auto batch = walk.next()) {
      auto reader = kafka::RecordReader::open(batch->bytes);
      kafka::Record record;
      while (reader->next(record)) all[record.offset] = as_text(*record.value);
    }
    return all;
  }
  void check(int step) {
    for (NodeId id : all_nodes) {
      if (!believes_to_lead(id)) continue;
      const auto held = values(id);
      const Offset safe = this->safe(id);
      for (Offset offset = 0; offset < safe; ++offset) {
        const auto [known, is_new] = acknowledged_.try_emplace(offset, held.at(offset));
        ASSERT_EQ(known->second, held.at(offset))
            << "offset " << offset << " was something else, step " << step << ", broker " << id;
      }
    }
    const NodeId leader = partition().leader;
    if (leader < 0 || !believes_to_lead(leader) || epoch_at(leader) != epoch()) return;
    const auto held = values(leader);
    for (const auto& [offset, value] : acknowledged_) {
      ASSERT_TRUE(held.contains(offset))
          << "offset " << offset << " is lost, step " << step << ", leader " << leader;
      ASSERT_EQ(held.at(offset), value) << "offset " << offset << ", step " << step;
    }
  }
  void heal() {
    late_.clear();
    ghosts_.clear();
    for (int round = 0; round < 20; ++round) {
      for (NodeId id : all_nodes) unfence(id);
      all_hear();
      world_.run_for(std::chrono::seconds(1));
      all_follow();
      if (partition().leader >= 0) propose(partition().leader);
      while (!sent_.empty()) decide_a_proposal();
      while (!decided_.empty()) answer_a_proposal();
    }
  }

  sim::Prng random_{GetParam()};
  std::vector<Late> late_;
  std::vector<Sent> sent_;
  std::vector<Sent> decided_;
  std::vector<Sent> ghosts_;
  std::array<uint64_t, kinds> weights_ = draw_weights();
  std::map<Offset, std::string> acknowledged_;
};

TEST_P(RandomReplicas, KeepWhatIsAcknowledgedAndComeToBeAlike) {
  for (int step = 0; step < 400; ++step) {
    do_something();
    check(step);
    if (HasFatalFailure()) return;
  }
  heal();
  check(-1);
  EXPECT_EQ(partition().isr.size(), 3u);
  expect_same_logs();
  EXPECT_EQ(safe(partition().leader), end(partition().leader));
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomReplicas, testing::Range<uint64_t>(1, 201));

}  // namespace
}  // namespace isthmus::broker
