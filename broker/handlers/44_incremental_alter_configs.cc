// IncrementalAlterConfigs (KIP-339): sets and deletes single keys.
#include "broker/handlers/config_apis.h"
#include "broker/handlers/handlers.h"
#include "kafka/gen/incremental_alter_configs.h"

namespace isthmus::broker {

namespace {

using kafka::ErrorCode;
using Operation = kafka::ConfigOperation;
using Resource = kafka::IncrementalAlterConfigsRequest::AlterConfigsResource;

Result<ConfigChanges> changes_of(const Resource& resource) {
  ConfigChanges changes;
  for (const auto& config : resource.configs) {
    switch (config.config_operation) {
      case Operation::set: changes[config.name] = config.value.value_or(""); break;
      case Operation::remove: changes[config.name] = std::nullopt; break;
      default:
        // The lists among our keys have few values: set them whole.
        return kafka::refuse(ErrorCode::invalid_request,
                             config.name + " can be set or deleted, not appended to");
    }
  }
  return changes;
}

io::Task<Result<void>> alter_one(Context& context, Resource resource, bool validate_only,
                                 TopicChanges::Turn turn) {
  auto changes = changes_of(resource);
  if (!changes) return io::ready(Result<void>(fail(changes.error())));
  return change_configs(context, resource.resource_type, std::move(resource.resource_name),
                        std::move(*changes), false, validate_only, turn);
}

}  // namespace

io::Task<server::Reply> incremental_alter_configs(Context& context, server::Request request) {
  using Request = kafka::IncrementalAlterConfigsRequest;
  return answer<Request, alter_each<Request, alter_one>>(context, std::move(request));
}

}  // namespace isthmus::broker
