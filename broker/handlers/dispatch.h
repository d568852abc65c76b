// Dispatch: the broker as its connections see it. Finds the handler of a request, refuses what this
// broker does not speak, and keeps the private APIs to the listeners that are meant for them.
#pragma once

#include "broker/handlers/context.h"
#include "server/api_versions.h"

namespace isthmus::broker {

// What ApiVersions says of an API: nothing where no handler serves it, and of a private one only to
// the listeners that are meant for it. dispatch() refuses exactly what is not announced.
std::optional<server::VersionRange> announced(const kafka::ApiInfo& api, bool on_private_listener);

class Dispatch final : public server::Service {
 public:
  explicit Dispatch(Context& context) : context_(context) {}
  io::Task<server::Reply> dispatch(server::Request request) override;

 private:
  Context& context_;
};

}  // namespace isthmus::broker
