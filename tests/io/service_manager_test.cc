#include "io/service_manager.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "tests/io/real_world.h"

namespace isthmus::io {
namespace {

// The other end, as systemd opens it.
class Watcher {
 public:
  explicit Watcher(const std::string& address)
      : descriptor_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0)) {
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    std::memcpy(at.sun_path, address.data(), address.size());
    if (at.sun_path[0] == '@') at.sun_path[0] = '\0';
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.size());
    EXPECT_EQ(::bind(descriptor_, reinterpret_cast<const sockaddr*>(&at), size), 0) << address;
  }
  ~Watcher() { ::close(descriptor_); }

  // "nothing" where nothing has come.
  std::string heard() const {
    char text[256];
    const ssize_t size = ::recv(descriptor_, text, sizeof text, 0);
    return size < 0 ? "nothing" : std::string(text, static_cast<size_t>(size));
  }

 private:
  int descriptor_;
};

TEST(ServiceManager, IsToldAtAPathAndAtAnAbstractName) {
  TemporaryFolder folder;
  const std::string name = "@isthmus-test-" + std::to_string(::getpid());
  for (const std::string& address : {folder / "notify", name}) {
    const Watcher watcher(address);
    const ServiceManager manager(address);
    EXPECT_TRUE(manager.is_there());
    manager.tell("READY=1\nSTATUS=it serves");
    EXPECT_EQ(watcher.heard(), "READY=1\nSTATUS=it serves");
    EXPECT_EQ(watcher.heard(), "nothing");
  }
}

TEST(ServiceManager, IsTakenFromTheEnvironmentOnce) {
  TemporaryFolder folder;
  const Watcher watcher(folder / "notify");
  ::setenv("NOTIFY_SOCKET", (folder / "notify").c_str(), 1);
  ServiceManager::of_environment().tell("WATCHDOG=1");
  EXPECT_EQ(watcher.heard(), "WATCHDOG=1");
  EXPECT_EQ(std::getenv("NOTIFY_SOCKET"), nullptr) << "a child would be taken for the service";
  EXPECT_FALSE(ServiceManager::of_environment().is_there());
}

TEST(ServiceManager, WhatIsNoAddressIsNobody) {
  for (const std::string& address :
       {std::string(), std::string("/"), std::string("vsock:2:1"), std::string(200, '/')}) {
    const ServiceManager manager(address);
    EXPECT_FALSE(manager.is_there()) << address;
    manager.tell("READY=1");
  }
}

TEST(ServiceManager, OneThatDoesNotListenHoldsNobodyUp) {
  TemporaryFolder folder;
  const Watcher watcher(folder / "notify");
  const ServiceManager manager(folder / "notify");
  for (int i = 0; i < 10'000; ++i) manager.tell("WATCHDOG=1");
  const ServiceManager gone(folder / "nobody");
  EXPECT_TRUE(gone.is_there());
  gone.tell("READY=1");
}

}  // namespace
}  // namespace isthmus::io
