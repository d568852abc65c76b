// Traffic: what passed through one node's port, for /metrics. Cells of the role's registry; any
// thread may add.
#pragma once

#include <memory>
#include <string>

#include "base/ids.h"
#include "process/metrics.h"

namespace isthmus::router {

struct Traffic {
  Traffic(process::Metrics& metrics, NodeId node) {
    const std::string id = std::to_string(node);
    const std::string bytes = "isthmus_router_bytes_total";
    const std::string help = "Bytes of requests and answers passed on, without their headers.";
    requests = metrics.counter("isthmus_router_requests_total", "Requests passed on to a node.",
                               {{"node", id}});
    to_node = metrics.counter(bytes, help, {{"node", id}, {"to", "node"}});
    to_clients = metrics.counter(bytes, help, {{"node", id}, {"to", "clients"}});
  }

  std::shared_ptr<process::Counter> requests;
  std::shared_ptr<process::Counter> to_node;
  std::shared_ptr<process::Counter> to_clients;
};

}  // namespace isthmus::router
