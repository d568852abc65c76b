#include "broker/handlers/config_apis.h"

namespace isthmus::broker {

using kafka::ErrorCode;

io::Task<Result<void>> change_configs(Context& context, ConfigResource resource_type,
                                      std::string name, ConfigChanges changes, bool replace_all,
                                      bool validate_only) {
  if (resource_type != ConfigResource::topic) {
    co_return kafka::refuse(ErrorCode::invalid_request,
                            "only topics are configured here; a broker's options stand in its "
                            "YAML file");
  }
  auto decide = [&](const Image& image) { return plan_configs(image, name, changes, replace_all); };
  if (validate_only) co_return context.controller.check(decide);
  auto done = co_await context.controller.update(decide);
  co_return done;
}

}  // namespace isthmus::broker
