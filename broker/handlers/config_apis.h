// What DescribeConfigs and the two APIs that alter configs share.
#pragma once

#include <map>
#include <string>
#include <utility>

#include "broker/controller/topic_plans.h"
#include "broker/handlers/admin_work.h"
#include "kafka/gen/config_resource.h"

namespace isthmus::broker {

using kafka::ConfigResource;

// Changes a topic's configs; other resources are refused, saying where their options live.
io::Task<Result<void>> change_configs(Context& context, ConfigResource resource_type,
                                      std::string name, ConfigChanges changes, bool replace_all,
                                      bool validate_only, TopicChanges::Turn turn);

// Says in the log what was taken although it promises more than this cluster can do.
void warn_of_configs(const std::string& topic, const std::map<std::string, std::string>& configs);

// Alters each resource of the request by `change`, on the main loop:
//   Task<Result<void>> change(Context&, Resource, bool validate_only, TopicChanges::Turn)
template <typename Request, auto change>
io::Task<typename Request::Response> alter_on_main(Context& context, Request message) {
  typename Request::Response response;
  const auto turn = turn_of(context);
  for (auto& resource : message.resources) {
    auto& answer = response.responses.emplace_back();
    answer.resource_type = resource.resource_type;
    answer.resource_name = resource.resource_name;
    auto done = co_await change(context, std::move(resource), message.validate_only, turn);
    if (!done) refuse(answer, done.error());
  }
  co_return response;
}
template <typename Request, auto change>
io::Task<typename Request::Response> alter_each(Context& context, Request message,
                                                std::shared_ptr<server::ConnectionContext>) {
  auto response = co_await io::call_on(context.env.main_loop(),
                                       alter_on_main<Request, change>(context, std::move(message)));
  co_return response;
}

}  // namespace isthmus::broker
