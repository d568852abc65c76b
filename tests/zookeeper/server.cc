#include "tests/zookeeper/server.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <utility>

namespace isthmus::zookeeper {

namespace {

// Nobody else is given it before the server listens there, or while it is down: the socket stays
// bound, and does not listen, until the process ends. Beside it the server may listen, since both
// set SO_REUSEADDR, as Java does.
int reserved_port() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  EXPECT_EQ(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
  return ntohs(address.sin_port);
}

}  // namespace

ZookeeperServer::ZookeeperServer() : port_(reserved_port()) { start(); }

ZookeeperServer::~ZookeeperServer() { kill(); }

// Sessions live for one second at least and ten at most, by a tick of half a second. It ends with
// the test, also where that is killed.
void ZookeeperServer::start() {
  const std::vector<std::string> words = {"setpriv",
                                          "--pdeathsig",
                                          "KILL",
                                          "java",
                                          "-Xmx128m",
                                          "-Dzookeeper.admin.enableServer=false",
                                          "-cp",
                                          "/usr/share/java/zookeeper.jar",
                                          "org.apache.zookeeper.server.ZooKeeperServerMain",
                                          std::to_string(port_),
                                          folder_ / "data",
                                          "500"};
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  const std::string log = folder_ / "server.log";
  posix_spawn_file_actions_addopen(&files, 1, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  posix_spawn_file_actions_adddup2(&files, 1, 2);
  const int error = posix_spawnp(&pid_, "setpriv", &files, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&files);
  ASSERT_EQ(error, 0) << "java cannot be started";
}

void ZookeeperServer::kill() {
  const pid_t pid = std::exchange(pid_, 0);
  if (pid == 0) return;
  ::kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
}

}  // namespace isthmus::zookeeper
