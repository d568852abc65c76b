// What this cluster has written down for others, waited for.
#include "broker/handlers/private/on_main.h"
#include "broker/link/link_service.h"

namespace isthmus::broker {

io::Task<server::Reply> site_record(Context& context, server::Request request) {
  return on_main<kafka::SiteRecordRequest, LinkService, &LinkService::record>(context,
                                                                              std::move(request));
}

}  // namespace isthmus::broker
