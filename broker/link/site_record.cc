// SiteRecord and DurableEnds: what routers and drivers ask again and again, in small.
#include <algorithm>

#include "broker/link/link_service.h"

namespace isthmus::broker {

namespace {

constexpr auto longest_wait = std::chrono::seconds(30);

// Of the keys that the answer is made of; 0 = there are none yet. The store never gives out a
// version twice.
int64_t version_of(const Image& image) {
  int64_t version = std::max<int64_t>(0, image.routes.version);
  for (const auto& [link, s] : image.switchovers) version = std::max(version, s.version);
  return version;
}

kafka::SiteRecordResponse record_in(const Image& image) {
  kafka::SiteRecordResponse out;
  out.version = version_of(image);
  out.name = image.cluster_name;
  out.number = image.cluster_number;
  out.cluster_id = image.cluster_id.to_string();
  out.route_version = image.routes.takeovers.version();
  kafka::put_takeovers(out.routes, image.routes.takeovers);
  for (const auto& [link, s] : image.switchovers) {
    out.switchovers.push_back({link, s.id, s.phase, s.failover, s.route_version});
  }
  return out;
}

}  // namespace

// Routers send clients here as soon as they are told, so they are told when the partitions know,
// too: a client that comes earlier would be refused as at a mirror.
io::Task<kafka::SiteRecordResponse> LinkService::record(kafka::SiteRecordRequest request) {
  io::Loop& loop = env_.main_loop();
  const io::Duration wait = io::milliseconds(std::max(0, request.max_wait_ms));
  const io::Instant deadline = loop.now() + std::min<io::Duration>(wait, longest_wait);
  io::Event& settled = controller_.settled();
  while (version_of(*controller_.heard()) == request.known_version && !settled.closed() &&
         loop.now() < deadline) {
    co_await settled.wait_until(deadline);
  }
  co_return record_in(*controller_.heard());
}

io::Task<kafka::DurableEndsResponse> LinkService::ends(kafka::DurableEndsRequest request) {
  kafka::DurableEndsResponse out;
  kafka::BrokerViewRequest wants;
  wants.topic_ids = request.topic_ids;
  const auto view = co_await views_.collect(std::move(wants));
  const auto image = partitions_.image();
  for (const Uuid& id : request.topic_ids) {
    const TopicImage* topic = image->find(id);
    if (topic == nullptr) continue;
    auto& ends = out.topics.emplace_back();
    ends.topic_id = id;
    if (const auto* link = topic->writer.link()) ends.link = link->name;
    ends.partitions.resize(topic->partitions.size());
    for (size_t i = 0; i < ends.partitions.size(); ++i) {
      auto& p = ends.partitions[i];
      p.index = static_cast<PartitionIndex>(i);
      const auto found = view.partitions.find({id, p.index});
      if (found == view.partitions.end()) {
        p.offline = view.why_absent(topic->partitions[i].leader);
        continue;
      }
      p.offline = found->second.offline;
      p.end_offset = found->second.end_offset;
      p.durable_end = found->second.high_watermark;
    }
  }
  co_return out;
}

}  // namespace isthmus::broker
