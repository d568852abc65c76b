// A mirror process takes a link over.
#include "broker/handlers/private/on_main.h"
#include "broker/link/link_service.h"

namespace isthmus::broker {

io::Task<server::Reply> attach_link(Context& context, server::Request request) {
  return on_main<kafka::AttachLinkRequest, LinkService, &LinkService::attach>(context,
                                                                              std::move(request));
}

}  // namespace isthmus::broker
