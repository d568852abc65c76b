// The groups that this broker coordinates.
#include "broker/handlers/private/on_main.h"
#include "broker/link/switchovers.h"

namespace isthmus::broker {

io::Task<server::Reply> ask_groups(Context& context, server::Request request) {
  return on_main<kafka::AskGroupsRequest, Holds, &Holds::ask_groups>(context, std::move(request));
}

}  // namespace isthmus::broker
