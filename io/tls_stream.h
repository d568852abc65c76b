// TlsStream: a Stream inside another one, encrypted (RFC 8446, 5246). Reads and writes as any
// stream does; file ranges are read into memory first, because what is encrypted cannot be sent
// from the page cache: what is there at once on the loop, what is not on `readers`.
//
// Lives on the loop of the stream that it wraps, and ends it when it ends. A line that is cut
// without TLS's farewell is an end of stream like any other: Kafka's frames say how long they are.
#pragma once

#include <memory>
#include <string>

#include "io/stream.h"
#include "io/tls_context.h"
#include "io/workers.h"

namespace isthmus::io {

class TlsStream final : public Stream {
 public:
  // Nothing happens before handshake(). `host`: of a dialer, whom it wants to reach. `readers`
  // outlive it.
  TlsStream(std::unique_ptr<Stream> plain, std::shared_ptr<const TlsContext> context,
            std::string host, Workers& readers);
  ~TlsStream() override;

  // Once, before anything else. The error says what the peer did or lacks, and not who it is; the
  // stream is closed then. Error::closed: the peer has gone.
  Task<Result<void>> handshake(Instant deadline);

  Task<Result<size_t>> read_some(MutableBytes into) override;
  Task<Result<void>> write(Rope rope) override;
  void write_now(Bytes bytes) override;
  void close() override;
  const Address& peer() const override;
  uint64_t delivered() const override;
  const TlsPeer* tls() const override;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// The handshake of a dialer, whole. REQUIRES: on the stream's loop.
Task<Result<std::unique_ptr<Stream>>> begin_tls(std::unique_ptr<Stream> plain,
                                                std::shared_ptr<const TlsContext> context,
                                                std::string host, Workers& readers,
                                                Instant deadline);

}  // namespace isthmus::io
