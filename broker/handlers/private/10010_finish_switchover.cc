// Switchover, at the source: what became of it.
#include "broker/handlers/private/on_main.h"
#include "broker/link/switchovers.h"

namespace isthmus::broker {

io::Task<server::Reply> finish_switchover(Context& context, server::Request request) {
  return on_main<kafka::FinishSwitchoverRequest, Switchovers, &Switchovers::finish>(
      context, std::move(request));
}

}  // namespace isthmus::broker
