#include "server/connection.h"

#include <exception>

namespace isthmus::server {

namespace {

constexpr size_t length_size = 4;
// One write takes no more replies once it has this many bytes: the first of them should not wait
// in memory for the last. A larger reply is written in parts of this size, so that a client that
// takes it slowly is told from one that takes nothing.
constexpr uint64_t good_write_size = size_t{1} << 20;

// What a peer that speaks another protocol probably wanted; empty if nothing is known about it.
std::string_view hint_for(std::string_view front) {
  for (std::string_view method : {"GET ", "HEAD", "POST", "PUT ", "OPTI"}) {
    if (front == method) return "; this looks like HTTP, which the admin listener speaks";
  }
  if (front.starts_with("\x16\x03")) return "; this looks like TLS, this listener is plain";
  return "";
}

// A rope in parts, from its front.
class Parts {
 public:
  explicit Parts(Rope rope) : pieces_(std::move(rope).take_pieces()) {}

  bool empty() const { return at_ == pieces_.size(); }
  // `size` bytes, or all that are left.
  Rope take(uint64_t size) {
    Rope part;
    while (!empty() && part.size() < size) {
      const auto move = [&](auto& piece) { return move_front(piece, size - part.size(), part); };
      if (std::visit(move, pieces_[at_])) ++at_;
    }
    return part;
  }

 private:
  // At most `room` bytes of a piece. True if nothing is left of it.
  static bool move_front(Slice& slice, uint64_t room, Rope& part) {
    const size_t size = std::min<uint64_t>(room, slice.size());
    part.append(slice.sub(0, size));
    slice = slice.sub(size, slice.size() - size);
    return slice.empty();
  }
  static bool move_front(FileRange& range, uint64_t room, Rope& part) {
    const uint64_t size = std::min(room, range.length);
    part.append(FileRange{range.file, range.position, size});
    range.position += size;
    range.length -= size;
    return range.length == 0;
  }

  std::vector<Piece> pieces_;
  size_t at_ = 0;
};

}  // namespace

Connection::Connection(std::unique_ptr<io::Stream> stream,
                       std::shared_ptr<ConnectionContext> context, Service& service, Budget& budget,
                       const ConnectionLimits& limits)
    : stream_(std::move(stream)),
      context_(std::move(context)),
      service_(service),
      budget_(budget),
      limits_(limits),
      log_("client " + context_->peer.to_string()),
      loop_(*context_->loop),
      frames_(loop_, *stream_, limits.max_request_bytes),
      gate_(loop_),
      ready_(loop_),
      progress_(loop_),
      last_active_(loop_.now()) {}

Connection::~Connection() {
  if (idle_timer_ != 0) loop_.cancel(idle_timer_);
}

io::Task<void> Connection::run() {
  gate_.spawn("writer", write_replies());
  watch_idle();
  std::exception_ptr escaped;
  try {
    co_await read_requests();
  } catch (...) {
    escaped = std::current_exception();
    close();
  }
  service_.closed(*context_);
  co_await gate_.close();
  for (Slot& slot : slots_) {
    if (!slot.done) slot.charge.end();
  }
  if (escaped) std::rethrow_exception(escaped);
}

void Connection::drain() {
  draining_ = true;
  context_->ending = true;
  ready_.notify_all();
  progress_.notify_all();
  budget_.room().notify_all();
}

void Connection::close() {
  closed_ = true;
  context_->closed = true;
  stream_->close();
  // Nobody will hear them, and others may wait for the room that they take.
  for (Slot& slot : slots_) slot.reply.reset();
  drain();
}

void Connection::close_if_stalled(io::Duration limit) {
  if (closed_ || !writing_since_ || *writing_since_ + limit > loop_.now()) return;
  log_.info("listener={} closed: takes nothing of what is written to it", context_->listener);
  close();
}

io::Task<void> Connection::read_requests() {
  for (;;) {
    const bool go_on = co_await answer_what_arrived();
    if (!go_on) co_return;
    auto more = co_await frames_.fill();
    if (closed_ || draining_) co_return;
    if (!more || !*more) {
      log_.debug("listener={} gone: {}", context_->listener,
                 more ? "closed by the peer" : more.error().text);
      close();
      co_return;
    }
    last_active_ = loop_.now();
  }
}

// False when nothing more is to be read.
io::Task<bool> Connection::answer_what_arrived() {
  for (;;) {
    if (must_wait()) co_await wait_for_room();
    if (closed_ || draining_) co_return false;
    auto frame = frames_.next();
    if (!frame) {
      refuse(frame.error());
      co_return false;
    }
    if (!*frame) co_return true;
    const bool go_on = co_await accept_request(std::move(**frame));
    if (!go_on) co_return false;
  }
}

io::Task<bool> Connection::accept_request(Slice frame) {
  kafka::Reader reader(frame);
  auto header = kafka::RequestHeader::decode(reader);
  if (!header) {
    refuse(header.error());
    co_return false;
  }
  if (header->client_id && *header->client_id != context_->client_id) {
    context_->client_id = *header->client_id;
  }
  Slot& slot = slots_.emplace_back(budget_, frame.size());
  slot.arrived = loop_.now();
  if (context_->stats != nullptr) slot.stats = &context_->stats->arrived(*header, frame.size());
  Slice body = frame.sub(reader.position(), reader.remaining());
  Request request{std::move(*header), std::move(frame), std::move(body), context_, &slot.charge};
  Reply reply = co_await service_.dispatch(std::move(request));
  gate_.spawn("reply", complete(slot, std::move(reply)));
  end_if_asked();
  co_return !draining_;
}

void Connection::end_if_asked() {
  if (!context_->end_reason || draining_) return;
  log_.info("listener={} ending: {}", context_->listener, *context_->end_reason);
  drain();
}

bool Connection::owes_too_much() const {
  return slots_.size() >= limits_.max_requests || outgoing_bytes_ >= limits_.max_outgoing_bytes;
}

io::Task<void> Connection::wait_for_room() {
  while (must_wait() && !closed_ && !draining_) {
    io::Event& change = owes_too_much() ? progress_ : budget_.room();
    co_await change.wait();
  }
}

io::Task<void> Connection::complete(Slot& slot, Reply reply) {
  try {
    slot.reply = co_await reply;
  } catch (...) {
    // The client waits for an answer that will never come: it must ask again elsewhere.
    close();
    finish(slot);
    throw;
  }
  if (slot.stats != nullptr) {
    slot.stats->answered(loop_.now() - slot.arrived, slot.reply ? slot.reply->size() : 0);
  }
  if (closed_) slot.reply.reset();
  slot.lost = slot.reply && slot.reply->empty();
  if (slot.reply) outgoing_bytes_ += length_size + slot.reply->size();
  finish(slot);
}

// The request's bytes are given back here, not when the reply is written: a client that does not
// read must not use up what the others live on.
void Connection::finish(Slot& slot) {
  slot.done = true;
  slot.charge.end();
  if (slots_.front().done) ready_.notify_all();
  end_if_asked();  // an authentication that failed, say
}

io::Task<void> Connection::write_replies() {
  for (;;) {
    while (!front_is_ready() && !closed_ && !(draining_ && slots_.empty())) {
      co_await ready_.wait();
    }
    if (closed_ || slots_.empty() || slots_.front().lost) break;
    Rope rope = gather_ready();
    const uint64_t size = rope.size();
    if (size > 0) {
      auto written = co_await write(std::move(rope));
      outgoing_bytes_ -= size;
      if (!written) {
        log_.debug("listener={} gone: {}", context_->listener, written.error().text);
        break;
      }
    }
    progress_.notify_all();
  }
  close();
}

io::Task<Result<void>> Connection::write(Rope rope) {
  Parts parts(std::move(rope));
  Result<void> written;
  while (written && !parts.empty()) {
    last_active_ = loop_.now();
    writing_since_ = last_active_;
    written = co_await stream_->write(parts.take(good_write_size));
  }
  writing_since_.reset();
  last_active_ = loop_.now();
  co_return written;
}

Rope Connection::gather_ready() {
  size_t count = 0;
  uint64_t size = 0;
  while (count < slots_.size() && slots_[count].done && size < good_write_size) {
    if (slots_[count].lost) break;
    if (slots_[count].reply) size += slots_[count].reply->size();
    ++count;
  }
  std::vector<uint8_t> lengths(length_size * count);
  for (size_t i = 0; i < count; ++i) {
    if (!slots_[i].reply) continue;
    store_be(&lengths[length_size * i], static_cast<uint32_t>(slots_[i].reply->size()));
  }
  const Slice prefixes = Slice::take(std::move(lengths));
  Rope rope;
  for (size_t i = 0; i < count; ++i) {
    auto& reply = slots_.front().reply;
    if (reply) {
      rope.append(prefixes.sub(length_size * i, length_size));
      rope.append(std::move(*reply));
    }
    slots_.pop_front();
  }
  return rope;
}

void Connection::refuse(const Error& error) {
  log_.warn("listener={} refused and closed: {}{}", context_->listener, error.text,
            hint_for(frames_.front()));
  close();
}

void Connection::watch_idle() {
  idle_timer_ = loop_.run_at(last_active_ + limits_.max_idle, [this] { check_idle(); });
}

// Idle is who says nothing while we owe nothing, or does not take what we write. A client whose
// request waits in the service (a group that gathers, a long poll) is not.
void Connection::check_idle() {
  idle_timer_ = 0;
  if (closed_) return;
  const bool waits_for_us = !slots_.empty() && !writing_since_;
  if (waits_for_us) last_active_ = loop_.now();
  if (last_active_ + limits_.max_idle > loop_.now()) return watch_idle();
  log_.debug("listener={} closed: idle", context_->listener);
  close();
}

}  // namespace isthmus::server
