// Network: streams of bytes between processes, and the only way to get one.
//
// Real ones are TCP over Asio (io/real.h); the simulator's delay, cut and lose (tests/sim).
// A stream lives on the loop it was made on. At most one read and one write are under way at a
// time. close() may be called at any time on that loop and makes both end with Error::closed.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "io/loop.h"
#include "io/task.h"

namespace isthmus::io {

struct Address {
  std::string host;
  uint16_t port = 0;

  // "host:port", "[::1]:port".
  static Result<Address> parse(std::string_view text);
  std::string to_string() const;
  friend auto operator<=>(const Address&, const Address&) = default;
};

// What TLS says of the peer (io/tls_stream.h).
struct TlsPeer {
  std::optional<std::string>
      subject;           // of its certificate, as RFC 2253 writes it; if it showed one
  std::string protocol;  // "TLSv1.3"
  bool resumed = false;  // an earlier session was
  // At a listener: the host that the peer wants (SNI, RFC 6066), as it wrote it; empty: none.
  std::string server_name;
};

// An IPv4 or IPv6 address, in the form that all its spellings have in common and peers are told in.
Result<std::string> canonical_ip(const std::string& text);
// Whether only this machine reaches what listens there. A name other than localhost does not say.
bool is_loopback(const std::string& host);
// What of an address its user cannot choose: an IPv4 address, the first 64 bits of an IPv6 one.
// Another text is returned as it is.
std::string network_of(const std::string& ip);

class Stream {
 public:
  virtual ~Stream() = default;
  // At least one byte, as many as have arrived up to into.size(); 0 at the peer's end of stream.
  virtual Task<Result<size_t>> read_some(MutableBytes into) = 0;
  // Everything, in one gathered write where the system allows; file ranges by sendfile.
  virtual Task<Result<void>> write(Rope rope) = 0;
  // A last word before close(): what the system takes of it at once, and nothing of it while a
  // write is under way.
  virtual void write_now(Bytes bytes) {}
  virtual void close() = 0;
  virtual const Address& peer() const = 0;
  // nullptr: it is not encrypted.
  virtual const TlsPeer* tls() const { return nullptr; }
  // Of all bytes that were written, how many the peer's system has taken: what tells a slow line
  // from a dead one while much waits in buffers. Never goes back. 0 where it cannot be told.
  virtual uint64_t delivered() const { return 0; }
};

class Listener {
 public:
  virtual ~Listener() = default;
  // The next connection, to live on `loop` (the listener's own, or another: see Runtime).
  virtual Task<Result<std::unique_ptr<Stream>>> accept(Loop& loop) = 0;
  virtual void close() = 0;
  // The address in use: with port 0 asked for, the one that was given.
  virtual const Address& local() const = 0;
};

class Network {
 public:
  virtual ~Network() = default;
  // A connection that lives on the current loop. Error::timeout after `deadline`.
  virtual Task<Result<std::unique_ptr<Stream>>> dial(Address to, Instant deadline) = 0;
  virtual Result<std::unique_ptr<Listener>> listen(Loop& loop, const Address& at) = 0;
};

}  // namespace isthmus::io
