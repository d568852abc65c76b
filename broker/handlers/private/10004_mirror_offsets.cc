// Group offsets of the source.
#include "broker/handlers/private/on_main.h"
#include "broker/link/link_service.h"

namespace isthmus::broker {

io::Task<server::Reply> mirror_offsets(Context& context, server::Request request) {
  return on_main<kafka::MirrorOffsetsRequest, LinkService, &LinkService::offsets>(
      context, std::move(request));
}

}  // namespace isthmus::broker
