#include "broker/handlers/context.h"

#include "base/check.h"

namespace isthmus::broker {

const io::Address& Context::advertised(const std::string& listener) const {
  return this->listener(listener).reachable_at();
}

const process::ListenerConfig& Context::listener(const std::string& name) const {
  for (const auto& l : config.listeners) {
    if (l.name == name) return l;
  }
  CHECK(false, "a connection belongs to a listener of the configuration");
  std::abort();
}

Rights Context::rights_of(const server::ConnectionContext& connection) const {
  if (!authorizer.enabled()) return {};
  return authorizer.rights_of(connection.principal, connection.peer.host, image.load()->acl_set());
}

Error too_many_partitions() {
  return Error::corrupt("it names more than " + std::to_string(most_partitions) + " partitions");
}

server::Reply refuse_malformed(const server::Request& request, const Error& error) {
  const auto* api = kafka::find_api(request.header.api_key);
  std::string name =
      api == nullptr ? std::to_string(request.header.api_key) : std::string(api->name);
  request.connection->end("malformed request api=" + name + " version=" +
                          std::to_string(request.header.api_version) + ": " + error.text);
  return server::no_reply();
}

}  // namespace isthmus::broker
