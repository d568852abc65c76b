// TcpNetwork: Network over TCP sockets and Asio's readiness. Private to io/, made by Runtime.
//
// TCP_NODELAY everywhere: whoever writes, writes whole replies. A stream's state is shared with the
// operations that Asio still knows of, so a stream may be destroyed while one is pending. Names
// are looked up beside the loops (io/resolver.h), and files that are not in memory are read there
// before they are sent (io/rope_sender.h).
#pragma once

#include "io/pool.h"
#include "io/resolver.h"
#include "io/stream.h"

namespace isthmus::io {

class TcpNetwork final : public Network {
 public:
  // `readers` outlives the streams. They are not those that sync: neither waits for the other.
  explicit TcpNetwork(Pool& readers, Resolver::Lookup lookup = Resolver::ask_system)
      : readers_(readers), resolver_(std::move(lookup)) {}

  Task<Result<std::unique_ptr<Stream>>> dial(Address to, Instant deadline) override;
  Result<std::unique_ptr<Listener>> listen(Loop& loop, const Address& at) override;

 private:
  Pool& readers_;
  Resolver resolver_;
};

}  // namespace isthmus::io
