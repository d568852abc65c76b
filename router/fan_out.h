// Fan-out: one client's request, divided among clusters, asked of all at once.
//
// A Part is what one cluster is asked: its own smaller request, and who there is to answer. A
// cluster that is known to be away is not asked, so that a dead site does not make the others'
// answers late.
//
// A cluster is asked on behalf of the client (Site::cluster_for). What any of its brokers may
// answer changes nothing by being asked twice: where one dies over it, another is asked.
//
// On the router's loop; the parts live in the frame of whoever asks.
#pragma once

#include <vector>

#include "io/gate.h"
#include "router/picture.h"

namespace isthmus::router {

// Who of a cluster is asked.
enum class Asked : uint8_t { any, controller, node };

struct Place {
  std::string cluster;
  Asked whom = Asked::any;
  NodeId node = -1;  // for Asked::node
  friend auto operator<=>(const Place&, const Place&) = default;
};

template <typename Request>
struct Part {
  Place place;
  Request request;
  Result<typename Request::Response> answer = fail("not asked");
};

// Before the deadline: who was asked has died over it, or its connection was given up because of
// something else that it does not answer.
inline bool is_lost(const Error& why, io::Instant deadline) {
  const bool by_connection = why.kind == Error::Kind::closed || why.kind == Error::Kind::io ||
                             why.kind == Error::Kind::timeout;
  return by_connection && io::Loop::current()->now() < deadline;
}

template <typename Request>
io::Task<void> ask(Picture& picture, const server::ConnectionContext& client, Part<Request>& part,
                   io::Instant deadline) {
  Site* site = picture.site(part.place.cluster);
  if (site == nullptr || !site->reachable()) {
    const std::string why = site == nullptr ? "is not among the clusters" : site->trouble();
    part.answer = fail("cluster " + part.place.cluster + ": " + why);
    co_return;
  }
  if (part.place.whom == Asked::controller) {
    part.answer = co_await site->cluster_for(client).call_controller(part.request, deadline);
  } else if (part.place.whom == Asked::node) {
    part.answer =
        co_await site->cluster_for(client).call_node(part.place.node, part.request, deadline);
  } else {
    bool again = true;
    while (again) {
      part.answer = co_await site->cluster_for(client).call_any(part.request, deadline);
      again = !part.answer && is_lost(part.answer.error(), deadline) && !site->closing();
    }
  }
}

template <typename Request>
io::Task<void> ask_all(io::Loop& loop, Picture& picture, const server::ConnectionContext& client,
                       std::vector<Part<Request>>& parts, io::Instant deadline) {
  if (parts.size() == 1) {
    co_await ask(picture, client, parts[0], deadline);
    co_return;
  }
  io::Gate gate(loop);
  for (auto& part : parts) gate.spawn("fan-out", ask(picture, client, part, deadline));
  co_await gate.close();
}

}  // namespace isthmus::router
