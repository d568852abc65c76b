// Members of groups that a fence has stopped.
#include "broker/handlers/private/on_main.h"
#include "broker/link/switchovers.h"

namespace isthmus::broker {

io::Task<server::Reply> read_members(Context& context, server::Request request) {
  return on_main<kafka::ReadMembersRequest, Switchovers, &Switchovers::read_members>(
      context, std::move(request));
}

}  // namespace isthmus::broker
