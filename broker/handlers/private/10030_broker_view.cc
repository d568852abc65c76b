// What this broker alone knows, for its colleagues.
#include "broker/handlers/private/on_main.h"
#include "broker/link/site_views.h"

namespace isthmus::broker {

io::Task<server::Reply> broker_view(Context& context, server::Request request) {
  return on_main<kafka::BrokerViewRequest, SiteViews, &SiteViews::own>(context, std::move(request));
}

}  // namespace isthmus::broker
