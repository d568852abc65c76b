// A step of a way back, for a colleague.
#include "broker/handlers/private/on_main.h"
#include "broker/link/way_back.h"

namespace isthmus::broker {

io::Task<server::Reply> take_way_back_step(Context& context, server::Request request) {
  return on_main<kafka::TakeWayBackStepRequest, WayBackSteps, &WayBackSteps::take_here>(
      context, std::move(request));
}

}  // namespace isthmus::broker
