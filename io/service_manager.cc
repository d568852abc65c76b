#include "io/service_manager.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <utility>

namespace isthmus::io {

ServiceManager::ServiceManager(std::string address) : address_(std::move(address)) {
  const bool is_name = address_.size() > 1 && (address_[0] == '/' || address_[0] == '@');
  if (!is_name || address_.size() >= sizeof(sockaddr_un::sun_path)) return;
  descriptor_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

ServiceManager ServiceManager::of_environment() {
  const char* address = std::getenv("NOTIFY_SOCKET");
  std::string copy = address == nullptr ? "" : address;
  ::unsetenv("NOTIFY_SOCKET");
  return ServiceManager(std::move(copy));
}

ServiceManager::~ServiceManager() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void ServiceManager::tell(std::string_view lines) const {
  if (descriptor_ < 0) return;
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  std::memcpy(to.sun_path, address_.data(), address_.size());
  if (to.sun_path[0] == '@') to.sun_path[0] = '\0';
  const size_t size = offsetof(sockaddr_un, sun_path) + address_.size();
  (void)::sendto(descriptor_, lines.data(), lines.size(), MSG_NOSIGNAL,
                 reinterpret_cast<const sockaddr*>(&to), static_cast<socklen_t>(size));
}

}  // namespace isthmus::io
