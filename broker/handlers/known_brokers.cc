#include "broker/handlers/known_brokers.h"

namespace isthmus::broker {

std::optional<io::Address> address_of(const Context& context, const Image& image,
                                      const std::string& listener, NodeId node) {
  // Of itself each knows what its options say now.
  if (node == context.config.broker.node_id) return context.advertised(listener);
  const auto broker = image.brokers.find(node);
  if (broker == image.brokers.end()) return std::nullopt;
  const BrokerEndpoint* endpoint = broker->second.endpoint(listener);
  if (endpoint == nullptr) return std::nullopt;
  return endpoint->address;
}

std::optional<KnownBroker> known_broker(const Context& context, const Image& image,
                                        const std::string& listener, NodeId node) {
  const auto found = image.brokers.find(node);
  if (found == image.brokers.end() || found->second.fenced) return std::nullopt;
  auto address = address_of(context, image, listener, node);
  if (!address) return std::nullopt;
  return KnownBroker{node, std::move(*address), found->second.rack};
}

std::vector<KnownBroker> known_brokers(const Context& context, const Image& image,
                                       const std::string& listener) {
  std::vector<KnownBroker> known;
  for (const auto& [node, broker] : image.brokers) {
    if (auto one = known_broker(context, image, listener, node)) known.push_back(std::move(*one));
  }
  return known;
}

NodeId controller_of(const Context& context, const Image& image) {
  const NodeId seated = context.live.controller();
  const auto holder = image.brokers.find(seated);
  if (holder != image.brokers.end() && !holder->second.fenced) return seated;
  for (const auto& [node, broker] : image.brokers) {
    if (!broker.fenced) return node;
  }
  return -1;
}

}  // namespace isthmus::broker
