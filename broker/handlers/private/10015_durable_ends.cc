// Where the logs of some topics end, and how much of that is durable.
#include "broker/handlers/private/on_main.h"
#include "broker/link/link_service.h"

namespace isthmus::broker {

io::Task<server::Reply> durable_ends(Context& context, server::Request request) {
  return on_main<kafka::DurableEndsRequest, LinkService, &LinkService::ends>(context,
                                                                             std::move(request));
}

}  // namespace isthmus::broker
