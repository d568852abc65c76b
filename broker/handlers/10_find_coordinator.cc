// FindCoordinator: a cluster of one broker coordinates every group. The topic that the coordinator
// keeps its state in is made here, on first use.
#include "broker/handlers/handlers.h"
#include "broker/handlers/topic_creation.h"
#include "kafka/gen/find_coordinator.h"

namespace isthmus::broker {

namespace {

using kafka::ErrorCode;

struct Found {
  ErrorCode error = ErrorCode::none;
  std::string message;
  NodeId node = -1;
  io::Address address;
};

io::Task<Found> find(Context& context, kafka::CoordinatorType key_type, std::string listener) {
  Found found;
  if (key_type != kafka::CoordinatorType::group) {
    found.error = ErrorCode::unsupported_version;
    found.message = "this broker coordinates groups; transactions are not supported yet";
    co_return found;
  }
  auto ready = co_await io::call_on(context.env.main_loop(), ensure_offsets_topic(context));
  if (!ready) {
    found.error = ErrorCode::coordinator_not_available;
    found.message = ready.error().text;
    co_return found;
  }
  found.node = context.image.load()->node_id;
  found.address = context.advertised(listener);
  co_return found;
}

template <typename Answer>
void fill(Answer& answer, const Found& found) {
  answer.error_code = found.error;
  if (!found.message.empty()) answer.error_message = found.message;
  answer.node_id = found.node;
  answer.host = found.address.host;
  answer.port = found.address.port;
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
  std::optional<Found> found;  // the same for all: looked for when somebody may know
  kafka::FindCoordinatorResponse response;
  for (const auto& key : message.coordinator_keys) {
    Found refused;
    refused.error = refusal(rights, message.key_type, key);
    if (refused.error == ErrorCode::none && !found) {
      found = co_await find(context, message.key_type, connection->listener);
    }
    const Found& told = refused.error == ErrorCode::none ? *found : refused;
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
