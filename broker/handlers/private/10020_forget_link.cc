// The cluster at the other end of a link is gone for good.
#include "broker/handlers/private/on_main.h"
#include "broker/link/link_service.h"

namespace isthmus::broker {

io::Task<server::Reply> forget_link(Context& context, server::Request request) {
  return on_main<kafka::ForgetLinkRequest, LinkService, &LinkService::forget>(context,
                                                                              std::move(request));
}

}  // namespace isthmus::broker
