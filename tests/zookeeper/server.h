// ZookeeperServer: a real one, Debian's, with a folder of its own that outlives its restarts.
#pragma once

#include <signal.h>

#include <string>
#include <vector>

#include "tests/io/real_world.h"

namespace isthmus::zookeeper {

class ZookeeperServer {
 public:
  ZookeeperServer();
  ~ZookeeperServer();

  void start();
  // kill -9, and what it had of sessions is on its disk.
  void kill();
  void send(int signal) { ::kill(pid_, signal); }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  io::TemporaryFolder folder_;
  int port_ = 0;
  pid_t pid_ = 0;
};

}  // namespace isthmus::zookeeper
