// The APIs of consumer groups. All groups live on the main loop with their coordinator; these
// handlers carry requests there and back, without what their senders are not authorized for.
#include "broker/group/coordinator.h"
#include "broker/handlers/group_screen.h"
#include "broker/handlers/handlers.h"
#include "broker/replica/verdicts.h"
#include "server/budget.h"

namespace isthmus::broker {

namespace {

// A static member that is told so is at its end: only who coordinates its group may say it.
template <typename Response, typename Act>
void each_verdict(Response& response, Act act) {
  const auto look = [&act](kafka::ErrorCode& code) {
    if (is_verdict(code)) act(code);
  };
  if constexpr (requires { response.error_code; }) look(response.error_code);
  if constexpr (requires { response.members.front().error_code; }) {
    for (auto& member : response.members) look(member.error_code);
  }
  if constexpr (requires { response.topics.front().partitions.front().error_code; }) {
    for (auto& topic : response.topics) {
      for (auto& partition : topic.partitions) look(partition.error_code);
    }
  }
}

template <typename Message>
std::string group_of(const Message& message) {
  if constexpr (requires { std::string(message.group_id); }) return message.group_id;
  return {};
}

// On the main loop.
template <typename Response>
io::Task<void> confirm_verdicts(Context& context, std::string group, Response& response) {
  bool gives_any = false;
  each_verdict(response, [&](kafka::ErrorCode&) { gives_any = true; });
  if (!gives_any) co_return;
  const io::Instant now = context.env.main_loop().now();
  const bool is_heard = co_await context.controller.confirmed(now, now + confirmed_within);
  if (is_heard && context.groups.serves(group)) co_return;
  each_verdict(response, [](kafka::ErrorCode& code) { code = kafka::ErrorCode::not_coordinator; });
}

template <typename Message, auto Method>
io::Task<typename Message::Response> ask_on_main(Context& context, Caller caller, Message message) {
  std::string group = group_of(message);
  auto response = co_await (context.groups.*Method)(std::move(caller), std::move(message));
  co_await confirm_verdicts(context, std::move(group), response);
  co_return response;
}

template <typename Message, auto Method>
server::Reply ask_coordinator(Context& context, Message message, kafka::RequestHeader header,
                              std::shared_ptr<server::ConnectionContext> connection) {
  const AuditSubject subject = subject_of(context, message);
  Screen<Message> screen(context.rights_of(*connection), header.api_version);
  if (auto refusal = screen.take_out(message)) {
    co_return audited<Message>(context, *connection, header, *refusal, subject);
  }
  Caller caller{header.client_id.value_or(""), "/" + connection->peer.host, header.api_version};
  auto response = co_await io::call_on(
      context.env.main_loop(),
      ask_on_main<Message, Method>(context, std::move(caller), std::move(message)));
  screen.put_back(response);
  co_return audited<Message>(context, *connection, header, response, subject);
}

template <typename Message, auto Method>
io::Task<server::Reply> carry(Context& context, server::Request request) {
  auto message = server::decode_request<Message>(request);
  if (!message) co_return refuse_malformed(request, message.error());
  co_return ask_coordinator<Message, Method>(context, std::move(*message), request.header,
                                             request.connection);
}

// What may meet a fence: waiting there it must not hold what the end of the fence lives on. The
// messages keep nothing of the frame.
template <typename Message, auto Method>
io::Task<server::Reply> carry_past_fences(Context& context, server::Request request) {
  auto message = server::decode_request<Message>(request);
  if (!message) co_return refuse_malformed(request, message.error());
  request.charge->park(request.frame.size());
  co_return ask_coordinator<Message, Method>(context, std::move(*message), request.header,
                                             request.connection);
}

// Copies of what would keep the request's frame alive, and what they take.
size_t detach(kafka::JoinGroupRequest& message) {
  size_t bytes = sizeof message;
  for (auto& protocol : message.protocols) {
    protocol.metadata = Slice::copy_of(protocol.metadata.view());
    bytes += sizeof protocol + protocol.name.size() + protocol.metadata.size();
  }
  return bytes;
}
size_t detach(kafka::SyncGroupRequest& message) {
  size_t bytes = sizeof message;
  for (auto& to : message.assignments) {
    to.assignment = Slice::copy_of(to.assignment.view());
    bytes += sizeof to + to.member_id.size() + to.assignment.size();
  }
  return bytes;
}

// A member waits for the others, for as long as their sessions last: it must not hold what requests
// that are worked on live on. What is too large to wait is refused by the group at once.
template <typename Message, auto Method>
io::Task<server::Reply> carry_waiting(Context& context, server::Request request) {
  auto message = server::decode_request<Message>(request);
  if (!message) co_return refuse_malformed(request, message.error());
  const auto largest = static_cast<size_t>(context.config.broker.group_max_bytes);
  if (request.frame.size() > largest) {
    co_return ask_coordinator<Message, Method>(context, std::move(*message), request.header,
                                               request.connection);
  }
  const size_t bytes = detach(*message);
  request.frame = request.body = {};
  if (!request.charge->park(bytes)) {
    typename Message::Response refusal;
    refusal.error_code = kafka::ErrorCode::coordinator_not_available;
    co_return server::reply_with(request.header, refusal);
  }
  co_return ask_coordinator<Message, Method>(context, std::move(*message), request.header,
                                             request.connection);
}

}  // namespace

io::Task<server::Reply> offset_commit(Context& c, server::Request request) {
  return carry_past_fences<kafka::OffsetCommitRequest, &Coordinator::offset_commit>(
      c, std::move(request));
}

io::Task<server::Reply> offset_fetch(Context& c, server::Request request) {
  return carry<kafka::OffsetFetchRequest, &Coordinator::offset_fetch>(c, std::move(request));
}

io::Task<server::Reply> join_group(Context& c, server::Request request) {
  return carry_waiting<kafka::JoinGroupRequest, &Coordinator::join_group>(c, std::move(request));
}

io::Task<server::Reply> heartbeat(Context& c, server::Request request) {
  return carry_past_fences<kafka::HeartbeatRequest, &Coordinator::heartbeat>(c, std::move(request));
}

io::Task<server::Reply> leave_group(Context& c, server::Request request) {
  return carry_past_fences<kafka::LeaveGroupRequest, &Coordinator::leave_group>(c,
                                                                                std::move(request));
}

io::Task<server::Reply> sync_group(Context& c, server::Request request) {
  return carry_waiting<kafka::SyncGroupRequest, &Coordinator::sync_group>(c, std::move(request));
}

io::Task<server::Reply> describe_groups(Context& c, server::Request request) {
  return carry<kafka::DescribeGroupsRequest, &Coordinator::describe_groups>(c, std::move(request));
}

io::Task<server::Reply> list_groups(Context& c, server::Request request) {
  return carry<kafka::ListGroupsRequest, &Coordinator::list_groups>(c, std::move(request));
}

io::Task<server::Reply> delete_groups(Context& c, server::Request request) {
  return carry_past_fences<kafka::DeleteGroupsRequest, &Coordinator::delete_groups>(
      c, std::move(request));
}

io::Task<server::Reply> offset_delete(Context& c, server::Request request) {
  return carry_past_fences<kafka::OffsetDeleteRequest, &Coordinator::offset_delete>(
      c, std::move(request));
}

}  // namespace isthmus::broker
