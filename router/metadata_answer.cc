// Metadata: who leads what, put together from the clusters, at the router's addresses.
//
// Each topic is asked of its home only, and only there may asking create it: what another cluster
// has under the same name is a mirror, or nothing of ours.
#include <algorithm>
#include <set>

#include "kafka/gen/metadata.h"
#include "router/answers.h"
#include "router/fan_out.h"
#include "server/reply.h"

namespace isthmus::router {

namespace {

using kafka::ErrorCode;
using Topic = kafka::MetadataResponse::MetadataResponseTopic;
using AskedTopic = kafka::MetadataRequest::MetadataRequestTopic;
using MetadataPart = Part<kafka::MetadataRequest>;

// A client waits for this with everything else.
constexpr auto metadata_timeout = std::chrono::seconds(3);

bool asks_for_all(const kafka::MetadataRequest& request, int16_t version) {
  return !request.topics || (version == 0 && request.topics->empty());
}

MetadataPart& part_for(std::vector<MetadataPart>& parts, const std::string& cluster,
                       const kafka::MetadataRequest& like) {
  for (auto& part : parts) {
    if (part.place.cluster == cluster) return part;
  }
  kafka::MetadataRequest request;
  request.allow_auto_topic_creation = like.allow_auto_topic_creation;
  request.include_topic_authorized_operations = like.include_topic_authorized_operations;
  parts.push_back({{cluster}, std::move(request)});
  return parts.back();
}

// A topic that is asked for by an id of which we know no name is asked of all.
std::vector<MetadataPart> divide(const Picture& picture, const kafka::MetadataRequest& request,
                                 int16_t version) {
  std::vector<MetadataPart> parts;
  if (asks_for_all(request, version)) {
    for (const auto& [name, site] : picture.sites) {
      part_for(parts, name, request).request.topics = std::nullopt;
    }
    return parts;
  }
  for (const auto& topic : *request.topics) {
    const std::string* name = topic.name ? &*topic.name : picture.topic_name(topic.topic_id);
    if (name != nullptr) {
      const auto& home = picture.routes.home_of_topic(*name);
      part_for(parts, home, request).request.topics->push_back(topic);
      continue;
    }
    for (const auto& [cluster, site] : picture.sites) {
      part_for(parts, cluster, request).request.topics->push_back(topic);
    }
  }
  return parts;
}

// What is known of a topic whose home is away: it exists, and nobody leads it at present.
Topic without_leaders(const client::TopicInfo& info) {
  Topic topic;
  topic.name = info.name;
  topic.topic_id = info.id;
  topic.is_internal = info.internal;
  for (const auto& [index, partition] : info.partitions) {
    topic.partitions.push_back({ErrorCode::leader_not_available,
                                index,
                                -1,
                                partition.leader.epoch,
                                partition.replicas,
                                partition.in_sync,
                                {}});
  }
  return topic;
}

// A topic that vanished from the list while its cluster is away would look deleted to those who
// asked for all. But only the cluster knows what somebody may see: of it, a person is told nothing.
void add_topics_of_absent(const Picture& picture, const server::ConnectionContext& client,
                          const MetadataPart& part, std::vector<Topic>& out) {
  const Site* site = picture.site(part.place.cluster);
  const bool is_open = site != nullptr && !site->person(client);
  const client::Metadata* known = is_open ? &site->cluster().metadata() : nullptr;
  if (!part.request.topics) {
    if (known == nullptr) return;
    for (const auto& [name, info] : known->topics()) {
      const bool at_home = picture.routes.home_of_topic(name) == part.place.cluster;
      if (at_home) out.push_back(without_leaders(info));
    }
    return;
  }
  for (const auto& asked : *part.request.topics) {
    const std::string* name = asked.name ? &*asked.name : picture.topic_name(asked.topic_id);
    const auto* info = known == nullptr || name == nullptr ? nullptr : known->topic(*name);
    if (info != nullptr) {
      out.push_back(without_leaders(*info));
      continue;
    }
    Topic topic;
    topic.error_code = ErrorCode::leader_not_available;
    topic.name = asked.name;
    topic.topic_id = asked.topic_id;
    out.push_back(std::move(topic));
  }
}

bool is_asked_for_by_name(const kafka::MetadataRequest& request, const std::string& name) {
  return std::ranges::any_of(*request.topics,
                             [&](const auto& asked) { return asked.name == name; });
}

Topic moved_meanwhile(const Topic& from) {
  Topic topic;
  topic.error_code = ErrorCode::leader_not_available;
  topic.name = from.name;
  topic.topic_id = from.topic_id;
  topic.is_internal = from.is_internal;
  return topic;
}

// Of a list of all topics, those that are at home there. What was asked for by name gets an answer
// in any case: if its routes changed while we waited, the client shall ask again.
void add_topics(const Picture& picture, const MetadataPart& part, std::vector<Topic> from,
                std::vector<Topic>& out) {
  for (auto& topic : from) {
    const std::string* name = topic.name ? &*topic.name : picture.topic_name(topic.topic_id);
    if (name == nullptr || picture.routes.home_of_topic(*name) == part.place.cluster) {
      out.push_back(std::move(topic));
    } else if (part.request.topics && is_asked_for_by_name(part.request, *name)) {
      out.push_back(moved_meanwhile(topic));
    }
  }
}

// A leader that clients cannot be led to is none yet. False if there was one.
bool hide_unknown_leaders(const Picture& picture, Topic& topic) {
  bool all_known = true;
  for (auto& partition : topic.partitions) {
    const bool known = picture.virtual_cluster.node(partition.leader_id) != nullptr;
    if (partition.leader_id < 0 || known) continue;
    all_known = false;
    partition.leader_id = -1;
    partition.error_code = ErrorCode::leader_not_available;
  }
  return all_known;
}

// Asked of several clusters by id, a topic is unknown only if nobody knows it, and once.
void drop_needless_unknown_ids(std::vector<Topic>& topics) {
  const auto is_nameless = [](const Topic& topic) { return !topic.name || topic.name->empty(); };
  std::set<Uuid> answered;
  for (const auto& topic : topics) {
    if (!is_nameless(topic)) answered.insert(topic.topic_id);
  }
  std::erase_if(topics, [&](const Topic& topic) {
    return is_nameless(topic) && !answered.insert(topic.topic_id).second;
  });
}

}  // namespace

server::Reply Answers::metadata(server::Request request) {
  auto wire = server::decode_request<kafka::MetadataRequest>(request);
  if (!wire) co_return end_of(request, wire.error());
  // The old home may have answered as it was before a move: the new one is asked, so that no client
  // is told of a leader that leads no more.
  std::vector<MetadataPart> parts;
  const io::Instant deadline = loop_.now() + metadata_timeout;
  uint64_t routes = 0;
  do {
    routes = picture_.routes.changes();
    parts = divide(picture_, *wire, request.header.api_version);
    co_await ask_all(loop_, picture_, *request.connection, parts, deadline);
  } while (routes != picture_.routes.changes() && loop_.now() < deadline);

  kafka::MetadataResponse response;
  for (auto& part : parts) {
    if (!part.answer) {
      add_topics_of_absent(picture_, *request.connection, part, response.topics);
      continue;
    }
    Site& site = *picture_.site(part.place.cluster);
    site.learn(*part.answer);
    response.throttle_time_ms = std::max(response.throttle_time_ms, part.answer->throttle_time_ms);
    const size_t before = response.topics.size();
    add_topics(picture_, part, std::move(part.answer->topics), response.topics);
    for (size_t i = before; i < response.topics.size(); ++i) {
      if (!hide_unknown_leaders(picture_, response.topics[i])) site.look_again();
    }
  }
  drop_needless_unknown_ids(response.topics);
  for (const Node* node : listed_nodes(picture_)) {
    const io::Address here = picture_.virtual_cluster.advertised(*node);
    response.brokers.push_back({node->real.id, here.host, here.port, node->real.rack});
  }
  response.cluster_id = picture_.virtual_cluster.id();
  response.controller_id = controller_to_tell(picture_);
  co_return server::encode_response(request.header, response);
}

}  // namespace isthmus::router
