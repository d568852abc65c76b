#include "broker/handlers/config_apis.h"

#include <algorithm>

#include "base/log.h"
#include "broker/controller/broker_config_plans.h"
#include "broker/controller/topic_config.h"
#include "broker/link/switchovers.h"

namespace isthmus::broker {

using kafka::ErrorCode;

io::Task<Result<void>> change_configs(Context& context, ConfigResource resource_type,
                                      std::string name, ConfigChanges changes, bool replace_all,
                                      bool validate_only, TopicChanges::Turn turn) {
  if (resource_type == ConfigResource::broker) {
    auto decide = [&](const Image& image) {
      return plan_broker_configs(image, name, changes, replace_all);
    };
    if (validate_only) co_return context.controller.check(decide);
    auto changed = co_await context.controller.update(decide);
    co_return changed;
  }
  if (resource_type != ConfigResource::topic) {
    co_return kafka::refuse(ErrorCode::invalid_request,
                            "only topics and brokers have configs here");
  }
  auto decide = [&](const Image& image) { return plan_configs(image, name, changes, replace_all); };
  if (validate_only) co_return context.controller.check(decide);
  auto done = co_await context.switchovers.topic_changes().make(decide, turn);
  auto image = context.controller.snapshot();
  const TopicImage* topic = image->find(name);
  if (done && topic != nullptr) warn_of_configs(*topic);
  co_return done;
}

void warn_of_configs(const TopicImage& topic) {
  size_t replicas = 1;
  for (const auto& partition : topic.partitions) {
    replicas = std::max(replicas, partition.replicas.size());
  }
  for (const auto& warning : config_warnings(topic.configs, static_cast<int32_t>(replicas))) {
    Logger(LogComponent::controller, "topics").warn("topic={} {}", topic.name, warning);
  }
}

}  // namespace isthmus::broker
