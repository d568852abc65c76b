// The APIs of consumer groups. All groups live on the main loop with their coordinator; these
// handlers carry requests there and back.
#include "broker/group/coordinator.h"
#include "broker/handlers/handlers.h"

namespace isthmus::broker {

namespace {

template <typename Message, auto Method>
server::Reply ask_coordinator(Context& context, Message message, kafka::RequestHeader header,
                              std::shared_ptr<server::ConnectionContext> connection) {
  Caller caller{header.client_id.value_or(""), "/" + connection->peer.host, header.api_version};
  auto response = co_await io::call_on(
      context.env.main_loop(), (context.groups.*Method)(std::move(caller), std::move(message)));
  co_return server::encode_response(header, response);
}

template <typename Message, auto Method>
io::Task<server::Reply> carry(Context& context, server::Request request) {
  auto message = server::decode_request<Message>(request);
  if (!message) co_return refuse_malformed(request, message.error());
  co_return ask_coordinator<Message, Method>(context, std::move(*message), request.header,
                                             request.connection);
}

}  // namespace

io::Task<server::Reply> offset_commit(Context& c, server::Request request) {
  return carry<kafka::OffsetCommitRequest, &Coordinator::offset_commit>(c, std::move(request));
}

io::Task<server::Reply> offset_fetch(Context& c, server::Request request) {
  return carry<kafka::OffsetFetchRequest, &Coordinator::offset_fetch>(c, std::move(request));
}

io::Task<server::Reply> join_group(Context& c, server::Request request) {
  return carry<kafka::JoinGroupRequest, &Coordinator::join_group>(c, std::move(request));
}

io::Task<server::Reply> heartbeat(Context& c, server::Request request) {
  return carry<kafka::HeartbeatRequest, &Coordinator::heartbeat>(c, std::move(request));
}

io::Task<server::Reply> leave_group(Context& c, server::Request request) {
  return carry<kafka::LeaveGroupRequest, &Coordinator::leave_group>(c, std::move(request));
}

io::Task<server::Reply> sync_group(Context& c, server::Request request) {
  return carry<kafka::SyncGroupRequest, &Coordinator::sync_group>(c, std::move(request));
}

io::Task<server::Reply> describe_groups(Context& c, server::Request request) {
  return carry<kafka::DescribeGroupsRequest, &Coordinator::describe_groups>(c, std::move(request));
}

io::Task<server::Reply> list_groups(Context& c, server::Request request) {
  return carry<kafka::ListGroupsRequest, &Coordinator::list_groups>(c, std::move(request));
}

io::Task<server::Reply> delete_groups(Context& c, server::Request request) {
  return carry<kafka::DeleteGroupsRequest, &Coordinator::delete_groups>(c, std::move(request));
}

io::Task<server::Reply> offset_delete(Context& c, server::Request request) {
  return carry<kafka::OffsetDeleteRequest, &Coordinator::offset_delete>(c, std::move(request));
}

}  // namespace isthmus::broker
