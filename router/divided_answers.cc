// What is done to topics and configurations: each item goes to the cluster that is home to it, and
// the results come back as one answer.
#include <charconv>
#include <map>

#include "kafka/gen/alter_configs.h"
#include "kafka/gen/create_partitions.h"
#include "kafka/gen/create_topics.h"
#include "kafka/gen/delete_topics.h"
#include "kafka/gen/describe_configs.h"
#include "kafka/gen/incremental_alter_configs.h"
#include "router/answers.h"
#include "router/fan_out.h"
#include "server/reply.h"

namespace isthmus::router {

namespace {

using kafka::ErrorCode;

// Within the time-out of Kafka's own tools.
constexpr auto division_timeout = std::chrono::seconds(25);
// A move may take an item elsewhere while its home is asked.
constexpr int most_homes = 2;

Place home_of(const Picture& picture, const std::string& topic) {
  return {picture.routes.home_of_topic(topic), Asked::controller};
}

// A broker's resource is named by its id; the empty name means all brokers of a cluster.
template <typename Resource>
std::optional<Place> place_of_resource(const Picture& picture, const Resource& resource) {
  if (resource.resource_type == kafka::ConfigResource::topic)
    return home_of(picture, resource.resource_name);
  const bool of_broker = resource.resource_type == kafka::ConfigResource::broker ||
                         resource.resource_type == kafka::ConfigResource::broker_logger;
  const std::string& name = resource.resource_name;
  if (!of_broker || name.empty()) return Place{picture.routes.default_home(), Asked::controller};
  NodeId id = -1;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), id);
  const bool is_number = error == std::errc{} && end == name.data() + name.size();
  const Node* node = is_number ? picture.virtual_cluster.node(id) : nullptr;
  if (node == nullptr) return std::nullopt;
  return Place{node->cluster, Asked::node, id};
}

// Division<Request> says of one API: its items, where each goes (nullopt: nowhere, it does not
// exist), its results, what an item and its result have in common, and the result of an item that
// got no answer.
template <typename Request>
struct Division;

template <>
struct Division<kafka::CreateTopicsRequest> {
  static auto key(const auto& either) { return either.name; }
  static auto& items(auto& request) { return request.topics; }
  static auto& results(auto& response) { return response.topics; }
  static std::optional<Place> place(const Picture& picture, const auto& item) {
    return home_of(picture, item.name);
  }
  static auto failed(const auto& item, ErrorCode error, const std::string& why) {
    kafka::CreateTopicsResponse::CreatableTopicResult result;
    result.name = item.name;
    result.error_code = error;
    result.error_message = why;
    return result;
  }
};

template <>
struct Division<kafka::DeleteTopicsRequest> {
  static auto key(const auto& either) { return either.name.value_or(""); }
  static auto& items(auto& request) { return request.topics; }
  static auto& results(auto& response) { return response.responses; }
  static std::optional<Place> place(const Picture& picture, const auto& item) {
    const std::string* name = item.name ? &*item.name : picture.topic_name(item.topic_id);
    if (name == nullptr) return std::nullopt;
    return home_of(picture, *name);
  }
  static auto failed(const auto& item, ErrorCode error, const std::string& why) {
    const bool by_id = !item.name && error == ErrorCode::resource_not_found;
    return kafka::DeleteTopicsResponse::DeletableTopicResult{
        item.name, item.topic_id, by_id ? ErrorCode::unknown_topic_id : error, why};
  }
};

template <>
struct Division<kafka::CreatePartitionsRequest> {
  static auto key(const auto& either) { return either.name; }
  static auto& items(auto& request) { return request.topics; }
  static auto& results(auto& response) { return response.results; }
  static std::optional<Place> place(const Picture& picture, const auto& item) {
    return home_of(picture, item.name);
  }
  static auto failed(const auto& item, ErrorCode error, const std::string& why) {
    return kafka::CreatePartitionsResponse::CreatePartitionsTopicResult{item.name, error, why};
  }
};

struct ResourceDivision {
  static auto key(const auto& either) {
    return std::pair(either.resource_type, either.resource_name);
  }
  static auto& items(auto& request) { return request.resources; }
  static std::optional<Place> place(const Picture& picture, const auto& item) {
    return place_of_resource(picture, item);
  }
};

template <>
struct Division<kafka::DescribeConfigsRequest> : ResourceDivision {
  static auto& results(auto& response) { return response.results; }
  static auto failed(const auto& item, ErrorCode error, const std::string& why) {
    return kafka::DescribeConfigsResponse::DescribeConfigsResult{
        error, why, item.resource_type, item.resource_name, {}};
  }
};

template <typename Request>
struct AlterDivision : ResourceDivision {
  static auto& results(auto& response) { return response.responses; }
  static auto failed(const auto& item, ErrorCode error, const std::string& why) {
    using Result = typename Request::Response::AlterConfigsResourceResponse;
    return Result{error, why, item.resource_type, item.resource_name};
  }
};

template <>
struct Division<kafka::AlterConfigsRequest> : AlterDivision<kafka::AlterConfigsRequest> {};
template <>
struct Division<kafka::IncrementalAlterConfigsRequest>
    : AlterDivision<kafka::IncrementalAlterConfigsRequest> {};

// Nothing was sent to a cluster that is away; what was sent and not answered may have taken effect.
ErrorCode error_of(const Picture& picture, const Place& place) {
  const Site* site = picture.site(place.cluster);
  const bool was_asked = site != nullptr && site->reachable();
  return was_asked ? ErrorCode::request_timed_out : ErrorCode::broker_not_available;
}

}  // namespace

// Each item to its home; their results into `response`. What a home has sent away because a move
// took it elsewhere is given back, to be asked there. On error the only broker that was asked has
// died over it: whether it took effect the client finds out by asking again, as at a broker.
template <typename Request, typename Items>
io::Task<Result<Items>> Answers::ask_homes(const server::ConnectionContext& client, Request like,
                                           Items items, typename Request::Response& response) {
  using Of = Division<Request>;
  std::map<Place, Request> by_place;
  for (const auto& item : items) {
    const auto place = Of::place(picture_, item);
    if (!place) {
      Of::results(response).push_back(
          Of::failed(item, ErrorCode::resource_not_found, "no cluster knows it"));
      continue;
    }
    auto& part = by_place.try_emplace(*place, like).first->second;
    Of::items(part).push_back(item);
    if constexpr (requires { part.topic_names; }) {
      if (item.name) part.topic_names.push_back(*item.name);
    }
  }
  std::vector<Part<Request>> parts;
  for (auto& [place, part] : by_place) parts.push_back({place, std::move(part)});
  const io::Instant deadline = loop_.now() + division_timeout;
  co_await ask_all(loop_, picture_, client, parts, deadline);
  Items moved;
  for (auto& part : parts) {
    if (!part.answer) {
      const bool is_all = parts.size() == 1 && Of::results(response).empty();
      if (is_all && is_lost(part.answer.error(), deadline)) co_return fail(part.answer.error());
      const ErrorCode error = error_of(picture_, part.place);
      for (const auto& item : Of::items(part.request)) {
        Of::results(response).push_back(Of::failed(item, error, part.answer.error().text));
      }
      continue;
    }
    response.throttle_time_ms = std::max(response.throttle_time_ms, part.answer->throttle_time_ms);
    for (auto& result : Of::results(*part.answer)) {
      if (result.error_code == ErrorCode::not_controller) {
        picture_.site(part.place.cluster)->cluster_for(client).metadata().forget_controller();
        const auto key = [](const auto& item) { return Of::key(item); };
        const auto& asked = Of::items(part.request);
        const auto item = std::ranges::find(asked, Of::key(result), key);
        if (item != asked.end() && Of::place(picture_, *item) != part.place) {
          moved.push_back(*item);
          continue;
        }
      }
      Of::results(response).push_back(std::move(result));
    }
  }
  co_return moved;
}

template <typename Request>
server::Reply Answers::divided(server::Request request) {
  using Of = Division<Request>;
  auto wire = server::decode_request<Request>(request);
  if (!wire) co_return end_of(request, wire.error());
  if constexpr (requires { wire->topic_names; }) {  // DeleteTopics before version 6
    for (auto& name : wire->topic_names) wire->topics.push_back({std::move(name), {}});
    wire->topic_names.clear();
  }
  typename Request::Response response;
  auto items = std::exchange(Of::items(*wire), {});
  for (int homes = 0; !items.empty() && homes < most_homes; ++homes) {
    auto moved = co_await ask_homes(*request.connection, *wire, std::move(items), response);
    if (!moved) co_return end_of(request, moved.error());
    items = std::move(*moved);
  }
  for (const auto& item : items) {
    Of::results(response).push_back(Of::failed(item, ErrorCode::not_controller, "it moves about"));
  }
  co_return server::encode_response(request.header, response);
}

server::Reply Answers::create_topics(server::Request request) {
  return divided<kafka::CreateTopicsRequest>(std::move(request));
}
server::Reply Answers::delete_topics(server::Request request) {
  return divided<kafka::DeleteTopicsRequest>(std::move(request));
}
server::Reply Answers::create_partitions(server::Request request) {
  return divided<kafka::CreatePartitionsRequest>(std::move(request));
}
server::Reply Answers::describe_configs(server::Request request) {
  return divided<kafka::DescribeConfigsRequest>(std::move(request));
}
server::Reply Answers::alter_configs(server::Request request) {
  return divided<kafka::AlterConfigsRequest>(std::move(request));
}
server::Reply Answers::incremental_alter_configs(server::Request request) {
  return divided<kafka::IncrementalAlterConfigsRequest>(std::move(request));
}

}  // namespace isthmus::router
