// How a broker reaches another one of its own cluster: at the listener for brokers that the image
// tells. The only place that opens such a connection.
#pragma once

#include <memory>

#include "broker/image/image.h"
#include "client/connection.h"
#include "io/env.h"
#include "io/gate.h"

namespace isthmus::broker {

// No longer than until `deadline`, nor than one machine may take to answer. An error of a socket
// keeps its code. REQUIRES: called on the loop of `gate`.
io::Task<Result<std::unique_ptr<client::Connection>>> dial_broker(
    io::Env& env, io::Gate& gate, std::shared_ptr<const Image> image, NodeId node,
    client::ConnectionOptions options, io::Instant deadline);

}  // namespace isthmus::broker
