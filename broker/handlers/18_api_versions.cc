// ApiVersions. The private APIs are announced only where they are served.
#include "broker/handlers/handlers.h"
#include "server/api_versions.h"

namespace isthmus::broker {

namespace {

std::optional<server::VersionRange> served(const kafka::ApiInfo& api) {
  if (find_handler(api.key) == nullptr) return std::nullopt;
  return server::public_and_private_apis(api);
}

std::optional<server::VersionRange> served_to_clients(const kafka::ApiInfo& api) {
  if (api.is_private) return std::nullopt;
  return served(api);
}

}  // namespace

io::Task<server::Reply> api_versions(Context& context, server::Request request) {
  static const auto for_clients = server::describe_apis(served_to_clients);
  static const auto for_all = server::describe_apis(served);
  const auto& table = request.connection->private_api ? for_all : for_clients;
  co_return io::ready(std::optional<Rope>(server::answer_api_versions(request, table)));
}

}  // namespace isthmus::broker
