// DescribeSite: what this cluster says of itself to mirrors, routers and the operator's commands.
#include "broker/group/coordinator.h"
#include "broker/link/link_service.h"

namespace isthmus::broker {

namespace {

using Response = kafka::DescribeSiteResponse;

io::Task<void> look(std::shared_ptr<Partition> partition, Response::SitePartition& out) {
  Log& log = partition->log();
  out.leader_epoch = partition->leader_epoch();
  out.start_offset = log.start_offset();
  out.high_watermark = partition->high_watermark();
  out.end_offset = log.end_offset();
  out.last_batch_epoch = log.epochs().latest();
  out.source_end_offset = partition->source().end_offset;
  out.lag_ms = partition->source().lag_ms;
  co_return;
}

void add_identity(const Image& image, Response& out) {
  out.name = image.cluster_name;
  out.number = image.cluster_number;
  out.cluster_id = image.cluster_id.to_string();
  out.node_id = image.node_id;
  out.route_version = image.routes.route_version;
  for (const auto& [from, to] : image.routes.taken_over) out.routes.push_back({from, to});
  for (const auto& [link, s] : image.switchovers) {
    out.switchovers.push_back(
        {link, s.id, static_cast<int8_t>(s.phase), s.failover, s.route_version});
  }
}

Response::SiteTopic topic_of(const TopicImage& topic) {
  Response::SiteTopic out;
  out.name = topic.name;
  out.topic_id = topic.id;
  out.origin = topic.origin;
  out.link = topic.link;
  out.closed_by = topic.closed_by.value_or(Uuid{});
  out.moved_away = topic.moved_away;
  for (const auto& [name, value] : topic.configs) out.configs.push_back({name, value});
  for (size_t i = 0; i < topic.partitions.size(); ++i) {
    auto& p = out.partitions.emplace_back();
    p.index = static_cast<PartitionIndex>(i);
    p.mirror_state = static_cast<int8_t>(topic.partitions[i].mirror_state);
    p.mirror_reason = topic.partitions[i].mirror_reason;
    p.start_offset = p.high_watermark = p.end_offset = -1;  // unless it is open here
  }
  return out;
}

}  // namespace

io::Task<Response> LinkService::describe(kafka::DescribeSiteRequest request) {
  Response out;
  auto image = controller_.snapshot();
  add_identity(*image, out);
  io::Instant now = env_.main_loop().now();
  for (const auto& [name, link] : image->links) {
    auto& l = out.links.emplace_back();
    l.name = name;
    l.source_number = link.source_number;
    l.source_cluster_id = link.source_cluster_id;
    l.epoch = link.epoch;
    auto contact = last_contact_.find(name);
    if (contact == last_contact_.end()) continue;
    l.contact_age_ms = std::chrono::duration_cast<io::milliseconds>(now - contact->second).count();
  }
  if (request.include_topics) {
    for (const auto& [name, topic] : image->topics) {
      auto& t = out.topics.emplace_back(topic_of(*topic));
      for (auto& p : t.partitions) {
        auto partition = partitions_.find(name, p.index);
        if (!partition) continue;
        io::Loop& loop = partition->loop();
        co_await io::call_on(loop, look(std::move(partition), p));
      }
    }
  }
  if (request.include_groups) {
    for (const auto& group : groups_.names()) {
      auto owner = image->groups.find(group);
      out.groups.push_back({group, owner == image->groups.end() ? "" : owner->second.link,
                            groups_.wanted_by(group).value_or("")});
    }
  }
  co_return out;
}

}  // namespace isthmus::broker
