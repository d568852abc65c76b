// InitProducerId: an id for an idempotent producer. With an id and epoch of its own a producer asks
// for the next epoch (KIP-360), which a producer without transactions gets as a new id.
#include "broker/handlers/handlers.h"
#include "kafka/gen/init_producer_id.h"

namespace isthmus::broker {

namespace {

using kafka::ErrorCode;

using Request = kafka::InitProducerIdRequest;

ErrorCode refusal(const Rights& rights, const std::optional<std::string>& transactional_id) {
  constexpr auto to_transact =
      kafka::need<Request>(AclOperation::write, ResourceType::transactional_id);
  constexpr auto to_be_idempotent =
      kafka::need<Request>(AclOperation::idempotent_write, ResourceType::cluster);
  constexpr auto to_write = kafka::need<Request>(AclOperation::write, ResourceType::topic);
  if (transactional_id) {
    return rights.may(to_transact, *transactional_id)
               ? ErrorCode::none
               : ErrorCode::transactional_id_authorization_failed;
  }
  // Who may write anything at all may do so idempotently (KIP-679).
  const bool may = rights.may_on_cluster(to_be_idempotent) || rights.may_on_any(to_write);
  return may ? ErrorCode::none : ErrorCode::cluster_authorization_failed;
}

io::Task<kafka::InitProducerIdResponse> allocate(
    Context& context, Request message, std::shared_ptr<server::ConnectionContext> connection) {
  kafka::InitProducerIdResponse response;
  response.producer_id = -1;
  response.producer_epoch = -1;
  response.error_code = refusal(context.rights_of(*connection), message.transactional_id);
  if (response.error_code != ErrorCode::none) co_return response;
  if (message.transactional_id) {
    response.error_code = ErrorCode::unsupported_version;
    co_return response;
  }
  Controller& controller = context.controller;
  auto id = co_await io::call_on(context.env.main_loop(), controller.allocate_producer_id());
  if (!id) {
    response.error_code = error_code(id.error());
    co_return response;
  }
  response.producer_id = *id;
  response.producer_epoch = 0;
  co_return response;
}

}  // namespace

io::Task<server::Reply> init_producer_id(Context& context, server::Request request) {
  return answer<Request, allocate>(context, std::move(request));
}

}  // namespace isthmus::broker
