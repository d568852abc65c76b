#include "io/tls_stream.h"

#include <sys/uio.h>

#include <algorithm>
#include <deque>

#include "io/event.h"
#include "io/tls_engine.h"

namespace isthmus::io {

namespace {

// One write to the line: as many whole records as a buffer of 256 KiB takes.
constexpr size_t write_at_once = 256 * 1024;
constexpr size_t record_on_line = tls_record_size + tls_record_overhead;
constexpr size_t encrypt_at_once = write_at_once / record_on_line * tls_record_size;
constexpr size_t max_marks = 64;
constexpr size_t most_owed = 512 * 1024;  // twice what a writer collects

// What is in memory of a file range; 0 where the disk would be waited for.
size_t read_if_warm(const ReadableFile& file, uint64_t position, MutableBytes into) {
  if (file.native_handle() < 0) return 0;
  const iovec part{into.data(), into.size()};
  const ssize_t n =
      ::preadv2(file.native_handle(), &part, 1, static_cast<off_t>(position), RWF_NOWAIT);
  return n > 0 ? static_cast<size_t>(n) : 0;
}

}  // namespace

// Shared with the operations under way, as a stream may be destroyed meanwhile.
struct TlsStream::State {
  // Where in the line a byte of the conversation ends.
  struct Mark {
    uint64_t on_line;
    uint64_t plain;
  };

  State(std::unique_ptr<Stream> s, std::shared_ptr<const TlsContext> context, std::string host,
        Workers& r)
      : line(std::move(s)),
        is_listener(context->is_listener()),
        engine(std::move(context), std::move(host)),
        readers(r),
        flushed(*Loop::current()) {}

  Error closed() const {
    return Error::closed("connection to " + line->peer().to_string() + ": closed");
  }
  Error at_peer(Error error) const {
    error.text = line->peer().to_string() + ": " + error.text;
    return error;
  }
  void close();
  void mark();
  uint64_t delivered();

  static Task<Result<void>> flush(std::shared_ptr<State> self);
  static Task<Result<bool>> receive(std::shared_ptr<State> self);
  static Task<Result<void>> shake_hands(std::shared_ptr<State> self, Instant deadline);
  static Task<Result<void>> agree(std::shared_ptr<State> self);
  static Task<Result<size_t>> read(std::shared_ptr<State> self, MutableBytes into);
  static Task<Result<void>> send(std::shared_ptr<State> self, Rope rope);
  static Task<Result<void>> encrypt_file(std::shared_ptr<State> self, FileRange range);
  Result<void> encrypt(Bytes plain);
  size_t room_on_line() const;
  Result<void> encrypt_staged();

  std::unique_ptr<Stream> line;
  const bool is_listener;
  TlsEngine engine;
  Workers& readers;
  TlsPeer peer;
  std::vector<uint8_t> staged;  // small pieces, until they fill a record
  Event flushed;
  bool flushing = false;
  bool agreed = false;
  bool is_closed = false;
  bool late = false;
  uint64_t plain_written = 0;
  uint64_t line_written = 0;
  uint64_t known_delivered = 0;
  std::deque<Mark> marks;
};

void TlsStream::State::close() {
  if (is_closed) return;
  is_closed = true;
  // Behind half of a record nothing can follow.
  if (agreed && !flushing && engine.outgoing() == 0) {
    engine.farewell();
    if (engine.outgoing() > 0) line->write_now(engine.take_outgoing());
  }
  line->close();
  flushed.close();
}

// All that was encrypted up to now lies before this point of the line.
void TlsStream::State::mark() {
  if (!marks.empty() && marks.back().plain == plain_written) return;
  if (marks.size() >= max_marks) marks.pop_back();
  marks.push_back({line_written, plain_written});
}

uint64_t TlsStream::State::delivered() {
  const uint64_t on_line = line->delivered();
  while (!marks.empty() && marks.front().on_line <= on_line) {
    known_delivered = marks.front().plain;
    marks.pop_front();
  }
  return known_delivered;
}

// Reader and writer both have something for the line; whoever comes second waits.
Task<Result<void>> TlsStream::State::flush(std::shared_ptr<State> self) {
  while (self->flushing) {
    co_await self->flushed.wait();
    if (self->is_closed) co_return fail(self->closed());
  }
  self->flushing = true;
  Result<void> sent;
  while (sent && self->engine.outgoing() > 0) {
    Slice out = self->engine.take_outgoing();
    self->line_written += out.size();
    self->mark();
    sent = co_await self->line->write(Rope(std::move(out)));
  }
  self->flushing = false;
  self->flushed.notify_all();
  if (!sent) self->close();
  co_return sent;
}

// False at the peer's end.
Task<Result<bool>> TlsStream::State::receive(std::shared_ptr<State> self) {
  auto n = co_await self->line->read_some(self->engine.space());
  if (!n) co_return fail(n.error());
  self->engine.received(*n);
  co_return *n > 0;
}

Task<Result<void>> TlsStream::State::agree(std::shared_ptr<State> self) {
  for (;;) {
    auto done = self->engine.handshake();
    // Also an alert, which tells the peer why.
    if (self->engine.outgoing() > 0) {
      auto sent = co_await flush(self);
      if (!sent && done) co_return sent;
    }
    if (!done) co_return fail(done.error());
    if (*done) co_return Result<void>{};
    auto more = co_await receive(self);
    if (!more) co_return fail(more.error());
    if (!*more) {
      co_return fail(
          Error::closed("it closed the connection during the TLS handshake; is that a port for "
                        "TLS?"));
    }
  }
}

Task<Result<void>> TlsStream::State::shake_hands(std::shared_ptr<State> self, Instant deadline) {
  Loop& loop = *Loop::current();
  const auto timer = loop.run_at(deadline, [&state = *self] {
    state.late = true;
    state.close();
  });
  auto agreed = co_await agree(self);
  loop.cancel(timer);
  if (self->late) {
    agreed = fail(Error::timeout("no TLS handshake in time"));
  }
  if (!agreed) {
    self->close();
    co_return agreed;
  }
  self->agreed = true;
  self->peer.subject = self->engine.peer_subject();
  self->peer.protocol = self->engine.protocol();
  self->peer.resumed = self->engine.resumed();
  if (self->is_listener) self->peer.server_name = self->engine.server_name();
  co_return Result<void>{};
}

Task<Result<size_t>> TlsStream::State::read(std::shared_ptr<State> self, MutableBytes into) {
  if (into.empty()) co_return 0;
  for (;;) {
    if (self->is_closed) co_return fail(self->closed());
    auto n = self->engine.read(into);
    // An answer of the protocol's own. Whoever writes takes it along, but a peer may ask for many
    // of them while nobody can write.
    const size_t owed = self->engine.outgoing();
    if (owed > 0 && (!self->flushing || owed > most_owed)) {
      auto sent = co_await flush(self);
      if (!sent && n && !*n) co_return fail(sent.error());
    }
    if (!n) {
      const Error error = self->at_peer(n.error());
      self->close();
      co_return fail(error);
    }
    if (*n) co_return **n;
    auto more = co_await receive(self);
    if (self->is_closed) co_return fail(self->closed());
    if (!more) co_return fail(more.error());
    if (!*more) co_return 0;
  }
}

Result<void> TlsStream::State::encrypt(Bytes plain) {
  plain_written += plain.size();
  return engine.write(plain);
}

// Bytes of whole records that fit into what is written next.
size_t TlsStream::State::room_on_line() const {
  const size_t waiting = std::min(engine.outgoing(), write_at_once);
  return (write_at_once - waiting) / record_on_line * tls_record_size;
}

Result<void> TlsStream::State::encrypt_staged() {
  auto done = encrypt(staged);
  staged.clear();
  return done;
}

Task<Result<void>> TlsStream::State::encrypt_file(std::shared_ptr<State> self, FileRange range) {
  const Buffer buffer = acquire_buffer(std::min<uint64_t>(range.length, encrypt_at_once));
  while (range.length > 0) {
    const MutableBytes into(buffer.bytes.get(), std::min<uint64_t>(buffer.size, range.length));
    size_t count = read_if_warm(*range.file, range.position, into);
    if (count == 0) {
      auto read =
          co_await run_on(self->readers, [&] { return range.file->read_at(range.position, into); });
      if (!read) co_return fail(read.error());
      if (*read == 0) co_return fail(Error::io(EIO, "a file is shorter than what is sent of it"));
      count = *read;
    }
    range.position += count;
    range.length -= count;
    if (self->is_closed) co_return fail(self->closed());
    auto done = self->encrypt(into.first(count));
    if (!done) co_return done;
    auto sent = co_await flush(self);
    if (!sent) co_return sent;
  }
  co_return Result<void>{};
}

Task<Result<void>> TlsStream::State::send(std::shared_ptr<State> self, Rope rope) {
  if (self->is_closed) co_return fail(self->closed());
  for (Piece& piece : std::move(rope).take_pieces()) {
    Result<void> done;
    if (auto* range = std::get_if<FileRange>(&piece)) {
      done = self->encrypt_staged();
      if (done) done = co_await encrypt_file(self, std::move(*range));
    } else {
      Bytes rest = std::get<Slice>(piece);
      while (done && !rest.empty()) {
        if (self->staged.empty() && rest.size() >= tls_record_size) {
          const Bytes part = rest.first(
              std::min(rest.size() / tls_record_size * tls_record_size, self->room_on_line()));
          done = self->encrypt(part);
          rest = rest.subspan(part.size());
        } else {
          const Bytes part =
              rest.first(std::min(rest.size(), tls_record_size - self->staged.size()));
          self->staged.insert(self->staged.end(), part.begin(), part.end());
          rest = rest.subspan(part.size());
          if (self->staged.size() == tls_record_size) done = self->encrypt_staged();
        }
        if (done && self->room_on_line() == 0) done = co_await flush(self);
      }
    }
    if (!done) {
      self->close();  // half of the rope may be out: nothing can follow it
      co_return done;
    }
  }
  auto done = self->encrypt_staged();
  if (self->staged.capacity() > 0) std::vector<uint8_t>().swap(self->staged);
  if (!done) {
    self->close();
    co_return done;
  }
  co_return co_await flush(self);
}

TlsStream::TlsStream(std::unique_ptr<Stream> plain, std::shared_ptr<const TlsContext> context,
                     std::string host, Workers& readers)
    : state_(std::make_shared<State>(std::move(plain), std::move(context), std::move(host),
                                     readers)) {}

TlsStream::~TlsStream() { state_->close(); }

Task<Result<void>> TlsStream::handshake(Instant deadline) {
  return State::shake_hands(state_, deadline);
}
Task<Result<size_t>> TlsStream::read_some(MutableBytes into) { return State::read(state_, into); }
Task<Result<void>> TlsStream::write(Rope rope) { return State::send(state_, std::move(rope)); }

void TlsStream::write_now(Bytes bytes) {
  if (state_->is_closed || state_->flushing) return;
  if (state_->encrypt(bytes)) state_->line->write_now(state_->engine.take_outgoing());
}

void TlsStream::close() { state_->close(); }
const Address& TlsStream::peer() const { return state_->line->peer(); }
uint64_t TlsStream::delivered() const { return state_->delivered(); }
const TlsPeer* TlsStream::tls() const { return state_->agreed ? &state_->peer : nullptr; }

Task<Result<std::unique_ptr<Stream>>> begin_tls(std::unique_ptr<Stream> plain,
                                                std::shared_ptr<const TlsContext> context,
                                                std::string host, Workers& readers,
                                                Instant deadline) {
  auto stream =
      std::make_unique<TlsStream>(std::move(plain), std::move(context), std::move(host), readers);
  auto agreed = co_await stream->handshake(deadline);
  if (!agreed) {
    Error error = agreed.error();
    error.text = stream->peer().to_string() + ": " + error.text;
    co_return fail(std::move(error));
  }
  co_return stream;
}

}  // namespace isthmus::io
