#include "server/connection.h"

#include <exception>

#include "io/turn_watch.h"
#include "server/throttle.h"

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
  if (front == "\r\n\r\n" || front == "PROX") {
    return "; this looks like a PROXY header, and proxy.protocol.from does not name its address";
  }
  return "";
}

// Of somebody who is not known yet: what a log-in takes, and no more.
constexpr size_t bytes_before_log_in = 2 * kafka::longest_sasl_message;
constexpr size_t requests_before_log_in = 4;

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

// Without what lies in files.
size_t bytes_in_memory(const Rope& rope) {
  size_t bytes = 0;
  for (const Piece& piece : rope.pieces()) {
    if (const auto* slice = std::get_if<Slice>(&piece)) bytes += slice->size();
  }
  return bytes;
}

}  // namespace

Connection::Connection(std::unique_ptr<io::Stream> stream,
                       std::shared_ptr<ConnectionContext> context, Service& service, Budget& budget,
                       const ConnectionLimits& limits)
    : stream_(std::move(stream)),
      context_(std::move(context)),
      service_(service),
      budget_(budget),
      limits_(limits),
      log_(LogComponent::server, "client " + context_->peer.to_string()),
      loop_(*context_->loop),
      frames_(loop_, *stream_, limits.max_request_bytes),
      arrival_(budget),
      gate_(loop_),
      ready_(loop_),
      progress_(loop_),
      last_active_(loop_.now()) {}

Connection::~Connection() {
  cancel(idle_timer_);
  cancel(arrival_timer_);
  cancel(linger_timer_);
  budget_.resize_window(window_, 0);
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
    forget(slot);
  }
  if (escaped) std::rethrow_exception(escaped);
}

void Connection::drain() {
  draining_ = true;
  context_->ending = true;
  arrival_.end();
  ready_.notify_all();
  progress_.notify_all();
  budget_.room().notify_all();
}

void Connection::close() {
  closed_ = true;
  context_->closed = true;
  stream_->close();
  // Nobody will hear them, and others may wait for the room that they take.
  for (Slot& slot : slots_) forget(slot);
  drain();
}

void Connection::forget(Slot& slot) {
  slot.reply.reset();
  give_back_reply(std::exchange(slot.reply_in_memory, 0));
}

void Connection::give_back_reply(size_t in_memory) {
  outgoing_in_memory_ -= in_memory;
  budget_.give_back_reply(in_memory);
}

void Connection::close_if_stalled(io::Duration limit) {
  if (closed_ || latest_taken_ + limit > loop_.now()) return;
  if (!writing_ && outgoing_in_memory_ < good_write_size) return;
  log_.info("listener={} closed: takes nothing of what is written to it", context_->listener);
  close();
}

io::Task<void> Connection::read_requests() {
  for (;;) {
    const bool go_on = co_await answer_what_arrived();
    if (!go_on) co_return;
    const bool prepared = co_await prepare_to_read();
    if (!prepared) co_return;
    auto more = co_await frames_.fill();
    if (closed_ || draining_) co_return;
    const bool ended = more ? !*more : more.error().kind == Error::Kind::closed;
    if (!more || ended) {
      log_.debug("listener={} gone: {}", context_->listener,
                 more ? "closed by the peer" : more.error().text);
      ended ? peer_ended() : close();
      co_return;
    }
    last_active_ = loop_.now();
  }
}

void Connection::peer_ended() {
  drain();
  linger_timer_ = loop_.run_at(loop_.now() + limits_.max_linger, [this] {
    linger_timer_ = 0;
    close();
  });
}

io::Task<bool> Connection::prepare_to_read() {
  const auto [size, arrived] = frames_.unfinished();
  if (size > small_frame && !arrival_.holds()) {
    co_await arrival_.begin(size);
    if (closed_ || draining_) co_return false;
    pace_.excuse();
  }
  if (arrived > 0 && arrival_timer_ == 0) look_at_arrival();
  // Without room for more, little is read at a time: slower, and never too much.
  frames_.limit_buffer(io::largest_buffer);
  const size_t wanted = frames_.next_buffer();
  const bool own = wanted > io::largest_buffer;  // of the frame, which has reserved it
  if (!budget_.resize_window(window_, own ? 0 : wanted)) {
    budget_.resize_window(window_, 0);
    frames_.limit_buffer(small_frame);
  }
  co_return true;
}

// Now and then while a request is arriving, and not for each: most are here before anybody looks.
void Connection::look_at_arrival() {
  arrival_timer_ = 0;
  const auto [size, arrived] = frames_.unfinished();
  if (closed_ || draining_ || arrived == 0) return;
  const bool waits_for_us = must_wait() || (size > small_frame && !arrival_.holds());
  if (waits_for_us) pace_.excuse();
  if (!pace_.look(loop_.now(), frames_.frames(), arrived, arrival_.is_wanted())) {
    log_.info(
        "listener={} closed: {} of {} bytes of its request are here, and the rest comes too "
        "slowly",
        context_->listener, arrived, size);
    return close();
  }
  arrival_timer_ = loop_.run_at(loop_.now() + Pace::look_interval, [this] { look_at_arrival(); });
}

// False when nothing more is to be read.
io::Task<bool> Connection::answer_what_arrived() {
  for (;;) {
    if (must_wait()) co_await wait_for_room();
    if (closed_ || draining_) co_return false;
    auto frame = frames_.next(context_->log_in.is_wanted() ? bytes_before_log_in
                                                           : limits_.max_request_bytes);
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
  arrival_.end();  // what it has reserved is charged now
  Throttle* throttle = context_->throttle.get();
  if (throttle != nullptr) throttle->follow(context_->principal.name, context_->client_id);
  header->throttle = throttle;
  Slice body = frame.sub(reader.position(), reader.remaining());
  Request request{std::move(*header), std::move(frame), std::move(body), context_, &slot.charge};
  const kafka::ApiInfo* api = kafka::find_api(request.header.api_key);
  io::doing(api == nullptr ? "a request" : api->name);
  Reply reply;
  io::Task<Reply> dispatched = service_.dispatch(std::move(request));
  if (throttle != nullptr && throttle->limits_work()) {
    throttle->begin_work();
    reply = co_await CountingFirstPart(dispatched, *throttle);
    throttle->begin_work();
  } else {
    reply = co_await dispatched;
  }
  gate_.spawn("reply", complete(slot, std::move(reply)));
  if (throttle != nullptr) throttle->end_work();
  end_if_asked();
  co_return !draining_;
}

void Connection::end_if_asked() {
  if (!context_->end_reason || draining_) return;
  if (auto silent = silent_before(*context_->end_reason)) {
    log_.info("listener={} ending: {}{}", context_->listener, *context_->end_reason,
              Complaints::others(*silent));
  }
  drain();
}

bool Connection::owes_too_much() const {
  const size_t most = context_->log_in.is_wanted() ? requests_before_log_in : limits_.max_requests;
  return slots_.size() >= most || outgoing_bytes_ >= limits_.max_outgoing_bytes;
}

bool Connection::is_muted() const {
  Throttle* throttle = context_->throttle.get();
  return throttle != nullptr && throttle->is_muted() && !arrival_.holds();
}

io::Task<void> Connection::wait_for_room() {
  while (must_wait() && !closed_ && !draining_) {
    if (is_muted()) {
      co_await progress_.wait_until(context_->throttle->muted_until());
      continue;
    }
    io::Event& change = is_held_back() ? progress_ : budget_.room();
    co_await change.wait();
  }
  pace_.excuse();
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
  if (slot.reply) {
    if (outgoing_bytes_ == 0) latest_taken_ = loop_.now();
    outgoing_bytes_ += length_size + slot.reply->size();
    slot.reply_in_memory = bytes_in_memory(*slot.reply);
    outgoing_in_memory_ += slot.reply_in_memory;
    budget_.take_reply(slot.reply_in_memory);
  }
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
    size_t in_memory = 0;
    Rope rope = gather_ready(in_memory);
    const uint64_t size = rope.size();
    if (size > 0) {
      auto written = co_await write(std::move(rope));
      outgoing_bytes_ -= size;
      give_back_reply(in_memory);
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
  writing_ = true;
  while (written && !parts.empty()) {
    last_active_ = loop_.now();
    latest_taken_ = last_active_;
    written = co_await stream_->write(parts.take(good_write_size));
  }
  writing_ = false;
  last_active_ = latest_taken_ = loop_.now();
  co_return written;
}

Rope Connection::gather_ready(size_t& in_memory) {
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
      in_memory += slots_.front().reply_in_memory;
    }
    slots_.pop_front();
  }
  return rope;
}

void Connection::refuse(const Error& error) {
  if (auto silent = silent_before(error.text)) {
    log_.warn("listener={} refused and closed: {}{}{}", context_->listener, error.text,
              hint_for(frames_.front()), Complaints::others(*silent));
  }
  close();
}

// Of strangers not each is worth a line.
std::optional<size_t> Connection::silent_before(const std::string& why) {
  const bool is_stranger = context_->log_in.is_wanted() && context_->complaints != nullptr;
  return is_stranger ? context_->complaints->next(why, loop_.now()) : 0;
}

void Connection::cancel(io::Loop::TimerId& timer) {
  if (timer != 0) loop_.cancel(std::exchange(timer, 0));
}

// Who has yet to log in has less time, however busy he is.
io::Instant Connection::idle_from() const {
  const io::Instant by_silence = last_active_ + limits_.max_idle;
  if (!context_->log_in.is_wanted()) return by_silence;
  return std::min(by_silence, context_->opened_at + limits_.max_log_in);
}

void Connection::watch_idle() {
  idle_timer_ = loop_.run_at(idle_from(), [this] { check_idle(); });
}

// Idle is who says nothing while we owe nothing, or does not take what we write. A client whose
// request waits in the service (a group that gathers, a long poll) is not.
void Connection::check_idle() {
  idle_timer_ = 0;
  if (closed_) return;
  const bool waits_for_us = !slots_.empty() && !writing_;
  if (waits_for_us) last_active_ = loop_.now();
  if (idle_from() > loop_.now()) return watch_idle();
  log_.debug("listener={} closed: idle", context_->listener);
  close();
}

}  // namespace isthmus::server
