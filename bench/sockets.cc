#include "bench/sockets.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "bench/arguments.h"

namespace isthmus::bench {

namespace {

[[noreturn]] void fail_with_errno(const char* what) {
  give_up(std::string(what) + ": " + std::strerror(errno));
}

sockaddr_in loopback(int64_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

int without_delay(int socket) {
  const int on = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return socket;
}

}  // namespace

Descriptor::~Descriptor() { ::close(fd_); }

int listen_at(int64_t port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const sockaddr_in address = loopback(port);
  if (::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(socket, 8) != 0) {
    fail_with_errno("listen");
  }
  return socket;
}

int accept_from(int listener) {
  const int socket = ::accept(listener, nullptr, nullptr);
  if (socket < 0) fail_with_errno("accept");
  return without_delay(socket);
}

int connect_to(int64_t port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = loopback(port);
  if (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    fail_with_errno("connect");
  }
  return without_delay(socket);
}

int create_file(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) fail_with_errno(path.c_str());
  return file;
}

size_t read_some(int fd, MutableBytes into) {
  for (;;) {
    const ssize_t n = ::read(fd, into.data(), into.size());
    if (n >= 0) return static_cast<size_t>(n);
    if (errno == ECONNRESET) return 0;
    if (errno != EINTR) fail_with_errno("read");
  }
}

void write_all(int fd, Bytes bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_with_errno("write");
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
}

}  // namespace isthmus::bench
