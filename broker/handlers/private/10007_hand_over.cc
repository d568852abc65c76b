// Switchover, at the source: the point of no return.
#include "broker/handlers/private/on_main.h"
#include "broker/link/switchovers.h"

namespace isthmus::broker {

io::Task<server::Reply> hand_over(Context& context, server::Request request) {
  return on_main<kafka::HandOverRequest, Switchovers, &Switchovers::hand_over>(context,
                                                                               std::move(request));
}

}  // namespace isthmus::broker
