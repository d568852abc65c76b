// ApiVersions. The private APIs are announced only where they are served.
#include "broker/handlers/dispatch.h"
#include "broker/handlers/handlers.h"

namespace isthmus::broker {

io::Task<server::Reply> api_versions(Context& context, server::Request request) {
  static const auto for_clients =
      server::describe_apis([](const auto& api) { return announced(api, false); });
  static const auto for_all =
      server::describe_apis([](const auto& api) { return announced(api, true); });
  const auto& table = request.connection->private_api ? for_all : for_clients;
  co_return io::ready(std::optional<Rope>(server::answer_api_versions(request, table)));
}

}  // namespace isthmus::broker
