// The operator's word, at the target.
#include "broker/handlers/private/on_main.h"
#include "broker/link/switchovers.h"

namespace isthmus::broker {

io::Task<server::Reply> switchover_wish(Context& context, server::Request request) {
  return on_main<kafka::SwitchoverWishRequest, Switchovers, &Switchovers::wish>(context,
                                                                                std::move(request));
}

}  // namespace isthmus::broker
