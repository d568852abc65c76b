// A step of a switchover, as far as it concerns what this broker leads.
#include "broker/handlers/private/on_main.h"
#include "broker/link/switchovers.h"

namespace isthmus::broker {

Holds& service(Context& context, std::type_identity<Holds>) { return context.switchovers.holds(); }

io::Task<server::Reply> hold_partitions(Context& context, server::Request request) {
  return on_main<kafka::HoldPartitionsRequest, Holds, &Holds::take>(context, std::move(request));
}

}  // namespace isthmus::broker
