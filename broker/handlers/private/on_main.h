// What the private handlers share: who may use them, and that most carry a request to a service on
// the main loop and its answer back.
#pragma once

#include <algorithm>

#include "broker/handlers/handlers.h"
#include "broker/link/way_back.h"

namespace isthmus::broker {

inline LinkService& service(Context& context, std::type_identity<LinkService>) {
  return context.links;
}
inline SiteViews& service(Context& context, std::type_identity<SiteViews>) { return context.views; }
inline Switchovers& service(Context& context, std::type_identity<Switchovers>) {
  return context.switchovers;
}
inline WayBackSteps& service(Context& context, std::type_identity<WayBackSteps>) {
  return context.way_back.steps();
}
Holds& service(Context& context, std::type_identity<Holds>);
inline WayBack& service(Context& context, std::type_identity<WayBack>) { return context.way_back; }

// A private API is about the cluster as a whole, and any of the permissions that its schema names
// is enough: what a mirror does to move a link's topics an operator may do as well.
template <typename Message>
bool may_ask(const Context& context, const server::ConnectionContext& connection) {
  const Rights rights = context.rights_of(connection);
  return std::ranges::any_of(
      Message::needs, [&](kafka::Permission needed) { return rights.may_on_cluster(needed); });
}

template <typename Message>
typename Message::Response unauthorized(const Message& message) {
  constexpr auto code = kafka::ErrorCode::cluster_authorization_failed;
  typename Message::Response response;
  if constexpr (requires { response.error_message; }) {
    response.error_message = "not authorized for this on the cluster";
  }
  if constexpr (requires { response.error_code; }) {
    response.error_code = code;
  } else {
    for (const auto& group : message.groups) {
      auto& answer = response.groups.emplace_back();
      answer.group_id = group;
      answer.error_code = code;
    }
  }
  return response;
}

template <typename Message, typename Service, auto Method>
io::Task<typename Message::Response> ask_service(
    Context& context, Message message, std::shared_ptr<server::ConnectionContext> connection) {
  if (!may_ask<Message>(context, *connection)) co_return unauthorized(message);
  Service& asked = service(context, std::type_identity<Service>());
  auto response =
      co_await io::call_on(context.env.main_loop(), (asked.*Method)(std::move(message)));
  co_return response;
}

template <typename Message, typename Service, auto Method>
io::Task<server::Reply> on_main(Context& context, server::Request request) {
  return answer<Message, ask_service<Message, Service, Method>>(context, std::move(request));
}

}  // namespace isthmus::broker
