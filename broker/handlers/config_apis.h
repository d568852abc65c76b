// What DescribeConfigs and the two APIs that alter configs share.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "broker/controller/topic_plans.h"
#include "broker/handlers/admin_work.h"
#include "kafka/gen/config_resource.h"
#include "kafka/permission.h"

namespace isthmus::broker {

using kafka::ConfigResource;

// Changes a topic's configs, or the few of a broker that are not its YAML's.
io::Task<Result<void>> change_configs(Context& context, ConfigResource resource_type,
                                      std::string name, ConfigChanges changes, bool replace_all,
                                      bool validate_only, TopicChanges::Turn turn);

// What says no to `operation` on the configs of a resource, if that is what `rights` say. Brokers,
// their loggers and what else has no type of its own belong to the cluster.
template <typename Request, AclOperation operation>
std::optional<Error> not_authorized(const Rights& rights, ConfigResource type,
                                    const std::string& name) {
  const auto refusal = [](kafka::ErrorCode code) {
    return kafka::error_of(code, "not authorized for these configs");
  };
  constexpr auto of_topic = kafka::need<Request>(operation, ResourceType::topic);
  constexpr auto of_group = kafka::need<Request>(operation, ResourceType::group);
  constexpr auto of_cluster = kafka::need<Request>(operation, ResourceType::cluster);
  if (type == ConfigResource::topic) {
    if (rights.may(of_topic, name)) return std::nullopt;
    return refusal(kafka::ErrorCode::topic_authorization_failed);
  }
  if (type == ConfigResource::group) {
    if (rights.may(of_group, name)) return std::nullopt;
    return refusal(kafka::ErrorCode::group_authorization_failed);
  }
  if (rights.may_on_cluster(of_cluster)) return std::nullopt;
  return refusal(kafka::ErrorCode::cluster_authorization_failed);
}

// Says in the log what was taken although it promises more than this cluster can do.
void warn_of_configs(const TopicImage& topic);

// Alters each resource of the request by `change`, on the main loop:
//   Task<Result<void>> change(Context&, Resource, bool validate_only, TopicChanges::Turn)
template <typename Request, auto change>
io::Task<typename Request::Response> alter_on_main(Context& context, Request message,
                                                   Rights rights) {
  typename Request::Response response;
  const auto turn = turn_of(context);
  for (auto& resource : message.resources) {
    auto& answer = response.responses.emplace_back();
    answer.resource_type = resource.resource_type;
    answer.resource_name = resource.resource_name;
    const auto refusal = not_authorized<Request, AclOperation::alter_configs>(
        rights, resource.resource_type, resource.resource_name);
    if (refusal) {
      refuse(answer, *refusal);
      continue;
    }
    auto done = co_await change(context, std::move(resource), message.validate_only, turn);
    if (!done) refuse(answer, done.error());
  }
  co_return response;
}
template <typename Request, auto change>
io::Task<typename Request::Response> alter_each(Context& context, Request message,
                                                std::shared_ptr<server::ConnectionContext> from) {
  auto work = alter_on_main<Request, change>(context, std::move(message), context.rights_of(*from));
  auto response = co_await io::call_on(context.env.main_loop(), std::move(work));
  co_return response;
}

}  // namespace isthmus::broker
