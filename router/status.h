// The router's /status: sites, nodes and their ports, routes in force. A plain function on the
// router's loop.
#pragma once

#include <memory>
#include <vector>

#include "process/role.h"
#include "router/endpoint.h"
#include "router/picture.h"

namespace isthmus::router {

// Ready when every cluster that is home to something answers.
process::Status status_of(const Picture& picture,
                          const std::vector<std::unique_ptr<Endpoint>>& endpoints, io::Instant now);

}  // namespace isthmus::router
