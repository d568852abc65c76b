// The operator's word: a link copies no more, or goes on.
#include "broker/handlers/private/on_main.h"
#include "broker/link/link_service.h"

namespace isthmus::broker {

io::Task<server::Reply> pause_link(Context& context, server::Request request) {
  return on_main<kafka::PauseLinkRequest, LinkService, &LinkService::pause>(context,
                                                                            std::move(request));
}

}  // namespace isthmus::broker
