// AlterConfigs: replaces all overrides of a topic. Old tools use it; IncrementalAlterConfigs is its
// successor.
#include "broker/handlers/config_apis.h"
#include "broker/handlers/handlers.h"
#include "kafka/gen/alter_configs.h"

namespace isthmus::broker {

namespace {

using Resource = kafka::AlterConfigsRequest::AlterConfigsResource;

io::Task<Result<void>> alter_one(Context& context, Resource resource, bool validate_only,
                                 TopicChanges::Turn turn) {
  ConfigChanges changes;
  for (const auto& config : resource.configs) {
    if (config.value) changes[config.name] = config.value;
  }
  return change_configs(context, resource.resource_type, std::move(resource.resource_name),
                        std::move(changes), true, validate_only, turn);
}

}  // namespace

io::Task<server::Reply> alter_configs(Context& context, server::Request request) {
  using Request = kafka::AlterConfigsRequest;
  return answer<Request, alter_each<Request, alter_one>>(context, std::move(request));
}

}  // namespace isthmus::broker
