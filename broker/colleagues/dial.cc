#include "broker/colleagues/dial.h"

#include <algorithm>

namespace isthmus::broker {

namespace {
constexpr auto dial_timeout = std::chrono::seconds(3);
}  // namespace

io::Task<Result<std::unique_ptr<client::Connection>>> dial_broker(
    io::Env& env, io::Gate& gate, std::shared_ptr<const Image> image, NodeId node,
    client::ConnectionOptions options, io::Instant deadline) {
  const auto broker = image->brokers.find(node);
  const BrokerEndpoint* endpoint =
      broker == image->brokers.end() ? nullptr : broker->second.endpoint_for_brokers();
  if (endpoint == nullptr) {
    co_return fail("broker " + std::to_string(node) + " has no listener for brokers");
  }
  const io::Instant until = std::min(deadline, env.main_loop().now() + dial_timeout);
  auto opened =
      co_await client::Connection::open(env, gate, endpoint->address, std::move(options), until);
  co_return opened;
}

}  // namespace isthmus::broker
