// AlterConfigs: replaces all overrides of a topic. Old tools use it; IncrementalAlterConfigs is its
// successor.
#include "broker/handlers/config_apis.h"
#include "broker/handlers/handlers.h"
#include "kafka/gen/alter_configs.h"

namespace isthmus::broker {

using kafka::ErrorCode;

io::Task<Result<void>> change_configs(Context& context, int8_t resource_type, std::string name,
                                      ConfigChanges changes, bool replace_all, bool validate_only) {
  if (resource_type != static_cast<int8_t>(ConfigResource::topic)) {
    co_return fail(Error::kafka(static_cast<int>(ErrorCode::invalid_request),
                                "only topics are configured here; a broker's options stand in its "
                                "YAML file"));
  }
  auto decide = [&](const Image& image) { return plan_configs(image, name, changes, replace_all); };
  if (validate_only) {
    auto plan = decide(context.controller.image());
    if (!plan) co_return fail(plan.error());
    co_return Result<void>{};
  }
  auto done = co_await context.controller.update(decide);
  co_return done;
}

namespace {

io::Task<kafka::AlterConfigsResponse> alter_all(Context& context,
                                                kafka::AlterConfigsRequest message,
                                                std::shared_ptr<server::ConnectionContext>) {
  kafka::AlterConfigsResponse response;
  for (const auto& resource : message.resources) {
    ConfigChanges changes;
    for (const auto& config : resource.configs) {
      if (config.value) changes[config.name] = config.value;
    }
    auto done =
        co_await io::call_on(context.env.main_loop(),
                             change_configs(context, resource.resource_type, resource.resource_name,
                                            std::move(changes), true, message.validate_only));
    auto& answer = response.responses.emplace_back();
    answer.resource_type = resource.resource_type;
    answer.resource_name = resource.resource_name;
    if (done) continue;
    answer.error_code = error_code(done.error());
    answer.error_message = done.error().text;
  }
  co_return response;
}

}  // namespace

io::Task<server::Reply> alter_configs(Context& context, server::Request request) {
  return answer<kafka::AlterConfigsRequest, alter_all>(context, std::move(request));
}

}  // namespace isthmus::broker
