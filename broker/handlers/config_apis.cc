#include "broker/handlers/config_apis.h"

#include "base/log.h"
#include "broker/controller/topic_config.h"
#include "broker/link/switchovers.h"

namespace isthmus::broker {

using kafka::ErrorCode;

io::Task<Result<void>> change_configs(Context& context, ConfigResource resource_type,
                                      std::string name, ConfigChanges changes, bool replace_all,
                                      bool validate_only, TopicChanges::Turn turn) {
  if (resource_type != ConfigResource::topic) {
    co_return kafka::refuse(ErrorCode::invalid_request,
                            "only topics are configured here; a broker's options stand in its "
                            "YAML file");
  }
  auto decide = [&](const Image& image) { return plan_configs(image, name, changes, replace_all); };
  if (validate_only) co_return context.controller.check(decide);
  auto done = co_await context.switchovers.topic_changes().make(decide, turn);
  auto image = context.controller.snapshot();
  const TopicImage* topic = image->find(name);
  if (done && topic != nullptr) warn_of_configs(name, topic->configs);
  co_return done;
}

void warn_of_configs(const std::string& topic, const std::map<std::string, std::string>& configs) {
  constexpr int32_t replicas = 1;
  for (const auto& warning : config_warnings(configs, replicas)) {
    Logger("topics").warn("topic={} {}", topic, warning);
  }
}

}  // namespace isthmus::broker
