// The router's /status: what its overview tells, nodes and
// their ports, routes in force and why (docs/status.md). A plain function on the
// router's loop.
#pragma once

#include <memory>
#include <vector>

#include "process/role.h"
#include "router/endpoint.h"
#include "router/overview.h"
#include "router/picture.h"

namespace isthmus::router {

// Ready when every cluster that is home to something answers. `overview` may be nullptr.
process::Status status_of(const Picture& picture, const std::vector<process::Route>& rules,
                          const std::vector<std::unique_ptr<Endpoint>>& endpoints,
                          const Overview* overview, io::Instant now);

}  // namespace isthmus::router
