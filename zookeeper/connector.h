// Connector: makes the sessions of a process. Given by whoever makes the process (the command line:
// SessionConnector of session.h; the simulator: one of its own), so that who needs a Client knows
// neither.
#pragma once

#include <memory>
#include <string>

#include "io/loop.h"
#include "zookeeper/client.h"

namespace isthmus::zookeeper {

struct SessionOptions {
  std::string servers;  // ConnectString::servers_for_library()
  io::milliseconds timeout{18000};
  // "user:password" of the digest scheme; empty: none, and what we make is everybody's.
  std::string digest = {};
};

class Connector {
 public:
  virtual ~Connector() = default;

  // Begins a session on `loop`; the servers may answer at any time later. An error: it cannot even
  // be tried now, as no name can be resolved.
  virtual io::Task<Result<std::unique_ptr<Client>>> begin(io::Loop& loop,
                                                          SessionOptions options) = 0;
  // Ends it, so that what was ephemeral is gone when this returns, if a server answers.
  // REQUIRES: it was begun here, and nobody asks it any more.
  virtual io::Task<void> end(std::unique_ptr<Client> client) = 0;
};

}  // namespace isthmus::zookeeper
