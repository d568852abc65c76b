// Epochs and their owners.
#include "broker/handlers/private/on_main.h"
#include "broker/link/link_service.h"

namespace isthmus::broker {

io::Task<server::Reply> epoch_history(Context& context, server::Request request) {
  return on_main<kafka::EpochHistoryRequest, LinkService, &LinkService::history>(
      context, std::move(request));
}

}  // namespace isthmus::broker
