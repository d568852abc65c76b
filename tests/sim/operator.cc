#include "tests/sim/operator.h"

#include <utility>

#include "kafka/batch.h"
#include "kafka/gen/create_topics.h"
#include "kafka/gen/delete_records.h"
#include "kafka/gen/fetch.h"
#include "kafka/gen/offset_fetch.h"
#include "kafka/topic_names.h"
#include "tests/sim/clients.h"

namespace isthmus::sim {

using kafka::ErrorCode;
using SitePartition = kafka::DescribeSiteResponse::SitePartition;

namespace {

// Beyond any recovery, and what a coordinator takes to load.
constexpr auto silence_ends_after = std::chrono::seconds(30);

bool is_silent(ErrorCode code) {
  return code == ErrorCode::coordinator_load_in_progress ||
         code == ErrorCode::coordinator_not_available || code == ErrorCode::not_coordinator;
}

const SitePartition* find(const kafka::DescribeSiteResponse& site, const TopicPartition& wanted) {
  for (const auto& topic : site.topics) {
    if (topic.name == wanted.topic)
      return &topic.partitions.at(static_cast<size_t>(wanted.partition));
  }
  return nullptr;
}

kafka::DescribeSiteRequest everything() {
  kafka::DescribeSiteRequest request;
  request.include_topics = true;
  request.include_groups = true;
  return request;
}

}  // namespace

Operator::Operator(SimWorld& world, Judge& judge, Ledger& ledger)
    : world_(world),
      judge_(judge),
      ledger_(ledger),
      process_(&world.add_host("operator").start_process()) {
  caller_ = &process_->make<Caller>(process_->env());
}

bool Operator::await_serving(Site& site) {
  const bool up = world_.run_until([&] { return site.serving(); }, std::chrono::minutes(2));
  if (!up) judge_.broken("a site comes back", site.name());
  return up;
}

bool Operator::all_online(Site& site) {
  auto described = describe(site);
  if (!described) return false;
  for (const auto& topic : described->topics) {
    for (const auto& partition : topic.partitions) {
      if (partition.start_offset < 0) return false;
    }
  }
  return true;
}

bool Operator::create_topic(Site& site, const std::string& name, int32_t partitions) {
  kafka::CreateTopicsRequest request;
  request.topics.push_back({.name = name,
                            .num_partitions = partitions,
                            .replication_factor = -1,
                            .assignments = {},
                            .configs = {}});
  auto answer = insist(site.clients(), request);
  if (!answer) return false;
  const ErrorCode code = answer->topics.at(0).error_code;
  const bool there = code == ErrorCode::none || code == ErrorCode::topic_already_exists;
  if (!there) judge_.broken("topics can be created", std::string(kafka::error_name(code)));
  if (there) seen_[site.name()][name] = static_cast<size_t>(partitions);
  return there;
}

void Operator::delete_records(Site& site, const TopicPartition& partition, Offset offset) {
  // From here on it may have happened, whatever the answer.
  ledger_.starts().deletion_asked(partition, offset);
  kafka::DeleteRecordsRequest request;
  request.topics.push_back({partition.topic, {{partition.partition, offset}}});
  (void)ask(site.clients(), request);
}

void Operator::check_topics(Site& site, const kafka::DescribeSiteResponse& described) {
  auto& seen = seen_[site.name()];
  std::map<std::string, size_t> there;
  for (const auto& topic : described.topics) there[topic.name] = topic.partitions.size();
  for (const auto& [name, partitions] : seen) {
    if (there[name] >= partitions) continue;
    judge_.broken("a topic that was there stays there",
                  site.name() + " has " + std::to_string(there[name]) + " of " +
                      std::to_string(partitions) + " partitions of " + name);
  }
  for (const auto& [name, partitions] : there) seen[name] = std::max(seen[name], partitions);
}

std::optional<kafka::DescribeSiteResponse> Operator::describe(Site& site) {
  auto described = insist(site.peers(), everything());
  if (described) check_topics(site, *described);
  return described;
}

std::optional<kafka::DescribeSiteResponse> Operator::glance(Site& site) {
  auto described = ask(site.peers(), everything());
  if (!described) return std::nullopt;
  check_topics(site, *described);
  return std::move(*described);
}

bool Operator::read_on(Site& site, const TopicPartition& partition, LogContents& log,
                       Offset& next) {
  kafka::FetchRequest request;
  request.max_bytes = 1 << 20;
  request.session_epoch = -1;
  auto& topic = request.topics.emplace_back();
  topic.topic = partition.topic;
  auto& part = topic.partitions.emplace_back();
  part.partition = partition.partition;
  part.fetch_offset = next;
  part.partition_max_bytes = 1 << 20;
  auto answer = insist(site.clients(), request, 12);
  if (!answer) return false;
  const auto& data = answer->responses.at(0).partitions.at(0);
  if (data.error_code == ErrorCode::offset_out_of_range && data.log_start_offset > next) {
    // Deleted meanwhile.
    log.start = next = data.log_start_offset;
    log.bytes.clear();
    log.records.clear();
    return true;
  }
  has_moved_ = site.is_of_several() && data.error_code == ErrorCode::not_leader_or_follower;
  if (has_moved_) return false;
  auto bytes = data.records.flatten();
  auto records = bytes ? records_in(*bytes, next) : std::nullopt;
  if (data.error_code != ErrorCode::none || !records) {
    judge_.broken(records ? "logs can be read" : "records are unchanged",
                  site.name() + " " + partition.to_string() + " at " + std::to_string(next) + ": " +
                      std::string(kafka::error_name(data.error_code)));
    return false;
  }
  if (data.high_watermark > next && records_end(*bytes, next) == next) {
    judge_.broken("who reads to the end arrives there",
                  site.name() + " " + partition.to_string() + ": nothing at " +
                      std::to_string(next) + ", the end is " + std::to_string(data.high_watermark));
    return false;
  }
  kafka::BatchIterator walk(*bytes, false);
  while (walk.next()) {
  }
  log.bytes.append(as_text(Bytes(*bytes).first(walk.position())));
  log.records.insert(log.records.end(), records->begin(), records->end());
  const Offset before = std::exchange(next, records_end(*bytes, next));
  return next > before;
}

std::optional<LogContents> Operator::read(Site& site, const TopicPartition& partition) {
  const Instant limit = world_.now() + silence_ends_after;
  for (;;) {
    auto all = describe(site);
    if (!all) return std::nullopt;
    const auto* p = find(*all, partition);
    if (p == nullptr) return std::nullopt;
    if (p->start_offset >= 0) return read_all_of(site, partition, *p);
    // It is being opened, beside the serving, or it is offline and says why.
    if (!p->offline.empty() || world_.now() > limit) {
      judge_.broken("partitions are online",
                    site.name() + " " + partition.to_string() + ": " + p->offline);
      return std::nullopt;
    }
    world_.run_for(std::chrono::milliseconds(20));
  }
}

std::optional<LogContents> Operator::read_all_of(Site& site, const TopicPartition& partition,
                                                 const SitePartition& ends) {
  LogContents log;
  log.start = ends.start_offset;
  log.high_watermark = ends.high_watermark;
  log.end = ends.end_offset;
  Offset next = log.start;
  has_moved_ = false;
  while (next < log.high_watermark && read_on(site, partition, log, next)) {
  }
  if (!judge_.content() || has_moved_) return std::nullopt;
  return log;
}

std::map<TopicPartition, LogContents> Operator::read_all(Site& site) {
  std::map<TopicPartition, LogContents> all;
  auto described = describe(site);
  if (!described) return all;
  for (const auto& topic : described->topics) {
    if (kafka::is_internal(topic.name)) continue;
    for (const auto& p : topic.partitions) {
      auto log = read(site, {topic.name, p.index});
      if (log) all[{topic.name, p.index}] = std::move(*log);
    }
  }
  return all;
}

std::optional<Offset> Operator::committed(Site& site, const std::string& group,
                                          const TopicPartition& partition) {
  kafka::OffsetFetchRequest request;
  request.group_id = group;
  request.topics.emplace().push_back({partition.topic, {partition.partition}});
  const Instant limit = world_.now() + silence_ends_after;
  for (;;) {
    auto answer = insist(site.clients(), request, 7);
    if (!answer) return std::nullopt;
    ErrorCode code = answer->error_code;
    Offset offset = -1;
    if (code == ErrorCode::none && !answer->topics.empty()) {
      const auto& found = answer->topics[0].partitions.at(0);
      code = found.error_code;
      offset = found.committed_offset;
    }
    if (code == ErrorCode::none) return offset;
    if (!is_silent(code) || world_.now() > limit) {
      judge_.broken("a coordinator that is up answers",
                    site.name() + " about " + group + ": " + std::string(kafka::error_name(code)));
      return std::nullopt;
    }
    world_.run_for(std::chrono::milliseconds(200));
  }
}

}  // namespace isthmus::sim
