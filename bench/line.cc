#include "bench/line.h"

#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "bench/arguments.h"

namespace isthmus::bench {

namespace {

constexpr size_t encrypt_at_once = size_t{256} << 10;

}  // namespace

Line::Line(int socket, std::shared_ptr<const io::TlsContext> tls) : socket_(socket) {
  if (tls == nullptr) return;
  tls_ = std::make_unique<io::TlsEngine>(std::move(tls), "localhost");
  shake_hands();
}

bool Line::receive() {
  const size_t n = bench::read_some(socket(), tls_->space());
  tls_->received(n);
  return n > 0;
}

void Line::flush() {
  if (tls_->outgoing() > 0) bench::write_all(socket(), tls_->take_outgoing());
}

void Line::shake_hands() {
  for (;;) {
    const auto agreed = tls_->handshake();
    flush();
    if (!agreed) give_up(agreed.error().text);
    if (*agreed) return;
    open_ = receive();
    if (!open_) return;  // who only looked whether somebody listens
  }
}

size_t Line::read_some(MutableBytes into) {
  if (!tls_) return bench::read_some(socket(), into);
  for (;;) {
    const auto n = tls_->read(into);
    if (!n) give_up(n.error().text);
    if (*n) return **n;
    if (!receive()) return 0;
  }
}

std::optional<size_t> Line::read_arrived(MutableBytes into) {
  if (!tls_) return bench::read_some(socket(), into);
  if (!receive()) return 0;
  return read_received(into);
}

std::optional<size_t> Line::read_received(MutableBytes into) {
  if (!tls_) return std::nullopt;
  const auto n = tls_->read(into);
  if (!n) give_up(n.error().text);
  return *n;
}

void Line::read_all(MutableBytes into) {
  while (!into.empty()) {
    const size_t n = read_some(into);
    if (n == 0) give_up("closed in the middle of an answer");
    into = into.subspan(n);
  }
}

void Line::write_all(Bytes bytes) {
  if (!tls_) return bench::write_all(socket(), bytes);
  if (auto done = tls_->write(bytes); !done) give_up(done.error().text);
  flush();
}

void Line::write_file(int file, size_t position, size_t length) {
  auto from = static_cast<off_t>(position);
  std::vector<uint8_t> buffer(tls_ ? std::min(length, encrypt_at_once) : 0);
  while (length > 0) {
    ssize_t n;
    if (tls_) {
      n = ::pread(file, buffer.data(), std::min(length, buffer.size()), from);
      if (n > 0) write_all(Bytes(buffer).first(static_cast<size_t>(n)));
      from += n;
    } else {
      n = ::sendfile(socket(), file, &from, length);
    }
    if (n <= 0) give_up("a file cannot be sent");
    length -= static_cast<size_t>(n);
  }
}

void Line::end() {
  if (tls_) {
    tls_->farewell();
    flush();
  }
  ::shutdown(socket(), SHUT_WR);
}

}  // namespace isthmus::bench
