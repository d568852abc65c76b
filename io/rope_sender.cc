#include "io/rope_sender.h"

#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>

namespace isthmus::io {

namespace {

constexpr size_t slices_per_call = 256;     // below IOV_MAX, and 4 KiB of stack
constexpr size_t copy_at_once = 64 * 1024;  // for files that have no descriptor
constexpr uint64_t probe_step = 256 * 1024;
constexpr uint64_t probe_at_once = 1024 * 1024;
constexpr uint64_t copy_buffer = 256 * 1024;
constexpr uint64_t read_at_once = 1024 * 1024;  // of what is cold

uint64_t size_of(const Piece& piece) {
  if (const auto* slice = std::get_if<Slice>(&piece)) return slice->size();
  return std::get<FileRange>(piece).length;
}

Result<size_t> outcome(ssize_t n) {
  if (n >= 0) return static_cast<size_t>(n);
  if (errno == EAGAIN || errno == EWOULDBLOCK) return 0;
  return fail(Error::io(errno, "cannot send"));
}

// Whether the byte can be had without waiting. Where the file system cannot tell, or reading fails,
// sendfile will show.
bool is_in_memory(int file, uint64_t position) {
  uint8_t byte;
  iovec part{&byte, 1};
  return ::preadv2(file, &part, 1, static_cast<off_t>(position), RWF_NOWAIT) >= 0 ||
         errno != EAGAIN;
}

std::unexpected<Error> file_too_short() {
  return fail(Error::corrupt("file ends inside a range to be sent"));
}

}  // namespace

Result<RopeSender::Outcome> RopeSender::send_to(int socket) {
  while (piece_ < pieces_.size()) {
    const auto* range = std::get_if<FileRange>(&pieces_[piece_]);
    if (range != nullptr && !is_warm(*range)) return Outcome::file_cold;
    auto sent = range != nullptr ? send_range(socket, *range) : send_slices(socket);
    if (!sent && sent.error().code == EINTR) continue;
    if (!sent) return fail(sent.error());
    if (*sent == 0) return Outcome::socket_full;
    advance(*sent);
  }
  return Outcome::sent;
}

bool RopeSender::is_warm(const FileRange& range) {
  if (warm_until_ > offset_) return true;
  const int file = range.file->native_handle();
  const uint64_t end = std::min(range.length, offset_ + probe_at_once);
  warm_until_ = offset_;
  while (warm_until_ < end) {
    if (file >= 0 && !is_in_memory(file, range.position + warm_until_)) break;
    warm_until_ = std::min(end, warm_until_ + probe_step);
  }
  return warm_until_ > offset_;
}

RopeSender::Cold RopeSender::cold() const {
  const auto& range = std::get<FileRange>(pieces_[piece_]);
  const uint64_t left = range.length - offset_;
  const uint64_t length = std::min(left, read_at_once);
  return {{range.file, range.position + offset_, length}, left - length};
}

Result<void> RopeSender::Cold::operator()() const {
  std::vector<uint8_t> buffer(std::min(range.length, copy_buffer));
  for (uint64_t at = 0; at < range.length; at += buffer.size()) {
    const uint64_t size = std::min<uint64_t>(buffer.size(), range.length - at);
    auto n = range.file->read_at(range.position + at, MutableBytes(buffer).first(size));
    if (!n) return fail(n.error());
  }
  // While this part is being sent, the disk reads the next.
  const uint64_t next = std::min(beyond, read_at_once);
  if (next > 0) {
    ::posix_fadvise(range.file->native_handle(), static_cast<off_t>(range.position + range.length),
                    static_cast<off_t>(next), POSIX_FADV_WILLNEED);
  }
  return {};
}

Result<size_t> RopeSender::send_slices(int socket) {
  iovec parts[slices_per_call];
  size_t count = 0;
  size_t next = piece_;
  for (; next < pieces_.size() && count < slices_per_call; ++next) {
    const auto* slice = std::get_if<Slice>(&pieces_[next]);
    if (slice == nullptr) break;
    Bytes rest = slice->view().subspan(next == piece_ ? offset_ : 0);
    parts[count++] = {const_cast<uint8_t*>(rest.data()), rest.size()};
  }
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = count;
  // A header before a file range goes into the same packet as the file's first bytes.
  int more = next < pieces_.size() ? MSG_MORE : 0;
  return outcome(::sendmsg(socket, &message, MSG_NOSIGNAL | more));
}

Result<size_t> RopeSender::send_range(int socket, const FileRange& range) {
  uint64_t left = warm_until_ - offset_;
  if (int file = range.file->native_handle(); file >= 0) {
    auto position = static_cast<off_t>(range.position + offset_);
    ssize_t n = ::sendfile(socket, file, &position, left);
    if (n == 0) return file_too_short();
    return outcome(n);
  }
  std::vector<uint8_t> copy(std::min<uint64_t>(left, copy_at_once));
  auto n = range.file->read_at(range.position + offset_, copy);
  if (!n) return fail(n.error());
  if (*n == 0) return file_too_short();
  return outcome(::send(socket, copy.data(), *n, MSG_NOSIGNAL));
}

void RopeSender::advance(size_t sent) {
  sent_ += sent;
  while (sent > 0) {
    uint64_t here = size_of(pieces_[piece_]) - offset_;
    if (sent < here) {
      offset_ += sent;
      return;
    }
    sent -= here;
    offset_ = warm_until_ = 0;
    // What is sent is not held until the rest is: buffers go back to their pools.
    pieces_[piece_++] = Slice();
  }
}

}  // namespace isthmus::io
