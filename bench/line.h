// Line: one end of a connection of a floor, plain or in TLS, blocking. TLS is the engine that the
// product uses (io/tls_engine.h) with nothing around it: one read of the socket for what has
// arrived, one write for what write_all() is given.
//
// Owned by one conversation, on its thread. Whatever fails ends the program, except the peer's end.
#pragma once

#include <memory>
#include <optional>

#include "bench/sockets.h"
#include "io/tls_engine.h"

namespace isthmus::bench {

class Line {
 public:
  // Takes the socket. With `tls` it shakes hands; nullptr is plain text.
  Line(int socket, std::shared_ptr<const io::TlsContext> tls);

  // 0 at the end of the stream.
  size_t read_some(MutableBytes into);
  // As that, but nothing where the bytes that have come say nothing yet. REQUIRES, of both: `into`
  // takes all that one read brings (256 KiB).
  std::optional<size_t> read_arrived(MutableBytes into);   // REQUIRES: the socket is readable
  std::optional<size_t> read_received(MutableBytes into);  // what came with the handshake
  void read_all(MutableBytes into);
  void write_all(Bytes bytes);
  // By sendfile, or through memory where it is to be encrypted.
  void write_file(int file, size_t position, size_t length);
  // Nothing follows.
  void end();

  bool is_open() const { return open_; }  // the handshake has come to its end
  int socket() const { return socket_.get(); }

 private:
  bool receive();
  void shake_hands();
  void flush();

  const Descriptor socket_;
  std::unique_ptr<io::TlsEngine> tls_;
  bool open_ = true;
};

}  // namespace isthmus::bench
