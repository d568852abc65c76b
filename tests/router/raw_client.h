// A client that does with its socket what no library does: raw frames, half an end, a reset.
#pragma once

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kafka/api.h"
#include "kafka/wire.h"

namespace isthmus::router {

// As a client sends it, with its length.
template <typename Request>
Rope frame_of(const Request& message, int16_t version, int32_t correlation_id) {
  kafka::Writer payload;
  kafka::RequestHeader{static_cast<int16_t>(Request::api_key), version, correlation_id, "raw"}
      .encode(payload);
  message.encode(payload, version);
  Rope rope = std::move(payload).finish();
  std::vector<uint8_t> length(4);
  store_be(length.data(), static_cast<uint32_t>(rope.size()));
  Rope frame(Slice::take(std::move(length)));
  frame.append(std::move(rope));
  return frame;
}

// Blocks its thread, which is not the loop's; what it sends is small.
class RawClient {
 public:
  explicit RawClient(uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(socket_, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0;
  }
  ~RawClient() { ::close(socket_); }

  bool send(const Rope& rope) const {
    const auto bytes = rope.flatten();
    return connected_ && ::send(socket_, bytes->data(), bytes->size(), MSG_NOSIGNAL) ==
                             static_cast<ssize_t>(bytes->size());
  }
  void say_no_more() const { ::shutdown(socket_, SHUT_WR); }
  // Its end is a reset: as of a process that dies with something unread.
  void reset_at_end() const {
    const linger reset{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  }
  // The correlation ids of all frames until the end of the stream.
  std::vector<int32_t> replies() const {
    std::vector<uint8_t> all;
    uint8_t part[4096];
    for (ssize_t n; (n = ::recv(socket_, part, sizeof part, 0)) > 0;) {
      all.insert(all.end(), part, part + n);
    }
    std::vector<int32_t> ids;
    for (size_t at = 0; at + 8 <= all.size(); at += 4 + load_be<uint32_t>(&all[at])) {
      ids.push_back(load_be<int32_t>(&all[at + 4]));
    }
    return ids;
  }

 private:
  const int socket_;
  bool connected_ = false;
};

}  // namespace isthmus::router
