#include "mirror/source.h"

#include <set>

#include "client/describe_site.h"
#include "client/epoch_histories.h"
#include "kafka/topic_names.h"
#include "kafka/topic_writer.h"

namespace isthmus::mirror {

using kafka::ErrorCode;

namespace {

// What a copy must have in common with its source, or it keeps records for another time: a topic's
// key, and the broker's option that counts where the topic does not say.
const std::map<std::string, std::string>& copied_configs() {
  static const std::map<std::string, std::string> names = {
      {"cleanup.policy", "log.cleanup.policy"},
      {"max.message.bytes", "message.max.bytes"},
      {"message.timestamp.type", "log.message.timestamp.type"},
      {"retention.bytes", "log.retention.bytes"},
      {"retention.ms", "log.retention.ms"},
      {"segment.bytes", "log.segment.bytes"},
      {"segment.ms", "log.roll.ms"},
  };
  return names;
}

SourceTopic from_site(const kafka::DescribeSiteResponse::SiteTopic& topic) {
  SourceTopic out;
  out.name = topic.name;
  out.id = topic.topic_id;
  out.origin = topic.origin;
  out.link = topic.link;
  for (const auto& c : topic.configs) out.configs[c.name] = c.value;
  for (const auto& p : topic.partitions) out.leader_epochs.push_back(p.leader_epoch);
  return out;
}

}  // namespace

Source::Source(client::Cluster& cluster, std::string name_if_foreign) : cluster_(cluster) {
  identity_.name = std::move(name_if_foreign);
}

io::Task<Result<SourceIdentity>> Source::identify(io::Instant deadline) {
  auto connection = co_await cluster_.any(deadline);
  if (!connection) co_return fail(connection.error());
  auto private_api = static_cast<int16_t>(kafka::ApiKey::describe_site);
  identity_.foreign = !(*connection)->range_of(private_api).has_value();
  if (identity_.foreign) {
    auto refreshed = co_await cluster_.refresh(deadline);
    if (!refreshed) co_return fail(refreshed.error());
    identity_.cluster_id = cluster_.metadata().cluster_id();
    co_return identity_;
  }
  auto site = co_await describe(false, deadline);
  if (!site) co_return fail(site.error());
  identity_.name = site->name;
  identity_.number = site->number;
  identity_.cluster_id = site->cluster_id;
  co_return identity_;
}

io::Task<Result<kafka::DescribeSiteResponse>> Source::describe(bool topics, io::Instant deadline) {
  kafka::DescribeSiteRequest request;
  request.include_topics = topics;
  co_return co_await client::describe_site(cluster_, std::move(request), deadline);
}

io::Task<Result<std::vector<SourceTopic>>> Source::topics(io::Instant deadline) {
  if (identity_.foreign) {
    auto found = co_await foreign_topics(deadline);
    co_return found;
  }
  auto site = co_await describe(true, deadline);
  if (!site) co_return fail(site.error());
  auto inherited = co_await defaults(site->node_id, deadline);
  if (!inherited) co_return fail(inherited.error());
  latest_start_ = {site->starts, site->start_times.empty() ? 0 : site->start_times.back()};
  routes_ = kafka::takeovers_in(site->routes, site->route_version, site->name);
  std::vector<SourceTopic> all;
  for (const auto& topic : site->topics) {
    if (kafka::is_internal(topic.name) || kafka::writer_of(topic).is_aside()) continue;
    all.push_back(from_site(topic));
    for (const auto& [key, value] : *inherited) {
      if (!all.back().configs.contains(key)) all.back().inherited[key] = value;
    }
  }
  co_return all;
}

io::Task<Result<std::map<std::string, std::string>>> Source::defaults(NodeId node,
                                                                      io::Instant deadline) {
  client::Admin admin(cluster_);
  auto answer = co_await admin.describe_configs(kafka::ConfigResource::broker,
                                                {std::to_string(node)}, deadline);
  if (!answer) co_return fail(answer.error());
  std::map<std::string, std::string> found;
  for (const auto& result : answer->results) {
    // Without an answer copies would live under the target's own defaults.
    if (result.error_code != ErrorCode::none) {
      co_return fail(kafka::error_of(result.error_code, "the source's defaults are not told"));
    }
    for (const auto& config : result.configs) {
      for (const auto& [key, option] : copied_configs()) {
        if (config.name == option && config.value) found[key] = *config.value;
      }
    }
  }
  co_return found;
}

io::Task<Result<std::vector<SourceTopic>>> Source::foreign_topics(io::Instant deadline) {
  client::Admin admin(cluster_);
  auto answer = co_await admin.describe_topics(std::nullopt, deadline);
  if (!answer) co_return fail(answer.error());
  std::vector<SourceTopic> all;
  std::vector<std::string> names;
  for (const auto& topic : answer->topics) {
    if (topic.error_code != ErrorCode::none || topic.is_internal || !topic.name) continue;
    SourceTopic out;
    out.name = *topic.name;
    out.id = topic.topic_id;
    out.leader_epochs.resize(topic.partitions.size());
    for (const auto& p : topic.partitions) {
      if (p.partition_index >= 0 && p.partition_index < std::ssize(out.leader_epochs)) {
        out.leader_epochs[p.partition_index] = p.leader_epoch;
      }
    }
    names.push_back(out.name);
    all.push_back(std::move(out));
  }
  if (names.empty()) co_return all;
  auto configs = co_await admin.describe_configs(kafka::ConfigResource::topic, names, deadline);
  if (!configs) co_return fail(configs.error());
  std::map<std::string, SourceTopic*> by_name;
  for (auto& topic : all) by_name[topic.name] = &topic;
  for (const auto& result : configs->results) {
    const auto topic = by_name.find(result.resource_name);
    if (topic == by_name.end()) continue;
    if (result.error_code == ErrorCode::topic_authorization_failed) {
      co_return fail(kafka::error_of(result.error_code,
                                     "the configs of " + result.resource_name + " are not told"));
    }
    for (const auto& c : result.configs) {
      if (!c.value || !copied_configs().contains(c.name)) continue;
      const bool own = c.config_source == kafka::ConfigSource::topic;
      (own ? topic->second->configs : topic->second->inherited)[c.name] = *c.value;
    }
  }
  co_return all;
}

io::Task<Result<bool>> Source::is_gone(std::string topic, Uuid id, io::Instant deadline) {
  if (!identity_.foreign) co_return true;
  client::Admin admin(cluster_);
  std::vector<std::string> names = {std::move(topic)};
  auto answer = co_await admin.describe_topics(std::move(names), deadline);
  if (!answer) co_return fail(answer.error());
  if (answer->topics.size() != 1) co_return false;
  const auto& found = answer->topics[0];
  const bool is_another = !found.topic_id.is_zero() && found.topic_id != id;
  co_return found.error_code == ErrorCode::unknown_topic_or_partition ||
      (found.error_code == ErrorCode::none && is_another);
}

io::Task<Result<Source::OwnersOf>> Source::owners(std::string topic, size_t partitions, Uuid id,
                                                  io::Instant deadline) {
  OwnersOf all(partitions);
  if (identity_.foreign) {
    for (auto& one : all) one.emplace();
    co_return all;
  }
  const std::vector<std::string> names = {std::move(topic)};
  auto answer = co_await client::epoch_histories(cluster_, names, deadline);
  if (!answer) co_return fail(answer.error());
  for (const auto& t : answer->topics) {
    if (t.error_code == ErrorCode::none && t.topic_id != id) co_return fail("another topic now");
    for (const auto& p : t.partitions) {
      if (p.index < 0 || p.index >= std::ssize(all)) continue;
      auto& one = all[p.index].emplace();
      for (const auto& e : p.entries) one[e.epoch] = e.owner;
    }
  }
  co_return all;
}

}  // namespace isthmus::mirror
