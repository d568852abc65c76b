#include "client/admin.h"

#include <algorithm>
#include <charconv>

namespace isthmus::client {

namespace {

using kafka::ErrorCode;

// Whether `items` say that the controller is elsewhere.
bool names_other_controller(const auto& items) {
  return std::ranges::any_of(
      items, [](const auto& item) { return item.error_code == ErrorCode::not_controller; });
}
bool wrong_controller(const kafka::CreateTopicsResponse& r) {
  return names_other_controller(r.topics);
}
bool wrong_controller(const kafka::DeleteTopicsResponse& r) {
  return names_other_controller(r.responses);
}
bool wrong_controller(const kafka::CreatePartitionsResponse& r) {
  return names_other_controller(r.results);
}
bool wrong_controller(const kafka::IncrementalAlterConfigsResponse& r) {
  return names_other_controller(r.responses);
}

// Asks the controller, and the next one if it says that it is not.
template <typename Request>
Answer<typename Request::Response> ask_controller(Cluster& cluster, Request request,
                                                  io::Instant deadline) {
  for (;;) {
    auto response = co_await cluster.call_controller(request, deadline);
    if (!response || !wrong_controller(*response)) co_return response;
    cluster.metadata().forget_controller();
    auto refreshed = co_await cluster.refresh_after_pause(deadline);
    if (!refreshed) co_return response;
  }
}

// How long the broker may take: what is left, as the protocol's milliseconds.
int32_t milliseconds_until(const Cluster& cluster, io::Instant deadline) {
  const auto left = std::chrono::ceil<io::milliseconds>(deadline - cluster.loop().now()).count();
  return static_cast<int32_t>(std::clamp<int64_t>(left, 1, INT32_MAX));
}

}  // namespace

Answer<kafka::MetadataResponse> Admin::describe_topics(
    std::optional<std::vector<std::string>> names, io::Instant deadline) {
  kafka::MetadataRequest request;
  request.allow_auto_topic_creation = false;
  if (names) {
    for (auto& name : *names) request.topics->emplace_back().name = std::move(name);
  } else {
    request.topics = std::nullopt;
  }
  return cluster_.call_any(std::move(request), deadline);
}

Answer<kafka::CreateTopicsResponse> Admin::create_topics(kafka::CreateTopicsRequest request,
                                                         io::Instant deadline) {
  request.timeout_ms = milliseconds_until(cluster_, deadline);
  return ask_controller(cluster_, std::move(request), deadline);
}

Answer<kafka::DeleteTopicsResponse> Admin::delete_topics(std::vector<std::string> names,
                                                         io::Instant deadline) {
  // Early versions take names, later ones names or ids; only what a version has is sent.
  kafka::DeleteTopicsRequest request;
  request.timeout_ms = milliseconds_until(cluster_, deadline);
  for (const auto& name : names) request.topics.emplace_back().name = name;
  request.topic_names = std::move(names);
  return ask_controller(cluster_, std::move(request), deadline);
}

Answer<kafka::CreatePartitionsResponse> Admin::create_partitions(
    kafka::CreatePartitionsRequest request, io::Instant deadline) {
  request.timeout_ms = milliseconds_until(cluster_, deadline);
  return ask_controller(cluster_, std::move(request), deadline);
}

Answer<kafka::DescribeConfigsResponse> Admin::describe_configs(ConfigResource type,
                                                               std::vector<std::string> names,
                                                               io::Instant deadline) {
  kafka::DescribeConfigsRequest request;
  for (const auto& name : names) {
    auto& resource = request.resources.emplace_back();
    resource.resource_type = type;
    resource.resource_name = name;
    resource.configuration_keys = std::nullopt;
  }
  NodeId node = -1;
  if (type == ConfigResource::broker && names.size() == 1) {
    std::from_chars(names[0].data(), names[0].data() + names[0].size(), node);
  }
  if (node >= 0) return cluster_.call_node(node, std::move(request), deadline);
  return cluster_.call_any(std::move(request), deadline);
}

Answer<kafka::IncrementalAlterConfigsResponse> Admin::alter_configs(
    kafka::IncrementalAlterConfigsRequest request, io::Instant deadline) {
  return ask_controller(cluster_, std::move(request), deadline);
}

}  // namespace isthmus::client
