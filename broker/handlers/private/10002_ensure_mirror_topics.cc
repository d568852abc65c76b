// Mirror topics as the source has them.
#include "broker/handlers/private/on_main.h"
#include "broker/link/link_service.h"

namespace isthmus::broker {

io::Task<server::Reply> ensure_mirror_topics(Context& context, server::Request request) {
  return on_main<kafka::EnsureMirrorTopicsRequest, LinkService, &LinkService::ensure_topics>(
      context, std::move(request));
}

}  // namespace isthmus::broker
