// TlsEngine: one end of one TLS conversation as a machine without I/O: bytes of the line go in and
// come out through buffers, and who owns it moves them. Records that are written one after another
// collect in one buffer, so that many of 16 KiB cross in one system call. Its buffers come from the
// loop's pool (io/buffers.h): fresh pages would cost as much as half of the encryption.
//
// Owned by a TlsStream, on its loop; not for two at once. After an error it is of no use.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/error.h"
#include "io/buffers.h"
#include "io/tls_context.h"

// OpenSSL's, which nobody above io/ sees.
struct ssl_st;
struct ssl_session_st;
struct x509_store_ctx_st;

namespace isthmus::io {

// The most that one record carries, and the most that it adds to that.
inline constexpr size_t tls_record_size = 16 * 1024;
inline constexpr size_t tls_record_overhead = 64;

class TlsEngine {
 public:
  // `host`: of a dialer, whom it wants to reach (a name or an address); a listener has none.
  TlsEngine(std::shared_ptr<const TlsContext> context, std::string host);
  ~TlsEngine();
  TlsEngine(const TlsEngine&) = delete;
  TlsEngine& operator=(const TlsEngine&) = delete;

  // Where the next bytes of the line belong, at least one; received() says how many came.
  MutableBytes space();
  void received(size_t bytes);

  // True when both sides agree and the peer is whom it should be. False: more must be received.
  Result<bool> handshake();
  // REQUIRES, of those below: handshake() has said true.

  // Nothing: more must be received. 0: the peer has ended in order. REQUIRES: room in `into`.
  Result<std::optional<size_t>> read(MutableBytes into);
  Result<void> write(Bytes plain);
  // Tells the peer that nothing follows, which sets an end apart from a cut line.
  void farewell();

  // What must go to the line, also after handshake() and read().
  size_t outgoing() const { return outgoing_size_; }
  Slice take_outgoing();

  // The peer's certificate, where it showed one: its subject as RFC 2253 writes it.
  const std::optional<std::string>& peer_subject() const { return peer_subject_; }
  bool resumed() const;
  // Of a listener: the host that the dialer named, at most 255 characters; empty: none.
  std::string server_name() const;
  std::string protocol() const;  // "TLSv1.3"

  // OpenSSL's callback for new sessions.
  static int keep_session(ssl_st* ssl, ssl_session_st* session);
  // And for each certificate that it has looked at.
  static int look_at_refused(int accepted, x509_store_ctx_st* context);

 private:
  struct Line;  // a BIO over the two buffers

  void begin_dialing();
  void keep_buffers(bool busy);
  void make_room_for(size_t more);
  Result<void> check_end();
  std::string refusal(const std::string& why) const;
  Error failed(const char* doing) const;

  const std::shared_ptr<const TlsContext> context_;
  const std::string host_;
  Buffer incoming_;
  size_t taken_ = 0;    // of incoming_
  size_t arrived_ = 0;  // of incoming_; what lies behind is room
  size_t room_;         // for the next bytes of the line
  Buffer outgoing_;
  size_t outgoing_size_ = 0;
  std::optional<std::string> peer_subject_;
  std::string refused_subject_;  // as the peer says, and nobody vouches for it
  std::string unfit_;            // why nobody can be dialled so
  struct FreeSsl {
    void operator()(ssl_st* ssl) const;
  };
  std::unique_ptr<ssl_st, FreeSsl> ssl_;  // last: it uses the buffers
};

}  // namespace isthmus::io
