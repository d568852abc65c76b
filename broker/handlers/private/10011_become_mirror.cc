// The way back after a failover, at the old source.
#include "broker/handlers/private/on_main.h"
#include "broker/link/way_back.h"

namespace isthmus::broker {

io::Task<server::Reply> become_mirror(Context& context, server::Request request) {
  return on_main<kafka::BecomeMirrorRequest, WayBack, &WayBack::become_mirror>(context,
                                                                               std::move(request));
}

}  // namespace isthmus::broker
