// DescribeSite: what this cluster says of itself to mirrors, routers and the operator's commands.
#include "broker/group/coordinator.h"
#include "broker/link/link_service.h"

namespace isthmus::broker {

namespace {

using Response = kafka::DescribeSiteResponse;

void show(const PartitionView& view, io::Instant now, Response::SitePartition& out) {
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
}

void add_identity(const Image& image, Response& out) {
  out.name = image.cluster_name;
  out.number = image.cluster_number;
  out.cluster_id = image.cluster_id.to_string();
  out.node_id = image.node_id;
  out.starts = image.starts;
  out.start_times = image.start_times;
  out.route_version = image.routes.takeovers.version();
  kafka::put_takeovers(out.routes, image.routes.takeovers);
  for (const auto& [link, s] : image.switchovers) {
    out.switchovers.push_back(
        {link, s.id, s.phase, s.failover, s.route_version, s.peer.id, s.peer.number, ""});
  }
}

Response::SiteTopic topic_of(const TopicImage& topic, ClusterNumber self) {
  Response::SiteTopic out;
  out.name = topic.name;
  out.topic_id = topic.id;
  kafka::put_writer(out, topic.writer, self);
  out.promoted_at = topic.promoted_at;
  for (const auto& [name, value] : topic.configs) out.configs.push_back({name, value});
  for (size_t i = 0; i < topic.partitions.size(); ++i) {
    auto& p = out.partitions.emplace_back();
    p.index = static_cast<PartitionIndex>(i);
    p.mirror_state = topic.partitions[i].mirror_state;
    p.mirror_reason = topic.partitions[i].mirror_reason;
    p.start_offset = p.high_watermark = p.end_offset = -1;  // unless it is open here
  }
  return out;
}

}  // namespace

std::optional<io::Duration> LinkService::contact_age(const std::string& link) const {
  auto contact = last_contact_.find(link);
  if (contact == last_contact_.end()) return std::nullopt;
  return env_.main_loop().now() - contact->second.at;
}

std::optional<io::Duration> LinkService::promised(const std::string& link) const {
  auto contact = last_contact_.find(link);
  return contact == last_contact_.end() ? std::nullopt : contact->second.promised;
}

io::Task<Response> LinkService::describe(kafka::DescribeSiteRequest request) {
  Response out;
  auto image = controller_.snapshot();
  add_identity(*image, out);
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
    auto age = contact_age(name);
    if (age) l.contact_age_ms = std::chrono::duration_cast<io::milliseconds>(*age).count();
    const auto next = promised(name);
    if (next) l.next_within_ms = std::chrono::duration_cast<io::milliseconds>(*next).count();
  }
  if (request.include_topics) {
    for (const auto& [name, topic] : image->topics) {
      auto& t = out.topics.emplace_back(topic_of(*topic, image->cluster_number));
      for (auto& p : t.partitions) {
        auto partition = partitions_.find(name, p.index);
        if (auto outage = partition.outage()) p.offline = outage->reason;
        if (!partition) continue;
        const PartitionView view = co_await partition.describe();
        show(view, env_.main_loop().now(), p);
      }
    }
  }
  if (request.include_groups) {
    co_await groups_.loaded(env_.main_loop().now() + patience_for_groups);
    for (const auto& group : groups_.names()) {
      auto owner = image->groups.find(group);
      out.groups.push_back({group, owner == image->groups.end() ? "" : owner->second.link,
                            groups_.wanted_by(group).value_or("")});
    }
  }
  co_return out;
}

}  // namespace isthmus::broker
