// Switchover, at the source: nobody writes for a while.
#include "broker/handlers/private/on_main.h"
#include "broker/link/switchovers.h"

namespace isthmus::broker {

io::Task<server::Reply> fence(Context& context, server::Request request) {
  return on_main<kafka::FenceRequest, Switchovers, &Switchovers::fence>(context,
                                                                        std::move(request));
}

}  // namespace isthmus::broker
