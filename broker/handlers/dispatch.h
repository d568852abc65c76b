// Dispatch: the broker as its connections see it. Finds the handler of a request, refuses what this
// broker does not speak, and keeps the private APIs to the listeners that are meant for them.
#pragma once

#include "broker/handlers/context.h"

namespace isthmus::broker {

class Dispatch final : public server::Service {
 public:
  explicit Dispatch(Context& context) : context_(context) {}
  io::Task<server::Reply> dispatch(server::Request request) override;

 private:
  Context& context_;
};

}  // namespace isthmus::broker
