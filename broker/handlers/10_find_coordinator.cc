// FindCoordinator: who leads the partition of __consumer_offsets that a group's name hashes to. The
// topic is made here, on first use.
#include "broker/coordinator/key_partition.h"
#include "broker/group/records.h"
#include "broker/handlers/handlers.h"
#include "broker/handlers/known_brokers.h"
#include "broker/handlers/topic_creation.h"
#include "kafka/gen/find_coordinator.h"

namespace isthmus::broker {

namespace {

using kafka::ErrorCode;

struct Found {
  ErrorCode error = ErrorCode::none;
  std::string message;
  KnownBroker broker = {};
};

Found not_found(ErrorCode error, std::string message = {}) { return {error, std::move(message)}; }

// Why nobody can be looked for, once for all keys.
io::Task<std::optional<Found>> make_ready(Context& context, kafka::CoordinatorType key_type) {
  if (key_type != kafka::CoordinatorType::group) {
    co_return not_found(ErrorCode::unsupported_version,
                        "this broker coordinates groups; transactions are not supported yet");
  }
  auto ready = co_await io::call_on(context.env.main_loop(), ensure_offsets_topic(context));
  if (!ready) co_return not_found(ErrorCode::coordinator_not_available, ready.error().text);
  co_return std::nullopt;
}

Found find(const Context& context, const std::string& group, const std::string& listener) {
  const auto image = context.image.load();
  const TopicImage* topic = image->find(offsets_topic);
  if (topic == nullptr) return not_found(ErrorCode::coordinator_not_available);
  const auto partitions = static_cast<int32_t>(topic->partitions.size());
  const auto index = static_cast<size_t>(partition_of_key(group, partitions));
  const NodeId leader = topic->partitions[index].leader;
  auto broker = known_broker(context, *image, listener, leader);
  if (!broker) {
    return not_found(ErrorCode::coordinator_not_available,
                     "nobody leads partition " + std::to_string(index) + " of __consumer_offsets");
  }
  return {.broker = std::move(*broker)};
}

template <typename Answer>
void fill(Answer& answer, const Found& found) {
  answer.error_code = found.error;
  if (!found.message.empty()) answer.error_message = found.message;
  answer.node_id = found.broker.node;
  answer.host = found.broker.address.host;
  answer.port = found.broker.address.port;
}

ErrorCode refusal(const Rights& rights, kafka::CoordinatorType type, const std::string& key) {
  using Request = kafka::FindCoordinatorRequest;
  constexpr auto of_group = kafka::need<Request>(AclOperation::describe, ResourceType::group);
  constexpr auto of_id =
      kafka::need<Request>(AclOperation::describe, ResourceType::transactional_id);
  if (type == kafka::CoordinatorType::group && !rights.may(of_group, key)) {
    return ErrorCode::group_authorization_failed;
  }
  if (type == kafka::CoordinatorType::transaction && !rights.may(of_id, key)) {
    return ErrorCode::transactional_id_authorization_failed;
  }
  return ErrorCode::none;
}

io::Task<kafka::FindCoordinatorResponse> answer_find(
    Context& context, kafka::FindCoordinatorRequest message,
    std::shared_ptr<server::ConnectionContext> connection, int16_t version) {
  constexpr int16_t asks_for_several = 4;
  if (version < asks_for_several) message.coordinator_keys = {message.key};
  const Rights rights = context.rights_of(*connection);
  bool is_ready = false;  // looked for when somebody may know
  std::optional<Found> not_ready;
  kafka::FindCoordinatorResponse response;
  for (const auto& key : message.coordinator_keys) {
    Found told;
    told.error = refusal(rights, message.key_type, key);
    if (told.error == ErrorCode::none) {
      if (!std::exchange(is_ready, true)) {
        not_ready = co_await make_ready(context, message.key_type);
      }
      told = not_ready ? *not_ready : find(context, key, connection->listener);
    }
    auto& coordinator = response.coordinators.emplace_back();
    coordinator.key = key;
    fill(coordinator, told);
    if (version < asks_for_several) fill(response, told);
  }
  co_return response;
}

}  // namespace

io::Task<server::Reply> find_coordinator(Context& context, server::Request request) {
  return answer<kafka::FindCoordinatorRequest, answer_find>(context, std::move(request));
}

}  // namespace isthmus::broker
