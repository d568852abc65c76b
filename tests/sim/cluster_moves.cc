#include "tests/sim/cluster_moves.h"

#include <algorithm>

#include "kafka/gen/durable_ends.h"
#include "kafka/gen/hand_over.h"
#include "kafka/gen/promote.h"
#include "kafka/gen/switchover_wish.h"
#include "tests/sim/cluster_faults.h"
#include "tests/sim/disaster.h"

namespace isthmus::sim {

using kafka::ErrorCode;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Writer = SiteState::Writer;

Uuid ClusterMoves::new_id() {
  Uuid id;
  for (uint8_t& byte : id.bytes) byte = static_cast<uint8_t>(stage_.random().next());
  return id;
}

template <typename Request>
std::optional<typename Request::Response> ClusterMoves::say(Cluster& to, Request request) {
  said_.push_back([&to, request] { (void)to.ask(request); });
  auto answer = to.ask(request);
  if (!answer || answer->error_code != ErrorCode::none) return std::nullopt;
  return std::move(*answer);
}

void ClusterMoves::repeat_something() {
  if (said_.empty()) return;
  const auto again = said_[stage_.random().below(said_.size())];
  again();
}

void ClusterMoves::ask_for(bool abandon) {
  kafka::SwitchoverWishRequest request;
  request.link = pair_.link();
  request.switchover_id = id_;
  request.abandon = abandon;
  (void)say(pair_.follower(), request);
}

void ClusterMoves::wish() {
  id_ = new_id();
  wish_again();
}

void ClusterMoves::wish_again() { ask_for(false); }
void ClusterMoves::give_up() { ask_for(true); }

void ClusterMoves::interrupt() {
  if (stage_.one_in(3)) pair_.disturb();
  if (stage_.one_in(4)) repeat_something();
  if (stage_.one_in(3)) stage_.run_between(milliseconds(0), milliseconds(300));
  if (stage_.one_in(5)) stage_.run_between(seconds(1), seconds(6));
}

bool ClusterMoves::await_drained(const kafka::FenceResponse& fenced) {
  kafka::DurableEndsRequest request;
  request.topic_ids = {fenced.topics.at(0).topic_id};
  for (int i = 0; i < 30 && stage_.content(); ++i) {
    const auto ends = pair_.follower().ask(request);
    const bool is_told = ends && ends->topics.size() == 1 &&
                         ends->topics[0].partitions.size() == fenced.topics[0].partitions.size();
    bool same = is_told;
    for (size_t p = 0; same && p < ends->topics[0].partitions.size(); ++p) {
      same = ends->topics[0].partitions[p].durable_end == fenced.topics[0].partitions[p].end_offset;
    }
    if (same) return true;
    stage_.world().run_for(milliseconds(100));
  }
  return false;
}

bool ClusterMoves::hand_over(const kafka::FenceResponse& fenced) {
  const auto target = pair_.follower().ask(kafka::DescribeSiteRequest{});
  if (!target) return false;
  kafka::HandOverRequest request;
  request.switchover_id = id_;
  request.link = pair_.link();
  request.target_id = target->cluster_id;
  request.target_number = target->number;
  for (const auto& topic : fenced.topics) {
    auto& out = request.topics.emplace_back();
    out.topic_id = topic.topic_id;
    for (const auto& p : topic.partitions) {
      out.partitions.push_back({p.index, p.end_offset, p.leader_epoch, p.number});
    }
  }
  for (const auto& broker : fenced.brokers) {
    auto& out = request.brokers.emplace_back();
    out.node_id = broker.node_id;
    out.number = broker.number;
    for (const auto& c : broker.coordinated) out.coordinated.push_back({c.index, c.leader_epoch});
  }
  return say(pair_.writer(), request).has_value();
}

void ClusterMoves::promote(const kafka::FenceResponse& fenced) {
  const auto source = pair_.writer().ask(kafka::DescribeSiteRequest{});
  const auto target = pair_.follower().ask(kafka::DescribeSiteRequest{});
  if (!source || !target) return;
  kafka::PromoteRequest request;
  request.switchover_id = id_;
  request.link = pair_.link();
  request.route_from = pair_.writer().name();
  request.source_id = source->cluster_id;
  request.source_number = source->number;
  request.target_id = target->cluster_id;
  request.target_number = target->number;
  request.topics.emplace();
  for (const auto& topic : fenced.topics) {
    auto& out = request.topics->emplace_back();
    out.topic_id = topic.topic_id;
    out.partitions.emplace();
    for (const auto& p : topic.partitions) out.partitions->push_back({p.index, p.end_offset});
  }
  (void)say(pair_.follower(), request);
}

void ClusterMoves::drive_by_hand() {
  wish();
  kafka::FenceRequest request;
  request.switchover_id = id_;
  request.link = pair_.link();
  request.deadline_ms = static_cast<int32_t>(stage_.random().between(500, 5000));
  request.topics = {"orders"};
  const auto fenced = say(pair_.writer(), request);
  if (stage_.one_in(2)) interrupt();
  if (!fenced || fenced->topics.size() != 1 || !await_drained(*fenced)) return give_up();
  interrupt();
  if (!hand_over(*fenced)) return give_up();
  interrupt();
  if (stage_.one_in(5)) return give_up();
  promote(*fenced);
}

void ClusterMoves::await_end() {
  SiteState writer, follower;
  for (int i = 0; i < 120 && stage_.content(); ++i) {
    stage_.world().run_for(seconds(1));
    writer = pair_.state(pair_.writer());
    follower = pair_.state(pair_.follower());
    if (!writer.at_rest || !follower.at_rest) continue;
    const bool stays = writer.writer == Writer::clients && follower.writer == Writer::link;
    const bool moved = writer.writer == Writer::link && follower.writer == Writer::clients;
    if (moved) pair_.swap();
    if (stays || moved) return pair_.check_onward();
  }
  if (!stage_.content()) return;
  stage_.judge().broken("a switchover ends, forward or back",
                        "writer " + std::to_string(static_cast<int>(writer.writer)) +
                            ", follower " + std::to_string(static_cast<int>(follower.writer)));
}

void ClusterMoves::succeed() {
  for (int i = 0; i < 5 && stage_.content(); ++i) {
    const Cluster* before = &pair_.writer();
    wish();
    await_end();
    if (&pair_.writer() != before) return;
  }
  if (stage_.content()) stage_.judge().broken("a calm switchover succeeds", pair_.link());
}

void ClusterMoves::lose_writer() {
  if (stage_.one_in(2)) {
    pair_.cut_from_mirrors(pair_.writer(), seconds(4));
    stage_.run_between(milliseconds(10), seconds(2));
    if (stage_.one_in(2)) stage_.stop_some_producers();
    stage_.run_between(milliseconds(0), seconds(1));
  }
  lose_all(stage_, pair_.writer());
}

void ClusterMoves::isolate_writer() {
  // Until calm() heals it.
  pair_.cut_from_mirrors(pair_.writer(), std::chrono::hours(1));
  stage_.run_between(milliseconds(10), seconds(2));
}

void ClusterMoves::fail_over() {
  kafka::PromoteRequest request;
  request.switchover_id = new_id();
  request.link = pair_.link();
  request.failover = true;
  request.route_from = pair_.writer().name();
  std::string trouble;
  pair_.step_judge().compare_sites(false);  // the lost one may have more
  for (int i = 0; i < 60 && stage_.content(); ++i) {
    if (i < 10 && stage_.one_in(4)) disturb(stage_, pair_.follower());
    const auto answer = pair_.follower().ask(request);
    pair_.follower().start_all();
    if (answer && answer->error_code == ErrorCode::none && !stage_.one_in(4)) {
      for (const auto& topic : answer->topics) {
        for (const auto& p : topic.partitions) promoted_at_[p.index] = p.end_offset;
      }
      lost_ = &pair_.writer();
      pair_.swap();
      stage_.destination().sites = pair_.writer().clients();
      return;
    }
    trouble = answer ? answer->error_message.value_or("") : answer.error().text;
    stage_.run_between(milliseconds(100), seconds(1));
  }
  if (stage_.content()) stage_.judge().broken("a failover succeeds", trouble);
}

// Longer than the fences last of a broker that dies on the way.
void ClusterMoves::bring_back() {
  std::string trouble = "no answer";
  pair_.step_judge().look_away(*lost_);
  for (int i = 0; i < 200 && stage_.content(); ++i) {
    if (i < 10 && stage_.one_in(4)) disturb(stage_, pair_.follower());
    const auto source = pair_.writer().ask(
        kafka::DescribeSiteRequest{.include_topics = true, .include_groups = false});
    kafka::EpochHistoryResponse::EpochHistoryTopic history;
    for (auto& [index, partition] : pair_.histories(pair_.writer(), history)) {
      history.partitions.push_back(partition);
    }
    const bool is_known = source && std::ssize(history.partitions) == ClusterPair::partitions;
    if (is_known) {
      const auto request = way_back_over(pair_.link(), pair_.reverse_link(), *source, history);
      const auto answer = pair_.follower().ask(request);
      if (answer && answer->error_code == ErrorCode::none && !stage_.one_in(4)) return;
      trouble = answer ? answer->error_message.value_or("") : answer.error().text;
    }
    pair_.follower().start_all();
    stage_.run_between(milliseconds(100), seconds(1));
  }
  if (stage_.content()) stage_.judge().broken("the way back succeeds", trouble);
}

std::vector<LogContents> ClusterMoves::exports(PartitionIndex index) {
  std::vector<LogContents> all;
  const auto described =
      lost_->ask(kafka::DescribeSiteRequest{.include_topics = true, .include_groups = false});
  for (const auto& topic : described ? described->topics : decltype(described->topics){}) {
    if (!topic.name.starts_with("orders.diverged.")) continue;
    auto log = lost_->read({topic.name, index});
    if (log) all.push_back(std::move(*log));
  }
  return all;
}

void ClusterMoves::check_nothing_unreported() {
  const auto ends = stage_.ledger().ends();
  for (PartitionIndex i = 0; i < ClusterPair::partitions && stage_.content(); ++i) {
    const TopicPartition partition{"orders", i};
    const auto log = pair_.writer().read(partition);
    const auto end = ends.find(partition);
    if (!log || end == ends.end()) continue;
    stage_.ledger().check_sanity(pair_.writer().name(), partition, *log, false);
    const auto saved = exports(i);
    for (const auto& lost : stage_.ledger().missing(partition, *log, end->second)) {
      const bool is_saved = std::ranges::any_of(saved, [&](const LogContents& contents) {
        const StoredRecord* record = contents.at(lost.offset);
        return record != nullptr && record->name == lost.name;
      });
      const std::string what = partition.to_string() + ": record " + lost.name.to_string() +
                               " of offset " + std::to_string(lost.offset);
      if (log->at(lost.offset) != nullptr) {
        stage_.judge().broken("an offset is not given out again", what);
      } else if (lost.offset < promoted_at_[i]) {
        stage_.judge().broken("a failover loses what it says, and no more",
                              what + ", and it said " + std::to_string(promoted_at_[i]));
      } else if (!is_saved) {
        stage_.judge().broken("what a failover loses is exported", what + " is nowhere");
      }
      if (!stage_.content()) return;
    }
  }
}

}  // namespace isthmus::sim
