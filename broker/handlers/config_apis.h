// What DescribeConfigs and the two APIs that alter configs share.
#pragma once

#include <string>

#include "broker/controller/topic_plans.h"
#include "broker/handlers/context.h"

namespace isthmus::broker {

// ConfigResource.Type of Kafka.
enum class ConfigResource : int8_t { topic = 2, broker = 4, broker_logger = 8, group = 32 };

// Changes a topic's configs; other resources are refused, saying where their options live.
io::Task<Result<void>> change_configs(Context& context, int8_t resource_type, std::string name,
                                      ConfigChanges changes, bool replace_all, bool validate_only);

}  // namespace isthmus::broker
