// RopeSender: how far a rope has gone into a socket. Private to io/; knows system calls, no Asio.
#pragma once

#include <vector>

#include "base/bytes.h"

namespace isthmus::io {

class RopeSender {
 public:
  explicit RopeSender(Rope rope) : pieces_(std::move(rope).take_pieces()) {}

  // Sends until everything is sent (true) or the socket takes no more for now (false).
  // REQUIRES: `socket` is non-blocking.
  Result<bool> send_to(int socket);

 private:
  // Each sends something of what comes next; how much, or 0 if the socket is full.
  Result<size_t> send_slices(int socket);
  Result<size_t> send_range(int socket, const FileRange& range);
  void advance(size_t sent);

  std::vector<Piece> pieces_;
  size_t piece_ = 0;
  uint64_t offset_ = 0;  // within pieces_[piece_]
};

}  // namespace isthmus::io
