// The disaster and the way back: the writing site dies under load, the other is promoted without
// it, clients go on there; then the dead site comes back and becomes the mirror. Every record that
// was acknowledged is in the promoted topic or in what the way back exported, at its offset; an
// offset that was given out at the lost site is not given out again; epochs never go back. At the
// end planned switchovers bring the clients home, some of which were silent all the while.
#include "kafka/gen/become_mirror.h"
#include "kafka/gen/epoch_history.h"
#include "kafka/gen/promote.h"
#include "kafka/gen/step_down.h"
#include "tests/sim/change_of_sites.h"
#include "tests/sim/faults.h"

namespace isthmus::sim {

using kafka::ErrorCode;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

class Disaster {
 public:
  Disaster(Stage& stage, Pair& pair) : stage_(stage), pair_(pair) {}

  void lose_writer();
  void promote();
  void bring_back();
  void check_nothing_unreported();
  // Once clients write at the lost site again: what was asked during the disaster arrives now.
  void repeat_late();

 private:
  template <typename Request>
  Result<typename Request::Response> ask(Site& site, const Request& request);
  void order_to_step_down();
  std::optional<kafka::BecomeMirrorRequest> way_back();
  std::map<TopicPartition, LogContents> exports();

  Stage& stage_;
  Pair& pair_;
  Site* lost_ = nullptr;  // has the exports
  std::vector<std::function<void()>> said_;
};

template <typename Request>
Result<typename Request::Response> Disaster::ask(Site& site, const Request& request) {
  said_.push_back([this, &site, request] { stage_.asker().ask(site.peers(), request); });
  return stage_.asker().ask(site.peers(), request);
}

void Disaster::repeat_late() {
  for (const auto& again : said_) {
    if (stage_.one_in(2)) again();
  }
}

// The line goes first, sometimes, so that the follower lags; then the site dies, for good or until
// it is brought back.
void Disaster::lose_writer() {
  SimNetwork& network = stage_.world().network();
  if (stage_.one_in(2)) {
    network.cut(pair_.writer().name(), "mirror-1");
    stage_.run_between(milliseconds(10), seconds(2));
    // What those have had acknowledged is lost, and there is no retry that would come upon it.
    if (stage_.one_in(2)) stage_.stop_some_producers();
    stage_.run_between(milliseconds(0), seconds(1));
  }
  if (stage_.one_in(3)) pair_.kill_mirror();
  if (stage_.one_in(2)) {
    pair_.writer().crash();
  } else {
    pair_.writer().kill();
  }
  network.heal_all();
  stage_.run_between(milliseconds(0), seconds(2));
}

void Disaster::promote() {
  kafka::PromoteRequest request;
  for (uint8_t& byte : request.switchover_id.bytes) {
    byte = static_cast<uint8_t>(stage_.random().next());
  }
  request.link = pair_.link();
  request.failover = true;
  request.route_from = pair_.writer().name();
  for (int i = 0; i < 20 && stage_.content(); ++i) {
    if (stage_.one_in(4)) kill_and_restart(stage_, pair_.follower());
    auto answer = ask(pair_.follower(), request);
    // A second death may take the answer with it; the command is then given again.
    if (answer && answer->error_code == ErrorCode::none && !stage_.one_in(4)) {
      stage_.destination().sites = {pair_.follower().clients()};
      return pair_.swap();
    }
    stage_.world().run_for(milliseconds(200));
  }
  if (stage_.content()) stage_.judge().broken("a failover succeeds", pair_.link());
}

std::optional<kafka::BecomeMirrorRequest> Disaster::way_back() {
  auto source = stage_.asker().describe(pair_.writer());
  kafka::EpochHistoryRequest ask;
  ask.topics = {"orders"};
  auto history = stage_.asker().insist(pair_.writer().peers(), ask);
  if (!source || !history || history->topics.size() != 1) return std::nullopt;
  kafka::BecomeMirrorRequest request;
  request.link = pair_.link();
  request.left_link = pair_.reverse_link();
  request.origin = source->number;
  request.route_version = source->route_version;
  for (const auto& route : source->routes) request.routes.push_back({route.from, route.to});
  auto& topic = request.topics.emplace_back();
  topic.name = history->topics[0].name;
  topic.topic_id = history->topics[0].topic_id;
  for (const auto& p : history->topics[0].partitions) {
    auto& partition = topic.partitions.emplace_back();
    partition.index = p.index;
    partition.leader_epoch = p.leader_epoch;
    partition.end_offset = p.end_offset;
    for (const auto& e : p.entries) partition.history.push_back({e.epoch, e.owner, e.start_offset});
  }
  return request;
}

// As the mirror's driver says it at first contact, perhaps before that.
void Disaster::order_to_step_down() {
  auto promoted = stage_.asker().describe(pair_.writer());
  if (!promoted) return;
  kafka::StepDownRequest order;
  for (const auto& s : promoted->switchovers) {
    if (s.link != pair_.reverse_link()) continue;
    order.switchover_id = s.switchover_id;
    order.link = s.link;
    order.route_version = s.route_version;
  }
  for (const auto& topic : promoted->topics) {
    if (topic.link.empty()) order.topics.push_back(topic.topic_id);
  }
  for (const auto& route : promoted->routes) order.routes.push_back({route.from, route.to});
  ask(*lost_, order);
}

// isthmus link reverse, given again until it succeeds, while the site that is asked dies now and
// then in the middle of it.
void Disaster::bring_back() {
  Site& lost = pair_.follower();
  lost_ = &lost;
  lost.start();
  await_whole(stage_, lost);
  // It comes back believing that it writes. Clients no longer go there, but it has elections.
  if (stage_.one_in(3)) kill_and_restart(stage_, lost);
  if (stage_.one_in(2)) order_to_step_down();
  std::string trouble = "no answer";
  for (int i = 0; i < 20 && stage_.content(); ++i) {
    auto request = way_back();
    if (!request) return;
    if (stage_.one_in(3)) {
      stage_.world().after(stage_.random().between(milliseconds(0), milliseconds(40)),
                           [&lost] { lost.crash(); });
    }
    auto answer = ask(lost, *request);
    stage_.world().run_for(milliseconds(50));
    if (!lost.serving()) {
      lost.start();
      await_whole(stage_, lost);
    } else if (answer && answer->error_code == ErrorCode::none && !stage_.one_in(4)) {
      return;
    }
    if (answer) trouble = answer->error_message.value_or("");
  }
  if (stage_.content()) stage_.judge().broken("the way back succeeds", trouble);
}

std::map<TopicPartition, LogContents> Disaster::exports() {
  auto all = stage_.asker().read_all(*lost_);
  std::erase_if(
      all, [](const auto& entry) { return !entry.first.topic.starts_with("orders.diverged."); });
  return all;
}

void Disaster::check_nothing_unreported() {
  auto saved = exports();
  auto ends = stage_.ledger().ends();
  for (int32_t i = 0; i < 2; ++i) {
    const TopicPartition partition{"orders", i};
    auto log = stage_.asker().read(pair_.writer(), partition);
    if (!log) return;
    stage_.ledger().check_sanity(pair_.writer().name(), partition, *log, false);
    for (const auto& lost : stage_.ledger().missing(partition, *log, ends[partition])) {
      bool found = false;
      for (const auto& [exported, contents] : saved) {
        const StoredRecord* record = exported.partition == i ? contents.at(lost.offset) : nullptr;
        found = found || (record != nullptr && record->name == lost.name);
      }
      if (!found) {
        stage_.judge().broken("what a failover loses is exported",
                              partition.to_string() + ": record " + lost.name.to_string() +
                                  " of offset " + std::to_string(lost.offset) + " is nowhere");
      }
      if (log->at(lost.offset) != nullptr) {
        stage_.judge().broken("an offset is not given out again",
                              partition.to_string() + " offset " + std::to_string(lost.offset));
      }
    }
  }
}

}  // namespace

void failover(Stage& stage) {
  Pair pair(stage);
  if (!pair.begin()) return;
  for (int id = 1; id <= 4; ++id) {
    ProducerOptions options;
    options.id = id;
    options.partition = {"orders", id % 2};
    options.idempotent = stage.one_in(2);
    options.pause_max = stage.random().between(milliseconds(2), milliseconds(60));
    stage.add_producer(std::move(options));
  }
  for (int32_t i = 0; i < 2; ++i) {
    stage.add_consumer({.partition = {"orders", i}, .group = {}, .watermark_stays = false});
  }
  stage.run_between(milliseconds(200), seconds(3));
  if (stage.one_in(3)) pair.disturb();
  // Topics on which nothing is written any more: behind the gap there is no record for long.
  if (stage.one_in(3)) stage.settle("before the disaster");

  Disaster disaster(stage, pair);
  disaster.lose_writer();
  disaster.promote();
  stage.run_between(milliseconds(0), seconds(2));
  disaster.bring_back();
  pair.calm();
  stage.settle("after a failover");
  pair.check_caught_up();
  disaster.check_nothing_unreported();
  // A new process finds a mirror that may end in a gap, with nothing behind it.
  pair.start_mirror();
  stage.run_between(seconds(1), seconds(4));

  // Producers that write here take the one gap in their sequence that a failover allows. For the
  // others, who are silent until the way home has begun or lies behind, it waits.
  stage.resume_some_producers();
  stage.run_between(milliseconds(100), seconds(1));
  if (stage.one_in(2)) stage.settle("at the promoted site");
  stage.destination().sites = {pair.writer().clients(), pair.follower().clients()};
  if (stage.one_in(3)) stage.resume_producers();
  ChangeOfSites change(stage, pair);
  // There and back again is more than once.
  const uint64_t moves = stage.one_in(3) ? 3 : 1;
  for (uint64_t i = 0; i < moves && stage.content(); ++i) {
    if (stage.one_in(3)) {
      kill_and_restart(stage, pair.any());
      pair.calm();
    }
    change.succeed();
  }
  if (stage.one_in(3)) kill_and_restart(stage, pair.writer());
  pair.calm();
  disaster.repeat_late();
  stage.resume_producers();
  stage.run_between(milliseconds(100), seconds(1));
  stage.settle("home again");
  pair.check_caught_up();
  disaster.check_nothing_unreported();
}

}  // namespace isthmus::sim
