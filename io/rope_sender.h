// RopeSender: how far a rope has gone into a socket. Private to io/; knows system calls, no Asio.
//
// sendfile of pages that are not in memory waits for the disk, and with it everybody else on the
// loop. So before a range of a file is sent, one byte of each 256 KiB of it is asked for without
// waiting (preadv2 with RWF_NOWAIT; memory is reclaimed in longer runs than that). What is not
// there is left to the caller, who reads it on another thread.
#pragma once

#include <vector>

#include "base/bytes.h"

namespace isthmus::io {

class RopeSender {
 public:
  explicit RopeSender(Rope rope) : pieces_(std::move(rope).take_pieces()) {}

  enum class Outcome : uint8_t {
    sent,         // all of it
    socket_full,  // it takes no more for now
    file_cold,    // what comes next must be read from the disk: cold()
  };
  // Sends as much as it can. REQUIRES: `socket` is non-blocking.
  Result<Outcome> send_to(int socket);
  // Bytes that have gone into the socket.
  uint64_t sent() const { return sent_; }

  // A part of a file that is to be read into memory.
  struct Cold {
    FileRange range;
    uint64_t beyond = 0;  // bytes of the same rope behind it
    // Waits for the disk; any thread.
    Result<void> operator()() const;
  };
  // REQUIRES: the latest outcome was file_cold.
  Cold cold() const;
  // cold() has been read; it is not asked for again.
  void warmed() { warm_until_ = offset_ + cold().range.length; }

 private:
  // Each sends something of what comes next; how much, or 0 if the socket is full.
  Result<size_t> send_slices(int socket);
  Result<size_t> send_range(int socket, const FileRange& range);
  // Looks further ahead in the range where nothing is known. False if what comes next is cold.
  bool is_warm(const FileRange& range);
  void advance(size_t sent);

  std::vector<Piece> pieces_;
  size_t piece_ = 0;
  uint64_t offset_ = 0;      // within pieces_[piece_]
  uint64_t warm_until_ = 0;  // within pieces_[piece_]
  uint64_t sent_ = 0;
};

}  // namespace isthmus::io
