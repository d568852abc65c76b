// Traffic: what passed through one node's port, for /metrics. On the router's loop.
#pragma once

#include <cstdint>

namespace isthmus::router {

struct Traffic {
  uint64_t requests = 0;
  uint64_t bytes_to_node = 0;
  uint64_t bytes_to_clients = 0;
};

}  // namespace isthmus::router
