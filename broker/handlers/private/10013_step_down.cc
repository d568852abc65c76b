// The old source of a failover hears of it.
#include "broker/handlers/private/on_main.h"
#include "broker/link/switchovers.h"

namespace isthmus::broker {

io::Task<server::Reply> step_down(Context& context, server::Request request) {
  return on_main<kafka::StepDownRequest, Switchovers, &Switchovers::step_down>(context,
                                                                               std::move(request));
}

}  // namespace isthmus::broker
