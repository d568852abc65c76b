// The brokers of the cluster as a client is told of them: those that serve, each at its listener of
// the same name as the one where the client asks. Who has none of that name is not told of there.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "broker/handlers/context.h"

namespace isthmus::broker {

struct KnownBroker {
  NodeId node = -1;
  io::Address address;
  std::string rack;
};

// In order of their node ids.
std::vector<KnownBroker> known_brokers(const Context& context, const Image& image,
                                       const std::string& listener);
std::optional<KnownBroker> known_broker(const Context& context, const Image& image,
                                        const std::string& listener, NodeId node);

// Where the broker is reached, serving or not; nothing, if it has no such listener.
std::optional<io::Address> address_of(const Context& context, const Image& image,
                                      const std::string& listener, NodeId node);

// Whom clients send what changes the cluster: who holds the controller's seat, as far as that is
// known and serves; else any, since any broker takes it. -1: nobody serves.
NodeId controller_of(const Context& context, const Image& image);

}  // namespace isthmus::broker
