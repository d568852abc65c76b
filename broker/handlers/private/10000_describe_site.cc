// What this cluster is and has, for mirrors, routers and commands.
#include "broker/handlers/private/on_main.h"
#include "broker/link/link_service.h"

namespace isthmus::broker {

io::Task<server::Reply> describe_site(Context& context, server::Request request) {
  return on_main<kafka::DescribeSiteRequest, LinkService, &LinkService::describe>(
      context, std::move(request));
}

}  // namespace isthmus::broker
