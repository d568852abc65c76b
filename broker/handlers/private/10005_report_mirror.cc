// How far the mirror is, and what has failed.
#include "broker/handlers/private/on_main.h"
#include "broker/link/link_service.h"

namespace isthmus::broker {

io::Task<server::Reply> report_mirror(Context& context, server::Request request) {
  return on_main<kafka::ReportMirrorRequest, LinkService, &LinkService::report>(context,
                                                                                std::move(request));
}

}  // namespace isthmus::broker
