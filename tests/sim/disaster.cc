#include "tests/sim/disaster.h"

#include "kafka/gen/finish_switchover.h"
#include "kafka/gen/promote.h"
#include "kafka/gen/step_down.h"
#include "tests/sim/faults.h"

namespace isthmus::sim {

using kafka::ErrorCode;
using std::chrono::milliseconds;
using std::chrono::seconds;

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

void Disaster::isolate_writer() {
  SimNetwork& network = stage_.world().network();
  Site& writer = pair_.writer();
  for (const char* mirror : Pair::mirror_names) {
    // One direction is enough: no conversation works.
    if (stage_.one_in(3)) {
      network.cut_one_way(mirror, writer.name());
    } else if (stage_.one_in(2)) {
      network.cut_one_way(writer.name(), mirror);
    } else {
      network.cut(writer.name(), mirror);
    }
  }
  stage_.run_between(milliseconds(10), seconds(2));
  // Stands still with requests in its sockets, which it answers when it goes on.
  if (stage_.one_in(4) && writer.process() != nullptr) writer.process()->pause();
  stage_.run_between(milliseconds(0), seconds(1));
}

void Disaster::reunite() {
  Site& lost = pair_.follower();
  if (lost.process() != nullptr && lost.process()->running()) lost.process()->resume();
  stage_.run_between(milliseconds(0), milliseconds(200));
  stage_.world().network().heal_all();
}

void Disaster::await_stepped_down() {
  Site& lost = pair_.follower();
  for (int i = 0; i < 60 && stage_.content(); ++i) {
    const auto described = stage_.asker().glance(lost);
    bool closed = described.has_value();
    for (const auto& topic : described ? described->topics : decltype(described->topics){}) {
      if (topic.name == "orders") closed = topic.writer != kafka::WriterKind::clients;
    }
    if (closed) return stage_.ledger().no_writes_at(lost.clients(), stage_.world().now());
    stage_.world().run_for(milliseconds(500));
  }
  if (stage_.content()) {
    stage_.judge().broken("a site that was failed over steps down at contact", lost.name());
  }
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
    Site& site = pair_.follower();
    if (stage_.one_in(4)) kill_and_restart(stage_, site);
    // The record of the promotion may be durable by then, and the gaps not.
    if (stage_.one_in(4)) die_while_asked(site);
    auto answer = ask(site, request);
    live_again(site);
    // A second death may take the answer with it; the command is then given again.
    if (answer && answer->error_code == ErrorCode::none && !stage_.one_in(4)) {
      stage_.destination().sites = {site.clients()};
      return pair_.swap();
    }
    stage_.world().run_for(milliseconds(200));
  }
  if (stage_.content()) stage_.judge().broken("a failover succeeds", pair_.link());
}

// Before live_again() is done.
void Disaster::die_while_asked(Site& site) {
  stage_.world().after(stage_.random().between(milliseconds(0), milliseconds(40)),
                       [&site] { site.crash(); });
}

void Disaster::live_again(Site& site) {
  stage_.world().run_for(milliseconds(50));
  if (site.serving()) return;
  site.start();
  await_whole(stage_, site);
}

void Disaster::take_back() {
  Site& back = pair_.follower();
  lost_ = &back;
  if (stage_.one_in(2)) {
    live_again(back);
    if (stage_.one_in(2)) order_to_step_down();
  }
  pair_.writer().crash();
  live_again(back);
  kafka::FinishSwitchoverRequest request;
  request.link = pair_.reverse_link();
  request.force = true;
  Uuid fresh;
  for (uint8_t& byte : fresh.bytes) byte = static_cast<uint8_t>(stage_.random().next());
  for (int i = 0; i < 20 && stage_.content(); ++i) {
    const auto known = stage_.asker().describe(back);
    if (!known) return;
    request.switchover_id = fresh;
    for (const auto& s : known->switchovers) {
      const bool closed = s.link == request.link && s.phase == kafka::SwitchoverPhase::stepped_down;
      if (closed) request.switchover_id = s.switchover_id;
    }
    if (stage_.one_in(4)) die_while_asked(back);
    auto answer = ask(back, request);
    live_again(back);
    if (answer && answer->error_code == ErrorCode::none && !stage_.one_in(4)) {
      stage_.destination().sites = {back.clients()};
      return pair_.swap();
    }
  }
  if (stage_.content()) stage_.judge().broken("the lost site is taken back", pair_.link());
}

void Disaster::check_no_offset_twice() {
  auto ends = stage_.ledger().ends();
  for (int32_t i = 0; i < 2; ++i) {
    const TopicPartition partition{"orders", i};
    auto log = stage_.asker().read(pair_.writer(), partition);
    if (!log) return;
    stage_.ledger().check_sanity(pair_.writer().name(), partition, *log, false);
    for (const auto& lost : stage_.ledger().missing(partition, *log, ends[partition])) {
      if (log->at(lost.offset) == nullptr) continue;
      stage_.judge().broken("an offset is not given out again",
                            partition.to_string() + " offset " + std::to_string(lost.offset));
    }
  }
}

kafka::BecomeMirrorRequest way_back_over(
    const std::string& link, const std::string& left_link,
    const kafka::DescribeSiteResponse& source,
    const kafka::EpochHistoryResponse::EpochHistoryTopic& history) {
  kafka::BecomeMirrorRequest request;
  request.link = link;
  request.left_link = left_link;
  request.origin = source.number;
  request.route_version = source.route_version;
  for (const auto& route : source.routes)
    request.routes.push_back({route.from, route.to, route.version});
  auto& topic = request.topics.emplace_back();
  topic.name = history.name;
  topic.topic_id = history.topic_id;
  for (const auto& t : source.topics) {
    if (t.topic_id == topic.topic_id) topic.promoted_at = t.promoted_at;
  }
  for (const auto& p : history.partitions) {
    auto& partition = topic.partitions.emplace_back();
    partition.index = p.index;
    partition.leader_epoch = p.leader_epoch;
    partition.end_offset = p.end_offset;
    for (const auto& e : p.entries) partition.history.push_back({e.epoch, e.owner, e.start_offset});
  }
  return request;
}

std::optional<kafka::BecomeMirrorRequest> Disaster::way_back() {
  auto source = stage_.asker().describe(pair_.writer());
  kafka::EpochHistoryRequest ask;
  ask.topics = {"orders"};
  auto history = stage_.asker().insist(pair_.writer().peers(), ask);
  if (!source || !history || history->topics.size() != 1) return std::nullopt;
  return way_back_over(pair_.link(), pair_.reverse_link(), *source, history->topics[0]);
}

// As the mirror's driver says it at first contact, perhaps before that.
void Disaster::order_to_step_down() {
  auto promoted = stage_.asker().describe(pair_.writer());
  if (!promoted) return;
  kafka::StepDownRequest order;
  order.target_id = promoted->cluster_id;
  order.target_number = promoted->number;
  for (const auto& s : promoted->switchovers) {
    if (s.link != pair_.reverse_link()) continue;
    order.switchover_id = s.switchover_id;
    order.link = s.link;
    order.route_version = s.route_version;
  }
  for (const auto& topic : promoted->topics) {
    if (topic.writer != kafka::WriterKind::link) order.topics.push_back(topic.topic_id);
  }
  for (const auto& route : promoted->routes)
    order.routes.push_back({route.from, route.to, route.version});
  ask(*lost_, order);
}

void Disaster::bring_back() {
  Site& lost = pair_.follower();
  lost_ = &lost;
  if (!lost.serving()) lost.start();
  await_whole(stage_, lost);
  // It comes back believing that it writes. Clients no longer go there, but it has elections.
  if (stage_.one_in(3)) kill_and_restart(stage_, lost);
  if (stage_.one_in(2)) order_to_step_down();
  std::string trouble = "no answer";
  for (int i = 0; i < 20 && stage_.content(); ++i) {
    auto request = way_back();
    if (!request) return;
    if (stage_.one_in(3)) die_while_asked(lost);
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
  check_no_offset_twice();
  auto saved = exports();
  auto ends = stage_.ledger().ends();
  for (int32_t i = 0; i < 2; ++i) {
    const TopicPartition partition{"orders", i};
    auto log = stage_.asker().read(pair_.writer(), partition);
    if (!log) return;
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
    }
  }
}

}  // namespace isthmus::sim
