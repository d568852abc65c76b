// ServiceManager: who has started this process and watches over it (systemd, by its protocol of
// sd_notify(3)): a datagram of NAME=VALUE lines to the socket that NOTIFY_SOCKET names. Ours, and
// not libsystemd's: that would be a library more to load, for one datagram.
//
// Never blocks: what is not taken at once is lost, and so is everything where nobody watches.
// Any thread.
#pragma once

#include <string>
#include <string_view>

namespace isthmus::io {

class ServiceManager {
 public:
  // At the path, or the abstract name behind '@'; empty: nobody.
  explicit ServiceManager(std::string address);
  // By NOTIFY_SOCKET, which is then taken away: a child of ours is not the service.
  static ServiceManager of_environment();
  ~ServiceManager();
  ServiceManager(const ServiceManager&) = delete;
  ServiceManager& operator=(const ServiceManager&) = delete;

  bool is_there() const { return descriptor_ >= 0; }
  void tell(std::string_view lines) const;

 private:
  std::string address_;
  int descriptor_ = -1;
};

}  // namespace isthmus::io
