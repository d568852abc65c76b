// Switchover and failover, at the target.
#include "broker/handlers/private/on_main.h"
#include "broker/link/switchovers.h"

namespace isthmus::broker {

io::Task<server::Reply> promote(Context& context, server::Request request) {
  return on_main<kafka::PromoteRequest, Switchovers, &Switchovers::promote>(context,
                                                                            std::move(request));
}

}  // namespace isthmus::broker
