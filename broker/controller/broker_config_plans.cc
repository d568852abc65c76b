#include "broker/controller/broker_config_plans.h"

#include <charconv>

#include "kafka/errors.h"

namespace isthmus::broker {

using kafka::ErrorCode;

namespace {

// Between the directories of one broker, where nothing is moved.
constexpr const char* log_dirs_rate_key = "replica.alter.log.dirs.io.max.bytes.per.second";

int64_t* rate_of(BrokerImage& broker, const std::string& key) {
  if (key == leader_rate_key) return &broker.leader_rate;
  return key == follower_rate_key ? &broker.follower_rate : nullptr;
}

std::optional<int64_t> number_in(const std::string& text) {
  int64_t number = -1;
  const char* last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, number);
  if (error != std::errc() || end != last || number < 0) return std::nullopt;
  return number;
}

std::optional<NodeId> known_broker(const Image& image, const std::string& name) {
  const auto number = number_in(name);
  if (!number || *number > INT32_MAX) return std::nullopt;
  const auto node = static_cast<NodeId>(*number);
  return image.brokers.contains(node) ? std::optional(node) : std::nullopt;
}

}  // namespace

Result<Plan> plan_broker_configs(const Image& image, const std::string& broker,
                                 const ConfigChanges& changes, bool replace_all) {
  const auto node = known_broker(image, broker);
  if (!node) {
    return kafka::refuse(ErrorCode::invalid_request,
                         "no broker " + broker +
                             " is registered here; what is for all brokers "
                             "stands in their YAML files");
  }
  BrokerImage next = image.brokers.at(*node);
  if (replace_all) next.leader_rate = next.follower_rate = -1;
  for (const auto& [key, value] : changes) {
    int64_t* rate = rate_of(next, key);
    const bool is_removal_in_vain = !value && key == log_dirs_rate_key;
    if (rate == nullptr && !is_removal_in_vain) {
      return kafka::refuse(ErrorCode::invalid_request,
                           key +
                               " is not changed at run time: a broker's options stand in its "
                               "YAML file");
    }
    if (rate == nullptr) continue;
    const auto number = value ? number_in(*value) : std::optional<int64_t>(-1);
    if (!number) {
      return kafka::refuse(ErrorCode::invalid_config,
                           key + " is a number of bytes in a second, not \"" + *value + "\"");
    }
    *rate = *number;
  }
  Plan plan;
  const BrokerImage& now = image.brokers.at(*node);
  const bool is_same =
      next.leader_rate == now.leader_rate && next.follower_rate == now.follower_rate;
  if (!is_same) plan.put_broker(*node, next);
  return plan;
}

}  // namespace isthmus::broker
