// DescribeSite: what this cluster says of itself to mirrors, routers and the operator's commands.
#include "broker/link/link_service.h"

namespace isthmus::broker {

namespace {

using Response = kafka::DescribeSiteResponse;

void show(const SiteViews::Partition& view, Response::SitePartition& out) {
  out.leader_epoch = view.leader_epoch;
  out.start_offset = view.start_offset;
  out.high_watermark = view.high_watermark;
  out.end_offset = view.end_offset;
  out.last_batch_epoch = view.last_batch_epoch;
  out.source_end_offset = view.source_end_offset;
  out.source_age_ms = view.source_age_ms;
  out.lag_ms = view.lag_ms;
  out.offline = view.offline;
  if (!out.adding.empty()) out.bytes_to_go = view.bytes_to_go;
}

void add_identity(const Image& image, NodeId self, Response& out) {
  out.name = image.cluster_name;
  out.number = image.cluster_number;
  out.cluster_id = image.cluster_id.to_string();
  out.node_id = self;
  out.starts = image.starts.number;
  out.start_times = image.starts.times;
  out.route_version = image.routes.takeovers.version();
  kafka::put_takeovers(out.routes, image.routes.takeovers);
  for (const auto& [link, s] : image.switchovers) {
    out.switchovers.push_back(
        {link, s.id, s.phase, s.failover, s.route_version, s.peer.id, s.peer.number, ""});
  }
}

Response::SiteTopic topic_of(const TopicImage& topic, const Image& image) {
  Response::SiteTopic out;
  out.name = topic.name;
  out.topic_id = topic.id;
  kafka::put_writer(out, topic.writer, image.cluster_number);
  out.promoted_at = topic.promoted_at;
  for (const auto& [name, value] : topic.configs) out.configs.push_back({name, value});
  for (size_t i = 0; i < topic.partitions.size(); ++i) {
    auto& p = out.partitions.emplace_back();
    p.index = static_cast<PartitionIndex>(i);
    p.mirror_state = topic.partitions[i].mirror_state;
    p.mirror_reason = topic.partitions[i].mirror_reason;
    p.leader_epoch = epoch_in_force(topic.partitions[i], image);
    p.start_offset = p.high_watermark = p.end_offset = -1;  // unless its leader says more
    p.min_insync_replicas = min_insync_replicas(topic, topic.partitions[i]);
    p.elr = topic.partitions[i].elr;
    p.adding = topic.partitions[i].adding;
  }
  return out;
}

}  // namespace

io::Task<Response> LinkService::describe(kafka::DescribeSiteRequest request) {
  Response out;
  auto image = partitions_.image();
  add_identity(*image, controller_.self(), out);
  for (const auto& [name, link] : image->links) {
    auto& l = out.links.emplace_back();
    l.name = name;
    l.source_number = link.source_number;
    l.source_cluster_id = link.source_cluster_id;
    l.epoch = link.epoch;
    l.paused = link.paused;
    for (const auto& gone : link.forgotten) l.forgotten.push_back({gone.id, gone.number});
    if (auto left = left_out_.find(name); left != left_out_.end()) {
      l.left_out_count = left->second.count;
      for (const auto& t : left->second.topics) {
        l.left_out.push_back({t.name, t.selected, t.reason});
      }
    }
    if (auto told = access_.find(name); told != access_.end()) {
      for (const auto& a : told->second) {
        l.access.push_back({a.acls, a.users, a.quotas, a.waiting, a.problems});
      }
    }
    auto age = contact_age(name);
    if (age) l.contact_age_ms = std::chrono::duration_cast<io::milliseconds>(*age).count();
    const auto next = promised(name);
    if (next) l.next_within_ms = std::chrono::duration_cast<io::milliseconds>(*next).count();
  }
  if (!request.include_topics && !request.include_groups) co_return out;
  kafka::BrokerViewRequest wants;
  wants.all_topics = request.include_topics;
  wants.include_groups = request.include_groups;
  wants.include_lags = request.include_lags;
  wants.partitions_of = request.partitions_of;
  auto view = co_await views_.collect(std::move(wants));
  for (const auto& [node, why] : view.silent) out.silent.push_back({node, why});
  image = partitions_.image();
  if (request.include_topics) {
    for (const auto& [name, topic] : image->topics) {
      auto& t = out.topics.emplace_back(topic_of(*topic, *image));
      for (auto& p : t.partitions) {
        const auto found = view.partitions.find({t.topic_id, p.index});
        if (found != view.partitions.end()) {
          show(found->second, p);
        } else {
          p.offline = view.why_absent(topic->partitions[p.index].leader);
        }
      }
    }
  }
  for (auto& group : view.groups) {
    auto& g = out.groups.emplace_back();
    const auto owner = image->groups.find(group.name);
    if (owner != image->groups.end()) g.link = owner->second.link;
    g.name = std::move(group.name);
    g.wanted_by = std::move(group.wanted_by);
    g.lag_records = group.lag_records;
    g.lag_ms = group.lag_ms;
    for (auto& p : group.partitions) {
      g.partitions.push_back({std::move(p.topic), p.index, p.lag_records, p.lag_ms});
    }
  }
  co_return out;
}

}  // namespace isthmus::broker
