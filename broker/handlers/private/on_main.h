// What the private handlers share: most carry a request to a service on the main loop and its
// answer back.
#pragma once

#include "broker/handlers/handlers.h"

namespace isthmus::broker {

inline LinkService& service(Context& context, std::type_identity<LinkService>) {
  return context.links;
}
inline Switchovers& service(Context& context, std::type_identity<Switchovers>) {
  return context.switchovers;
}
inline WayBack& service(Context& context, std::type_identity<WayBack>) { return context.way_back; }

template <typename Message, typename Service, auto Method>
io::Task<typename Message::Response> ask_service(Context& context, Message message,
                                                 std::shared_ptr<server::ConnectionContext>) {
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
