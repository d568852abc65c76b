// TcpNetwork: Network over TCP sockets and Asio's readiness. Private to io/, made by Runtime.
//
// TCP_NODELAY everywhere: whoever writes, writes whole replies. A stream's state is shared with the
// operations that Asio still knows of, so a stream may be destroyed while one is pending. Names
// are looked up beside the loops (io/resolver.h).
#pragma once

#include "io/resolver.h"
#include "io/stream.h"

namespace isthmus::io {

class TcpNetwork final : public Network {
 public:
  explicit TcpNetwork(Resolver::Lookup lookup = Resolver::ask_system)
      : resolver_(std::move(lookup)) {}

  Task<Result<std::unique_ptr<Stream>>> dial(Address to, Instant deadline) override;
  Result<std::unique_ptr<Listener>> listen(Loop& loop, const Address& at) override;

 private:
  Resolver resolver_;
};

}  // namespace isthmus::io
