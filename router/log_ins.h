// LogIns: who the router's clients are, where they say so by SASL. The router knows no passwords:
// it passes each message of the exchange on to the default home, over a connection of its own to
// the listener for routers, and asks there who it was. So users are those of the sites, by
// whichever mechanism these take, and what is proved is proved to the broker.
//
// Owned by an Endpoint, on the router's loop. The exchange lies with the client's connection.
#pragma once

#include <vector>

#include "client/connection.h"
#include "io/gate.h"
#include "router/picture.h"
#include "server/audit.h"
#include "server/service.h"

namespace isthmus::router {

class LogIns {
 public:
  // `gate`: of the exchanges' connections. What it refers to outlives it.
  LogIns(io::Env& env, io::Gate& gate, Picture& picture, server::Audit& audit,
         std::vector<kafka::Mechanism> mechanisms)
      : env_(env),
        gate_(gate),
        picture_(picture),
        audit_(audit),
        mechanisms_(std::move(mechanisms)) {}

  // In the order of arrival.
  io::Task<server::Reply> handshake(server::Request request);
  io::Task<server::Reply> authenticate(server::Request request);

  // At a port of the router. Beyond that strangers would take the connections of its sites.
  static constexpr size_t max_exchanges = 256;

 private:
  struct Exchange;

  io::Task<Result<std::unique_ptr<client::Connection>>> connect(io::Instant deadline);

  // Where the site's audit has the address of the router, ours has the client's.
  void note(const server::Request& request, const Exchange& exchange, kafka::ErrorCode error);

  io::Env& env_;
  io::Gate& gate_;
  Picture& picture_;
  server::Audit& audit_;
  const std::vector<kafka::Mechanism> mechanisms_;
  size_t exchanges_ = 0;  // under way, each with a connection
};

}  // namespace isthmus::router
