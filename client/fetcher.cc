#include "client/fetcher.h"

#include <algorithm>
#include <set>
#include <unordered_map>
#include <utility>

namespace isthmus::client {

namespace {

using kafka::ErrorCode;

// Topic ids replace names from here on (KIP-516).
constexpr int16_t last_version_with_names = 12;
constexpr auto refresh_timeout = std::chrono::seconds(10);

// Errors that say no more than "ask again, perhaps elsewhere".
bool is_about_leadership(ErrorCode error) {
  switch (error) {
    case ErrorCode::not_leader_or_follower:
    case ErrorCode::leader_not_available:
    case ErrorCode::replica_not_available:
    case ErrorCode::fenced_leader_epoch:
    case ErrorCode::unknown_leader_epoch:
    case ErrorCode::unknown_topic_or_partition:
    case ErrorCode::unknown_topic_id:
    case ErrorCode::inconsistent_topic_id:
    case ErrorCode::offset_not_available: return true;
    default: return false;
  }
}

}  // namespace

Fetcher::Fetcher(Cluster& cluster, FetchSink& sink, FetchOptions options)
    : cluster_(cluster),
      sink_(sink),
      options_(options),
      loop_(cluster.loop()),
      gate_(loop_),
      homeless_(loop_),
      ahead_wanted_(loop_) {
  gate_.spawn("fetch leaders", find_leaders());
  if (options_.read_ahead_bytes > 0) gate_.spawn("fetch ahead", run_ahead());
}

Fetcher::~Fetcher() = default;

io::Task<void> Fetcher::close() {
  closing_ = true;
  homeless_.close();
  ahead_wanted_.close();
  for (auto& [leader, source] : sources_) source->changed.close();
  co_await gate_.close();
}

void Fetcher::want(const TopicPartition& partition, FetchPosition position, const Uuid& topic_id) {
  Entry& entry = entries_[partition];
  if (entry.topic_id != topic_id) entry = {};
  entry.position = position;
  entry.topic_id = topic_id;
  entry.wish = next_wish_++;
  entry.wanted = true;
  entry.in_flight = entry.astray = entry.denied = false;
  cluster_.add_interest(partition.topic);
  if (entry.ahead && entry.ahead->pieces.wanted() != position.offset) entry.ahead.reset();
  if (!entry.ahead) return wake(partition);
  is_ahead_wanted_ = true;
  ahead_wanted_.notify_all();
}

void Fetcher::forget(const TopicPartition& partition) { entries_.erase(partition); }

void Fetcher::go_on() {
  if (closing_ || !std::exchange(is_held_up_, false)) return;
  for (auto& [leader, source] : sources_) source->changed.notify_all();
}

void Fetcher::wake(const TopicPartition& partition) {
  if (closing_) return;
  const auto leader = cluster_.metadata().leader_of(partition);
  if (!leader || leader->node < 0) return homeless_.notify_all();
  source_of(leader->node).changed.notify_all();
}

void Fetcher::wake_all() {
  for (const auto& [partition, entry] : entries_) {
    if (entry.wanted && !entry.in_flight) wake(partition);
  }
}

Fetcher::Source& Fetcher::source_of(NodeId leader) {
  auto& source = sources_[leader];
  if (!source) {
    source = std::make_unique<Source>(loop_);
    for (int i = 0; i < options_.requests_per_leader; ++i) {
      gate_.spawn("fetch lane", run_lane(leader, *source, options_.first_lane + i));
    }
  }
  return *source;
}

bool Fetcher::is_homeless(const TopicPartition& partition) const {
  const auto leader = cluster_.metadata().leader_of(partition);
  return !leader || leader->node < 0;
}

io::Task<void> Fetcher::find_leaders() {
  while (!closing_) {
    const bool some_homeless = std::ranges::any_of(entries_, [this](const auto& item) {
      return item.second.wanted && (item.second.astray || is_homeless(item.first));
    });
    if (some_homeless) {
      co_await look_for_news();
    } else {
      co_await homeless_.wait();
    }
  }
}

io::Task<void> Fetcher::look_for_news() {
  auto refreshed = co_await cluster_.refresh_after_pause(loop_.now() + refresh_timeout);
  if (cluster_.closing()) closing_ = true;
  if (!refreshed || closing_) co_return;
  for (auto& [partition, entry] : entries_) entry.astray = false;
  tell_denied();
  tell_homeless();
  wake_all();
}

void Fetcher::tell_homeless() {
  std::vector<Fetched> all;
  for (const auto& [partition, entry] : entries_) {
    if (!entry.wanted || !is_homeless(partition)) continue;
    auto& fetched = all.emplace_back();
    fetched.partition = partition;
    fetched.asked_offset = entry.position.offset;
    fetched.error = ErrorCode::leader_not_available;
  }
  for (Fetched& fetched : all) sink_.on_fetched(std::move(fetched));  // may change entries_
}

// Where the metadata still name the topic that is meant, its leader may be starting, or they are
// old: it is asked again.
void Fetcher::tell_denied() {
  std::vector<Fetched> all;
  for (auto& [partition, entry] : entries_) {
    if (!std::exchange(entry.denied, false) || !entry.wanted) continue;
    const TopicInfo* now = cluster_.metadata().topic(partition.topic);
    if (now == nullptr || now->id.is_zero() || now->id == entry.topic_id) continue;
    entry.wanted = false;
    auto& fetched = all.emplace_back();
    fetched.partition = partition;
    fetched.asked_offset = entry.position.offset;
    fetched.error = ErrorCode::unknown_topic_id;
  }
  for (Fetched& fetched : all) sink_.on_fetched(std::move(fetched));  // may change entries_
}

void Fetcher::deny(const Asked& asked) {
  const auto found = entries_.find(asked.partition);
  if (closing_ || found == entries_.end() || found->second.wish != asked.wish) return;
  found->second.in_flight = false;
  found->second.astray = found->second.denied = true;
  homeless_.notify_all();
}

io::Task<void> Fetcher::run_lane(NodeId leader, Source& source, Cluster::Lane lane) {
  while (!closing_) {
    const std::vector<Asked> asked = take_wanted(leader, source);
    if (asked.empty()) {
      co_await source.changed.wait();
      continue;
    }
    const bool answered = co_await fetch_once(leader, source, asked, lane);
    put_back(asked);
    if (!answered && !closing_) co_await look_for_news();
  }
}

std::vector<Fetcher::Asked> Fetcher::take_wanted(NodeId leader, Source& source) {
  std::vector<Asked> asked;
  if (!sink_.has_room()) {
    is_held_up_ = true;
    return asked;
  }
  for (auto& [partition, entry] : entries_) {
    if (!entry.wanted || entry.in_flight || entry.astray || entry.ahead) continue;
    const auto known = cluster_.metadata().leader_of(partition);
    if (!known || known->node != leader) continue;
    entry.in_flight = true;
    const bool meant = !entry.topic_id.is_zero();
    const Uuid id = meant ? entry.topic_id : cluster_.metadata().topic(partition.topic)->id;
    asked.push_back({partition, entry.position, entry.wish, known->epoch, id, loop_.now(), meant});
  }
  // A broker fills an answer from its first partition on: each gets its turn to be the first.
  if (!asked.empty()) {
    std::ranges::rotate(asked,
                        asked.begin() + static_cast<ptrdiff_t>(source.turn++ % asked.size()));
  }
  return asked;
}

kafka::FetchRequest Fetcher::request_for(const std::vector<Asked>& asked) const {
  kafka::FetchRequest request;
  request.max_wait_ms = static_cast<int32_t>(options_.max_wait.count());
  request.min_bytes = options_.min_bytes;
  request.max_bytes = options_.max_bytes;
  request.isolation_level = options_.read_committed ? 1 : 0;
  for (const Asked& one : asked) {
    if (request.topics.empty() || request.topics.back().topic != one.partition.topic) {
      auto& topic = request.topics.emplace_back();
      topic.topic = one.partition.topic;
      topic.topic_id = one.topic_id;
    }
    auto& partition = request.topics.back().partitions.emplace_back();
    partition.partition = one.partition.partition;
    partition.current_leader_epoch = one.epoch;
    partition.fetch_offset = one.position.offset;
    partition.last_fetched_epoch = one.position.last_fetched_epoch;
    partition.partition_max_bytes = options_.max_partition_bytes;
  }
  return request;
}

int16_t Fetcher::at_most_for(const std::vector<Asked>& asked) {
  const bool all_have_ids =
      std::ranges::none_of(asked, [](const Asked& one) { return one.topic_id.is_zero(); });
  return all_have_ids ? INT16_MAX : last_version_with_names;
}

io::Task<Result<Fetcher::Ids>> Fetcher::ask_ids(std::shared_ptr<Connection> connection,
                                                const std::vector<Asked>& asked,
                                                io::Instant deadline) {
  kafka::MetadataRequest request;
  request.allow_auto_topic_creation = false;
  request.topics.emplace();
  std::set<std::string> names;
  for (const Asked& one : asked) {
    if (!one.meant || !names.insert(one.partition.topic).second) continue;
    request.topics->emplace_back().name = one.partition.topic;
  }
  Ids ids;
  if (names.empty()) co_return ids;
  auto answer = co_await connection->call(std::move(request), deadline);
  if (!answer) co_return fail(answer.error());
  for (const auto& topic : answer->topics) {
    if (topic.name && topic.error_code == ErrorCode::none) ids[*topic.name] = topic.topic_id;
  }
  co_return ids;
}

io::Task<bool> Fetcher::fetch_once(NodeId leader, Source& source, const std::vector<Asked>& asked,
                                   Cluster::Lane lane) {
  const io::Instant deadline = loop_.now() + options_.max_wait + options_.request_timeout;
  auto connection = co_await cluster_.try_node(leader, deadline, lane);
  if (!connection) co_return false;
  const io::Instant begun = loop_.now();
  auto response = co_await (*connection)->call(request_for(asked), deadline, at_most_for(asked));
  const io::Duration took = loop_.now() - begun;
  if (!response || response->error_code != ErrorCode::none) co_return false;
  source.fastest = std::min(source.fastest, took);
  // A topic that was deleted is gone from the leader's metadata before it serves another one.
  const auto version = (*connection)->version_for(kafka::ApiKey::fetch, at_most_for(asked));
  const bool by_name = version.value_or(0) <= last_version_with_names;
  Ids ids;
  if (by_name) {
    auto told = co_await ask_ids(*connection, asked, deadline);
    if (!told) co_return false;
    ids = std::move(*told);
  }
  for (const auto& node : response->node_endpoints) {
    cluster_.metadata().learn_broker(
        {node.node_id, {node.host, static_cast<uint16_t>(node.port)}, node.rack});
  }
  std::unordered_map<TopicPartition, const Asked*> by_partition;
  std::unordered_map<Uuid, const std::string*> names;
  for (const Asked& one : asked) {
    by_partition.emplace(one.partition, &one);
    names.emplace(one.topic_id, &one.partition.topic);
  }
  std::vector<Full> full;
  for (auto& topic : response->responses) {
    const auto named = names.find(topic.topic_id);
    if (!by_name && named == names.end()) continue;
    const std::string& name = by_name ? topic.topic : *named->second;
    for (auto& answer : topic.partitions) {
      const auto found = by_partition.find({name, answer.partition_index});
      if (found == by_partition.end()) continue;
      const Asked& one = *found->second;
      const auto id = ids.find(name);
      const bool is_another =
          by_name && one.meant && (id == ids.end() || id->second != one.topic_id);
      if (is_another) {
        deny(one);
        continue;
      }
      if (!(by_name && one.meant)) note_full(one, answer, full);
      deliver(one, answer);
    }
  }
  if (!full.empty() && !closing_) {
    begin_ahead(leader, full, took, std::min(source.fastest, (*connection)->round_trip()));
  }
  co_return true;
}

// What was asked for and is neither delivered nor asked for anew is wanted as before.
void Fetcher::put_back(const std::vector<Asked>& asked) {
  for (const Asked& one : asked) {
    const auto entry = entries_.find(one.partition);
    if (entry != entries_.end() && entry->second.wish == one.wish) entry->second.in_flight = false;
  }
}

void Fetcher::deliver(const Asked& asked, PartitionData& answer) {
  const auto found = entries_.find(asked.partition);
  if (closing_ || found == entries_.end() || found->second.wish != asked.wish) return;
  Entry& entry = found->second;
  const bool is_unknown = answer.error_code == ErrorCode::unknown_topic_id ||
                          answer.error_code == ErrorCode::inconsistent_topic_id;
  if (asked.meant && is_unknown) return deny(asked);
  if (is_about_leadership(answer.error_code)) {
    const LeaderInfo said{answer.current_leader.leader_id, answer.current_leader.leader_epoch};
    const bool learned = said.node >= 0 && cluster_.metadata().learn_leader(asked.partition, said);
    entry.in_flight = false;
    entry.astray = !learned;
    if (learned) return wake(asked.partition);
    return homeless_.notify_all();
  }
  const bool ends_wish = answer.error_code != ErrorCode::none || !answer.records.empty() ||
                         answer.diverging_epoch.epoch >= 0;
  if (ends_wish) entry.wanted = false;
  if (ends_wish || is_news(entry, answer)) tell(entry, asked, answer);
}

bool Fetcher::is_news(const Entry& entry, const PartitionData& answer) const {
  const bool long_ago =
      options_.tell_again_after && loop_.now() - entry.told_at >= *options_.tell_again_after;
  return long_ago || answer.high_watermark != entry.told_high_watermark ||
         answer.log_start_offset != entry.told_log_start;
}

void Fetcher::tell(Entry& entry, const Asked& asked, PartitionData& answer) {
  Fetched fetched;
  fetched.partition = asked.partition;
  fetched.asked_offset = asked.position.offset;
  fetched.asked_at = asked.at;
  fetched.error = answer.error_code;
  if (!answer.records.empty()) fetched.records = *answer.records.flatten();  // is in memory
  fetched.high_watermark = answer.high_watermark;
  fetched.last_stable_offset = answer.last_stable_offset;
  fetched.log_start_offset = answer.log_start_offset;
  fetched.leader_epoch = asked.epoch;
  if (answer.diverging_epoch.epoch >= 0) {
    fetched.diverging = {answer.diverging_epoch.epoch, answer.diverging_epoch.end_offset};
  }
  if (answer.error_code == ErrorCode::none) {
    entry.told_high_watermark = answer.high_watermark;
    entry.told_log_start = answer.log_start_offset;
    entry.told_at = loop_.now();
  }
  sink_.on_fetched(std::move(fetched));
}

}  // namespace isthmus::client
