#include "broker/link/site_views.h"

#include <algorithm>
#include <iterator>

#include "broker/group/coordinator.h"
#include "kafka/topic_names.h"

namespace isthmus::broker {

namespace {

constexpr io::Duration patience = std::chrono::seconds(2);
constexpr io::Duration patience_with_the_silent = io::milliseconds(200);

SiteViews::Partition partition_of(const PartitionView& view, io::Instant now) {
  SiteViews::Partition out;
  out.leader_epoch = view.leader_epoch;
  out.start_offset = view.start_offset;
  out.high_watermark = view.high_watermark;
  out.end_offset = view.end_offset;
  out.last_batch_epoch = view.last_batch_epoch;
  out.source_end_offset = view.source.end_offset;
  if (const auto age = view.source.age(now)) {
    out.source_age_ms = std::chrono::duration_cast<io::milliseconds>(*age).count();
  }
  out.lag_ms = view.source.lag_ms;
  out.disk_full = view.disk_full;
  out.bytes_to_go = view.bytes_to_go;
  return out;
}

std::vector<std::shared_ptr<const TopicImage>> topics_of(const Image& image,
                                                         const kafka::BrokerViewRequest& request) {
  std::vector<std::shared_ptr<const TopicImage>> topics;
  if (request.all_topics) {
    for (const auto& [name, topic] : image.topics) topics.push_back(topic);
    return topics;
  }
  for (const Uuid& id : request.topic_ids) {
    const auto found = image.topics_by_id.find(id);
    if (found != image.topics_by_id.end()) topics.push_back(found->second);
  }
  return topics;
}

void add_leaders(const TopicImage& topic, std::set<NodeId>& nodes) {
  for (const PartitionImage& partition : topic.partitions) nodes.insert(partition.leader);
}

}  // namespace

SiteViews::SiteViews(io::Env& env, PartitionTable& partitions, Coordinator& groups,
                     Colleagues& colleagues)
    : env_(env),
      partitions_(partitions),
      groups_(groups),
      colleagues_(colleagues),
      lags_(env, colleagues.self(), partitions, groups) {}

std::string SiteViews::View::why_absent(NodeId leader) const {
  if (leader < 0) return "none of its brokers that may lead it is up";
  const auto found = silent.find(leader);
  return found == silent.end() ? "" : found->second;
}

io::Task<kafka::BrokerViewResponse> SiteViews::own(kafka::BrokerViewRequest request) {
  kafka::BrokerViewResponse out;
  const auto image = partitions_.image();
  const NodeId self = colleagues_.self();
  for (const auto& topic : topics_of(*image, request)) {
    kafka::BrokerViewResponse::ViewedTopic viewed;
    viewed.topic_id = topic->id;
    for (size_t i = 0; i < topic->partitions.size(); ++i) {
      if (topic->partitions[i].leader != self) continue;
      const auto index = static_cast<PartitionIndex>(i);
      const auto partition = partitions_.find(topic->name, index);
      Partition known;
      known.leader_epoch = epoch_in_force(topic->partitions[i], *image);
      if (partition) {
        const PartitionView view = co_await partition.describe();
        known = partition_of(view, env_.main_loop().now());
      }
      known.index = index;
      if (const auto outage = partition.outage()) known.offline = outage->reason;
      viewed.partitions.push_back(std::move(known));
    }
    if (!viewed.partitions.empty()) out.topics.push_back(std::move(viewed));
  }
  if (request.include_groups) co_await add_groups(request, out);
  co_return out;
}

io::Task<void> SiteViews::add_groups(const kafka::BrokerViewRequest& request,
                                     kafka::BrokerViewResponse& out) {
  out.groups_loaded = co_await groups_.loaded(env_.main_loop().now() + patience_for_groups);
  if (request.include_lags) co_await lags_.look();
  for (const std::string& group : groups_.names()) {
    Group& viewed = out.groups.emplace_back();
    viewed.name = group;
    viewed.wanted_by = groups_.wanted_by(group).value_or("");
    if (!request.include_lags) continue;
    const GroupLag::Total total = lags_.total_of(group);
    if (total.knows_records) viewed.lag_records = total.lag.records;
    if (total.knows_ms) viewed.lag_ms = total.lag.ms;
    const auto& wanted = request.partitions_of;
    if (std::ranges::find(wanted, group) == wanted.end()) continue;
    for (const auto& [partition, committed, lag] : lags_.of(group)) {
      viewed.partitions.push_back({partition.topic, partition.partition, lag.records, lag.ms});
    }
  }
  for (const auto& [index, epoch] : groups_.served()) out.coordinated.push_back({index, epoch});
}

io::Task<SiteViews::View> SiteViews::collect(kafka::BrokerViewRequest request) {
  View view;
  io::Gate all(env_.main_loop());
  for (const NodeId node : others_to_ask(request)) {
    all.spawn("ask for a view", add_other(node, request, view));
  }
  all.spawn("own view", add_own(std::move(request), view));
  co_await all.close();
  std::ranges::sort(view.groups, {}, &Group::name);
  co_return view;
}

io::Task<void> SiteViews::add_own(kafka::BrokerViewRequest request, View& view) {
  auto answer = co_await own(request);
  add(colleagues_.self(), request, std::move(answer), view);
}

io::Task<void> SiteViews::add_other(NodeId node, kafka::BrokerViewRequest request, View& view) {
  io::Duration time = request.include_groups ? patience + patience_for_groups : patience;
  if (silent_since_.contains(node)) time = patience_with_the_silent;
  auto answer = co_await colleagues_.ask(node, request, env_.main_loop().now() + time);
  std::string why;
  if (!answer) {
    why = answer.error().text;
  } else if (answer->error_code != kafka::ErrorCode::none) {
    why = std::string(kafka::error_name(answer->error_code));
  }
  if (!why.empty()) {
    silent_since_.try_emplace(node, env_.main_loop().now());
    view.silent[node] = std::move(why);
    co_return;
  }
  silent_since_.erase(node);
  add(node, request, std::move(*answer), view);
}

void SiteViews::add(NodeId from, const kafka::BrokerViewRequest& request,
                    kafka::BrokerViewResponse answer, View& view) const {
  const auto image = partitions_.image();
  for (auto& topic : answer.topics) {
    const TopicImage* known = image->find(topic.topic_id);
    if (known == nullptr) continue;
    for (auto& partition : topic.partitions) {
      const bool is_there = partition.index >= 0 && partition.index < std::ssize(known->partitions);
      if (!is_there || known->partitions[partition.index].leader != from) continue;
      view.partitions[{topic.topic_id, partition.index}] = std::move(partition);
    }
  }
  std::ranges::move(answer.groups, std::back_inserter(view.groups));
  for (const auto& c : answer.coordinated) view.coordinated.emplace_back(c.index, c.leader_epoch);
  if (request.include_groups && !answer.groups_loaded) {
    view.silent[from] = "broker " + std::to_string(from) + ": its groups are still being loaded";
  }
}

// Who leads something that is asked for. Nobody who is fenced does.
std::set<NodeId> SiteViews::others_to_ask(const kafka::BrokerViewRequest& request) const {
  std::set<NodeId> nodes;
  const auto image = partitions_.image();
  if (image->brokers.size() < 2) return nodes;
  for (const auto& topic : topics_of(*image, request)) add_leaders(*topic, nodes);
  const TopicImage* groups = image->find(kafka::offsets_topic);
  if (request.include_groups && groups != nullptr) add_leaders(*groups, nodes);
  nodes.erase(-1);
  nodes.erase(colleagues_.self());
  return nodes;
}

}  // namespace isthmus::broker
