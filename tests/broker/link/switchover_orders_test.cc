// Every order of every step of a planned switchover, explored through the plan functions that the
// broker runs: one topic, two sites, two attempts; drivers that may die anywhere (whatever one
// could still send is a message that stays deliverable for ever: lost, late and repeated are the
// same to the search), fences that end by themselves. The model is docs/model/switchover.py.
#include <gtest/gtest.h>

#include <deque>
#include <set>
#include <unordered_map>

#include "broker/controller/topic_plans.h"
#include "broker/link/switchover_plans.h"
#include "tests/broker/apply_plan.h"

namespace isthmus::broker {
namespace {

using Phase = SwitchoverImage::Phase;

const std::string link_name = "a-to-b";
const Uuid topic_id = uuid_of(100);
constexpr int most_records = 2;
const std::vector<Uuid> attempts = {uuid_of(1), uuid_of(2)};

const ClusterIdentity target_id{"b's id", 2};
const ClusterIdentity stranger_id{"another b's id", 3};

// Something that a driver has learnt, and may act on from then on.
struct Message {
  enum class Kind : uint8_t {
    fenced,
    handed_over,
    promoted,
    abandoned,
    abandoned_by_a_stranger
  } kind;
  Uuid id;
  int end = 0;
  friend auto operator<=>(const Message&, const Message&) = default;
};

struct State {
  std::shared_ptr<const Image> source, target;
  std::optional<Uuid> fence;  // at the source, in memory
  int source_end = 0;
  int target_end = 0;  // of what was mirrored
  bool target_has_own = false;
  std::set<Message> messages;
};

struct Step {
  std::string name;
  State state;
};

const TopicImage& topic_in(const Image& image) { return *image.find(topic_id); }
bool writable(const Image& image) { return topic_in(image).writer.is_clients(); }
bool source_open(const State& s) { return writable(*s.source) && !s.fence; }

std::string fingerprint(const Image& image) {
  const TopicImage& t = topic_in(image);
  std::string text = to_string(t.writer) + "/";
  if (const auto* nobody = t.writer.nobody()) text += nobody->since.to_string();
  if (auto known = image.switchovers.find(link_name); known != image.switchovers.end()) {
    text += known->second.id.to_string() + std::string(to_string(known->second.phase));
    for (const Uuid& id : known->second.abandoned) text += "-" + id.to_string();
  }
  return text;
}

std::string fingerprint(const State& s) {
  std::string text = fingerprint(*s.source) + "|" + fingerprint(*s.target) + "|";
  text += (s.fence ? s.fence->to_string() : "") + "|" + std::to_string(s.source_end) + "," +
          std::to_string(s.target_end) + "," + std::to_string(s.target_has_own);
  for (const Message& m : s.messages) {
    text +=
        "|" + std::to_string(static_cast<int>(m.kind)) + m.id.to_string() + std::to_string(m.end);
  }
  return text;
}

State beginning() {
  Image a, b;
  a.cluster_name = "a";
  a.cluster_number = 1;
  b.cluster_name = "b";
  b.cluster_number = 2;
  NewTopic wish;
  wish.name = "orders";
  wish.id = topic_id;
  State state;
  state.source = after(a, plan_create_topic(a, wish));
  wish.writer = TopicWriter::Link{link_name, 1};
  wish.leader_epochs = {0};
  state.target = after(b, plan_create_topic(b, wish));
  return state;
}

class Orders {
 public:
  std::vector<Step> from(const State& state) {
    now_ = &state;
    steps_.clear();
    clients_and_mirror();
    for (size_t i = 0; i < attempts.size(); ++i) operator_and_driver(attempts[i], i);
    for (const Message& message : state.messages) deliver(message);
    return std::move(steps_);
  }

 private:
  State& go(std::string name) { return steps_.emplace_back(Step{std::move(name), *now_}).state; }

  // Takes the step if the plan function allows it; nullptr if it refuses.
  State* decide(const std::string& name, std::shared_ptr<const Image> State::* site,
                const Result<Plan>& plan) {
    if (!plan) return nullptr;
    State& next = go(name);
    next.*site = after(*(now_->*site), *plan);
    return &next;
  }

  void clients_and_mirror() {
    const State& s = *now_;
    if (source_open(s) && s.source_end < most_records) ++go("write at a").source_end;
    bool mirrors = topic_in(*s.target).writer.is_link(link_name);
    if (mirrors && s.target_end < s.source_end) ++go("mirror").target_end;
    if (writable(*s.target) && !s.target_has_own) go("write at b").target_has_own = true;
    if (s.fence) go("deadline, or restart of a").fence.reset();
  }

  void operator_and_driver(const Uuid& id, size_t i) {
    const State& s = *now_;
    const std::string n = " " + std::to_string(i + 1);
    decide("wish" + n, &State::target, plan_wish(*s.target, link_name, id));
    auto* given_up = decide("abandon" + n, &State::target, plan_abandon(*s.target, link_name, id));
    if (given_up) given_up->messages.insert({Message::Kind::abandoned, id});
    // Another cluster is asked in b's place, which has never heard of it and will never promote it.
    if (id == attempts[0]) {
      go("abandon at a stranger").messages.insert({Message::Kind::abandoned_by_a_stranger, id});
    }
    if (writable(*s.source) && (!s.fence || s.fence == id)) {
      State& next = go("fence" + n);
      next.fence = id;
      next.messages.insert({Message::Kind::fenced, id, s.source_end});
    }
  }

  void deliver(const Message& m) {
    switch (m.kind) {
      case Message::Kind::fenced: return hand_over(m);
      case Message::Kind::handed_over: return promote(m);
      case Message::Kind::promoted: return finish(m, true);
      case Message::Kind::abandoned: return finish(m, false);
      case Message::Kind::abandoned_by_a_stranger: return finish(m, false, stranger_id);
    }
  }

  // Somebody has seen the target drained to the end of that fence. The checks before the plan are
  // those of Switchovers::hand_over.
  void hand_over(const Message& m) {
    const State& s = *now_;
    if (s.target_end < m.end) return;
    auto known = s.source->switchovers.find(link_name);
    bool repeated = known != s.source->switchovers.end() && known->second.id == m.id &&
                    known->second.phase == Phase::handed_over;
    if (!repeated && (s.fence != m.id || s.source_end != m.end)) return;
    auto* next = decide("hand over " + m.id.to_string(), &State::source,
                        plan_hand_over(*s.source, {link_name, m.id, {topic_id}, target_id}));
    if (next == nullptr) return;
    next->fence.reset();
    next->messages.insert({Message::Kind::handed_over, m.id, s.source_end});
  }

  void promote(const Message& m) {
    const State& s = *now_;
    bool mirrors = topic_in(*s.target).writer.is_link(link_name);
    if (mirrors && s.target_end != m.end) return;
    Promotion promotion;
    promotion.link = link_name;
    promotion.id = m.id;
    promotion.topics[topic_id] = {-1};
    auto* next =
        decide("promote " + m.id.to_string(), &State::target, plan_promote(*s.target, promotion));
    if (next) next->messages.insert({Message::Kind::promoted, m.id});
  }

  void finish(const Message& m, bool promoted, const ClusterIdentity& speaker = target_id) {
    const State& s = *now_;
    Ending ending;
    ending.link = link_name;
    ending.id = m.id;
    ending.target = speaker;
    ending.reverse_link = "b-to-a";
    ending.new_origin = 2;
    auto plan = promoted ? plan_done(*s.source, ending)
                         : plan_take_back(*s.source, {link_name, m.id, false, 0, speaker});
    decide(promoted ? "become mirror" : "take back", &State::source, plan);
  }

  const State* now_ = nullptr;
  std::vector<Step> steps_;
};

const char* broken_invariant(const State& s) {
  if (source_open(s) && writable(*s.target)) return "two writable sites";
  if (writable(*s.target) && s.target_end < s.source_end)
    return "an acknowledged record is missing";
  if (s.target_has_own && s.target_end > s.source_end) return "mirrored over records of its own";
  return nullptr;
}

// Somebody can write, and no attempt is left half done.
bool settled(const State& s) {
  bool stayed = source_open(s) && topic_in(*s.target).writer.is_link(link_name);
  bool moved = topic_in(*s.source).writer.is_link("b-to-a") && writable(*s.target);
  return stayed || moved;
}

class Search {
 public:
  void run() {
    add(beginning(), -1, "");
    for (size_t at = 0; at < states_.size() && broken_.empty(); ++at) {
      State state = states_[at];
      for (Step& step : orders_.from(state)) {
        add(std::move(step.state), static_cast<int>(at), std::move(step.name));
      }
    }
  }

  // States from which no step, whoever takes it, leads to a settled one.
  std::vector<size_t> dead_ends() const {
    std::vector<bool> alive(states_.size());
    std::deque<size_t> todo;
    for (size_t i = 0; i < states_.size(); ++i) {
      if (settled(states_[i])) todo.push_back(i);
    }
    for (size_t i : todo) alive[i] = true;
    while (!todo.empty()) {
      size_t at = todo.front();
      todo.pop_front();
      for (size_t before : leads_to_[at]) {
        if (!alive[before]) todo.push_back(before);
        alive[before] = true;
      }
    }
    std::vector<size_t> dead;
    for (size_t i = 0; i < alive.size(); ++i) {
      if (!alive[i]) dead.push_back(i);
    }
    return dead;
  }

  std::string path(size_t at) const {
    if (parent_[at] < 0) return "";
    return path(static_cast<size_t>(parent_[at])) + " → " + why_[at];
  }
  const std::string& broken() const { return broken_; }
  const std::vector<State>& states() const { return states_; }

 private:
  void add(State state, int parent, std::string why) {
    auto [place, is_new] = known_.try_emplace(fingerprint(state), states_.size());
    if (is_new) {
      const char* broken = broken_invariant(state);
      states_.push_back(std::move(state));
      parent_.push_back(parent);
      why_.push_back(std::move(why));
      leads_to_.emplace_back();
      if (broken != nullptr) broken_ = broken + path(states_.size() - 1);
    }
    if (parent >= 0) leads_to_[place->second].push_back(static_cast<size_t>(parent));
  }

  Orders orders_;
  std::vector<State> states_;
  std::vector<int> parent_;
  std::vector<std::string> why_;
  std::vector<std::vector<size_t>> leads_to_;  // the states from which this one is one step away
  std::unordered_map<std::string, size_t> known_;
  std::string broken_;
};

TEST(SwitchoverOrders, NeverTwoWritableSitesAndNothingAcknowledgedIsMissing) {
  Search search;
  search.run();
  ASSERT_EQ(search.broken(), "");
  auto dead = search.dead_ends();
  ASSERT_TRUE(dead.empty()) << "nobody can ever write again:" << search.path(dead.front());
  std::set<std::string> outcomes;
  for (const State& s : search.states()) {
    std::string source = source_open(s)                    ? "open"
                         : topic_in(*s.source).is_mirror() ? "mirror"
                         : s.fence                         ? "fenced"
                                                           : "closed";
    outcomes.insert(source + "/" + (writable(*s.target) ? "promoted" : "mirror"));
  }
  EXPECT_EQ(outcomes, (std::set<std::string>{"open/mirror", "fenced/mirror", "closed/mirror",
                                             "closed/promoted", "mirror/promoted"}));
  RecordProperty("states", static_cast<int>(search.states().size()));
}

}  // namespace
}  // namespace isthmus::broker
