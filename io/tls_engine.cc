#include "io/tls_engine.h"

#include <arpa/inet.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/check.h"
#include "base/printable.h"
#include "io/tls_openssl.h"

namespace isthmus::io {

namespace {

// An idle connection holds little; one that brings much is read in few system calls.
constexpr size_t least_room = 4 * 1024;
constexpr size_t most_room = 128 * 1024;
constexpr size_t longest_shown_subject = 256;

bool is_address(const std::string& host) {
  unsigned char parsed[sizeof(in6_addr)];
  return ::inet_pton(AF_INET, host.c_str(), parsed) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), parsed) == 1;
}

}  // namespace

// The engine's buffers as OpenSSL's end of a line.
struct TlsEngine::Line {
  static TlsEngine& engine(BIO* bio) { return *static_cast<TlsEngine*>(BIO_get_data(bio)); }

  static int read(BIO* bio, char* into, int size) {
    TlsEngine& self = engine(bio);
    BIO_clear_retry_flags(bio);
    const size_t count = std::min(static_cast<size_t>(size), self.arrived_ - self.taken_);
    if (count == 0) {
      BIO_set_retry_read(bio);
      return -1;
    }
    std::memcpy(into, self.incoming_.bytes.get() + self.taken_, count);
    self.taken_ += count;
    return static_cast<int>(count);
  }

  static int write(BIO* bio, const char* from, int size) {
    TlsEngine& self = engine(bio);
    BIO_clear_retry_flags(bio);
    const auto count = static_cast<size_t>(size);
    self.make_room_for(count);
    std::memcpy(self.outgoing_.bytes.get() + self.outgoing_size_, from, count);
    self.outgoing_size_ += count;
    return size;
  }

  static long control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

  static BIO_METHOD* method() {
    static BIO_METHOD* const made = [] {
      BIO_METHOD* fresh = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "line");
      CHECK(fresh != nullptr, "OpenSSL makes a BIO method");
      BIO_meth_set_read(fresh, read);
      BIO_meth_set_write(fresh, write);
      BIO_meth_set_ctrl(fresh, control);
      return fresh;
    }();
    return made;
  }
};

void TlsEngine::FreeSsl::operator()(ssl_st* ssl) const { SSL_free(ssl); }

TlsEngine::TlsEngine(std::shared_ptr<const TlsContext> context, std::string host)
    : context_(std::move(context)),
      host_(std::move(host)),
      room_(least_room),
      ssl_(SSL_new(context_->impl().ssl.get())) {
  CHECK(ssl_ != nullptr, "OpenSSL makes a conversation");
  BIO* line = BIO_new(Line::method());
  CHECK(line != nullptr, "OpenSSL makes a BIO");
  BIO_set_data(line, this);
  BIO_set_init(line, 1);
  SSL_set_bio(ssl_.get(), line, line);
  SSL_set_app_data(ssl_.get(), this);
  if (context_->is_listener()) {
    SSL_set_accept_state(ssl_.get());
  } else {
    begin_dialing();
  }
}

TlsEngine::~TlsEngine() {
  // OpenSSL takes a conversation without a farewell for a broken one, and lets its session not be
  // resumed. Lines are cut all the time.
  SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
}

void TlsEngine::begin_dialing() {
  SSL* ssl = ssl_.get();
  SSL_set_connect_state(ssl);
  const bool numeric = is_address(host_);
  if (!numeric && !host_.empty()) SSL_set_tlsext_host_name(ssl, host_.c_str());
  if (context_->verifies_host()) {
    X509_VERIFY_PARAM* wanted = SSL_get0_param(ssl);
    const int taken = numeric ? X509_VERIFY_PARAM_set1_ip_asc(wanted, host_.c_str())
                              : X509_VERIFY_PARAM_set1_host(wanted, host_.data(), host_.size());
    if (taken != 1)
      unfit_ = "\"" + printable(host_) + "\" is no name that a certificate could have";
    X509_VERIFY_PARAM_set_hostflags(wanted, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  }
  const SessionPtr session = context_->impl().sessions.take(host_);
  if (session) SSL_set_session(ssl, session.get());
}

int TlsEngine::keep_session(ssl_st* ssl, ssl_session_st* session) {
  const auto* engine = static_cast<TlsEngine*>(SSL_get_app_data(ssl));
  engine->context_->impl().sessions.keep(engine->host_, SessionPtr(session));
  return 1;  // it is ours now
}

int TlsEngine::look_at_refused(int accepted, x509_store_ctx_st* context) {
  const auto* ssl = static_cast<const SSL*>(
      X509_STORE_CTX_get_ex_data(context, SSL_get_ex_data_X509_STORE_CTX_idx()));
  const X509* shown = X509_STORE_CTX_get0_cert(context);
  if (accepted != 1 && shown != nullptr) {
    static_cast<TlsEngine*>(SSL_get_app_data(ssl))->refused_subject_ = subject_of(*shown);
  }
  return accepted;
}

// Of a client its name too: an operator wants to know whose certificate was not renewed.
std::string TlsEngine::refusal(const std::string& why) const {
  std::string text = "its certificate is refused: " + why;
  if (context_->is_listener() && !refused_subject_.empty()) {
    text += " (" + printable(refused_subject_.substr(0, longest_shown_subject)) + ")";
  }
  return text;
}

MutableBytes TlsEngine::space() {
  const size_t left = arrived_ - taken_;  // OpenSSL leaves nothing where it wants more
  if (incoming_.size != room_ || left > 0) {
    Buffer fresh = acquire_buffer(left + room_);
    if (left > 0) std::memcpy(fresh.bytes.get(), incoming_.bytes.get() + taken_, left);
    incoming_ = std::move(fresh);
  }
  taken_ = 0;
  arrived_ = left;
  return MutableBytes(incoming_.bytes.get(), incoming_.size).subspan(left);
}

// The room follows what comes: large after two full reads, small again after a few small ones.
void TlsEngine::received(size_t bytes) {
  arrived_ += bytes;
  const size_t before = room_;
  if (bytes == room_) {
    room_ = std::min(room_ * 4, most_room);
  } else if (bytes < room_ / 8) {
    room_ = std::max(room_ / 4, least_room);
  }
  if (room_ != before) keep_buffers(room_ > least_room);
}

// OpenSSL's own, of a record: to have one made for each record costs what a system call does.
void TlsEngine::keep_buffers(bool busy) {
  if (busy) {
    SSL_clear_mode(ssl_.get(), SSL_MODE_RELEASE_BUFFERS);
  } else {
    SSL_set_mode(ssl_.get(), SSL_MODE_RELEASE_BUFFERS);
  }
}

void TlsEngine::make_room_for(size_t more) {
  const size_t needed = outgoing_size_ + more;
  if (needed <= outgoing_.size) return;
  Buffer larger = acquire_buffer(std::bit_ceil(needed));
  if (outgoing_size_ > 0) {
    std::memcpy(larger.bytes.get(), outgoing_.bytes.get(), outgoing_size_);
  }
  outgoing_ = std::move(larger);
}

Error TlsEngine::failed(const char* doing) const {
  const unsigned long code = ERR_peek_last_error();
  const int reason = ERR_GET_REASON(code);
  const long verified = SSL_get_verify_result(ssl_.get());
  std::string text = openssl_reason();
  if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED && verified != X509_V_OK) {
    text = refusal(X509_verify_cert_error_string(verified));
    if (verified == X509_V_ERR_HOSTNAME_MISMATCH || verified == X509_V_ERR_IP_ADDRESS_MISMATCH) {
      text += " (it does not name " + host_ + ")";
    }
  } else if (reason == SSL_R_HTTP_REQUEST || reason == SSL_R_HTTPS_PROXY_REQUEST) {
    text = "it speaks HTTP, and this port speaks Kafka's protocol over TLS";
  } else if (reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_PACKET_LENGTH_TOO_LONG ||
             reason == SSL_R_RECORD_LENGTH_MISMATCH) {
    text = "it does not speak TLS; is one side set to plain text?";
  } else if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE) {
    text = "it shows no certificate, and one is required";
  }
  return Error::message(std::string(doing) + ": " + text);
}

// OpenSSL does not look at a certificate again where an earlier session is resumed.
Result<void> TlsEngine::check_end() {
  const X509* certificate = SSL_get0_peer_certificate(ssl_.get());
  if (certificate == nullptr || SSL_get_verify_mode(ssl_.get()) == SSL_VERIFY_NONE) return {};
  if (X509_cmp_current_time(X509_get0_notAfter(certificate)) > 0) return {};
  refused_subject_ = subject_of(*certificate);
  return fail("TLS handshake: " + refusal("certificate has expired"));
}

Result<bool> TlsEngine::handshake() {
  if (!unfit_.empty()) return fail("TLS handshake: " + unfit_);
  ERR_clear_error();
  const int done = SSL_do_handshake(ssl_.get());
  if (done == 1) {
    if (auto good = check_end(); !good) return fail(good.error());
    const X509* certificate = SSL_get0_peer_certificate(ssl_.get());
    if (certificate != nullptr) peer_subject_ = subject_of(*certificate);
    return true;
  }
  if (SSL_get_error(ssl_.get(), done) == SSL_ERROR_WANT_READ) return false;
  return fail(failed("TLS handshake"));
}

Result<std::optional<size_t>> TlsEngine::read(MutableBytes into) {
  size_t filled = 0;
  ERR_clear_error();  // once: it is dear beside a record, and what succeeds leaves nothing
  while (filled < into.size()) {
    size_t count = 0;
    const int done = SSL_read_ex(ssl_.get(), into.data() + filled, into.size() - filled, &count);
    filled += count;
    if (done == 1) continue;
    const int why = SSL_get_error(ssl_.get(), done);
    if (filled > 0) break;  // what is wrong is wrong next time too
    if (why == SSL_ERROR_WANT_READ) return std::nullopt;
    if (why == SSL_ERROR_ZERO_RETURN) return 0;
    return fail(failed("TLS"));
  }
  return filled;
}

Result<void> TlsEngine::write(Bytes plain) {
  if (plain.empty()) return {};
  const size_t records = (plain.size() + tls_record_size - 1) / tls_record_size;
  make_room_for(plain.size() + records * tls_record_overhead);
  ERR_clear_error();
  size_t count = 0;
  if (SSL_write_ex(ssl_.get(), plain.data(), plain.size(), &count) == 1) return {};
  return fail(failed("TLS"));
}

void TlsEngine::farewell() {
  ERR_clear_error();
  SSL_shutdown(ssl_.get());
  ERR_clear_error();
}

Slice TlsEngine::take_outgoing() {
  const size_t size = std::exchange(outgoing_size_, 0);
  const Buffer buffer = std::exchange(outgoing_, {});
  return {buffer.bytes, Bytes(buffer.bytes.get(), size)};
}

bool TlsEngine::resumed() const { return SSL_session_reused(ssl_.get()) == 1; }
std::string TlsEngine::server_name() const {
  const char* name = SSL_get_servername(ssl_.get(), TLSEXT_NAMETYPE_host_name);
  return name == nullptr ? "" : name;
}
std::string TlsEngine::protocol() const { return SSL_get_version(ssl_.get()); }

}  // namespace isthmus::io
