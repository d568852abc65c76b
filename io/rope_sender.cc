#include "io/rope_sender.h"

#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>

namespace isthmus::io {

namespace {

constexpr size_t slices_per_call = 256;      // below IOV_MAX, and 4 KiB of stack
constexpr size_t copy_at_once = 64 * 1024;   // for files that have no descriptor
constexpr size_t sendfile_limit = 1u << 30;  // the kernel's own is just below 2 GiB

uint64_t size_of(const Piece& piece) {
  if (const auto* slice = std::get_if<Slice>(&piece)) return slice->size();
  return std::get<FileRange>(piece).length;
}

Result<size_t> outcome(ssize_t n) {
  if (n >= 0) return static_cast<size_t>(n);
  if (errno == EAGAIN || errno == EWOULDBLOCK) return 0;
  return fail(Error::io(errno, "cannot send"));
}

std::unexpected<Error> file_too_short() {
  return fail(Error::corrupt("file ends inside a range to be sent"));
}

}  // namespace

Result<bool> RopeSender::send_to(int socket) {
  while (piece_ < pieces_.size()) {
    const auto* range = std::get_if<FileRange>(&pieces_[piece_]);
    auto sent = range != nullptr ? send_range(socket, *range) : send_slices(socket);
    if (!sent && sent.error().code == EINTR) continue;
    if (!sent) return fail(sent.error());
    if (*sent == 0) return false;
    advance(*sent);
  }
  return true;
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
  uint64_t left = range.length - offset_;
  if (int file = range.file->native_handle(); file >= 0) {
    auto position = static_cast<off_t>(range.position + offset_);
    ssize_t n = ::sendfile(socket, file, &position, std::min<uint64_t>(left, sendfile_limit));
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
  while (sent > 0) {
    uint64_t here = size_of(pieces_[piece_]) - offset_;
    if (sent < here) {
      offset_ += sent;
      return;
    }
    sent -= here;
    offset_ = 0;
    // What is sent is not held until the rest is: buffers go back to their pools.
    pieces_[piece_++] = Slice();
  }
}

}  // namespace isthmus::io
