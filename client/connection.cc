#include "client/connection.h"

#include <algorithm>
#include <deque>
#include <map>

#include "client/log_in.h"
#include "io/event.h"
#include "io/frames.h"
#include "io/tls_stream.h"
#include "kafka/gen/api_versions.h"
#include "kafka/gen/impersonate.h"

namespace isthmus::client {

namespace {

constexpr size_t length_size = 4;
constexpr size_t correlation_size = 4;
// How often, within the time that a request has, it is looked whether bytes move for it.
constexpr int looks = 8;
// Of a session's time; as Kafka's clients, which log in again then.
constexpr double fresh_share = 0.85;

std::string api_name(int16_t key) {
  const auto* api = kafka::find_api(key);
  return api ? std::string(api->name) : "api " + std::to_string(key);
}

}  // namespace

Error no_common_version(kafka::ApiKey key, const io::Address& peer) {
  return kafka::error_of(kafka::ErrorCode::unsupported_version,
                         peer.to_string() + " speaks no version of " +
                             api_name(static_cast<int16_t>(key)) + " that we know");
}

// Shared by the handle, the conversations that read and write, and the calls under way.
struct Connection::State {
  // A request whose answer is awaited.
  struct Pending {
    Pending(io::Loop& loop, int32_t id, int16_t key, uint64_t e)
        : done(loop), correlation_id(id), api_key(key), end(e) {}
    io::Event done;
    const int32_t correlation_id;
    const int16_t api_key;
    const uint64_t end;  // where it ends, among all bytes that were ever to be written
    std::optional<Result<Slice>> answer;
  };

  State(io::Loop& l, std::unique_ptr<io::Stream> s, ConnectionOptions o)
      : loop(l),
        stream(std::move(s)),
        options(std::move(o)),
        frames(l, *stream, options.max_response_bytes),
        to_write(l),
        written(l) {}

  // Ends everything; all who wait get `why`. The first reason stands.
  void end(Error why);
  void enqueue(const RawRequest& request, int32_t correlation_id);
  Result<void> deliver(const Slice& frame);
  // Grows whenever bytes move for it. What moves behind it does not count: a broker that no longer
  // answers goes on receiving for a while.
  uint64_t moved_for(const Pending& request) const {
    return std::min(stream->delivered(), request.end) + arrivals;
  }

  static io::Task<void> write_requests(std::shared_ptr<State> self);
  static io::Task<void> read_replies(std::shared_ptr<State> self);
  static io::Task<Result<Slice>> wait_for(std::shared_ptr<State> self,
                                          std::shared_ptr<Pending> pending, io::Instant deadline);
  io::Task<Result<Slice>> call(RawRequest request, io::Instant deadline,
                               std::shared_ptr<State> self);

  io::Loop& loop;
  std::unique_ptr<io::Stream> stream;
  const ConnectionOptions options;
  io::FrameReader frames;
  io::Duration round_trip{};
  io::Instant stale_from = io::Instant::max();
  std::optional<Error> ended;
  std::map<int16_t, std::pair<int16_t, int16_t>> ranges;  // by API key
  std::deque<std::shared_ptr<Pending>> pending;           // in the order of their requests
  int32_t next_correlation_id = 1;
  Rope outgoing;
  uint64_t enqueued = 0;  // bytes, ever
  uint64_t arrivals = 0;  // reads that brought something
  uint64_t writing_bytes = 0;
  io::Event to_write;
  io::Event written;
};

void Connection::State::end(Error why) {
  if (ended) return;
  ended = std::move(why);
  stream->close();
  for (auto& waiting : pending) {
    waiting->answer = fail(*ended);
    waiting->done.close();
  }
  pending.clear();
  to_write.close();
  written.close();
}

void Connection::State::enqueue(const RawRequest& request, int32_t correlation_id) {
  kafka::Writer header;
  const auto& client_id = request.client_id;
  kafka::RequestHeader{request.api_key, request.api_version, correlation_id,
                       client_id ? client_id : std::optional(options.client_id)}
      .encode(header);
  Rope frame = std::move(header).finish();
  frame.append(request.body);
  std::vector<uint8_t> length(length_size);
  store_be(length.data(), static_cast<uint32_t>(frame.size()));
  enqueued += length.size() + frame.size();
  outgoing.append(Slice::take(std::move(length)));
  outgoing.append(std::move(frame));
  to_write.notify_all();
}

io::Task<Result<Slice>> Connection::State::call(RawRequest request, io::Instant deadline,
                                                std::shared_ptr<State> self) {
  if (ended) return io::ready(Result<Slice>(fail(*ended)));
  if (deadline <= loop.now()) {
    return io::ready(Result<Slice>(
        fail(Error::timeout(api_name(request.api_key) + " was not sent: its time is over"))));
  }
  const int32_t id = next_correlation_id++;
  enqueue(request, id);
  if (!request.expects_reply) return io::ready(Result<Slice>(Slice()));
  pending.push_back(std::make_shared<Pending>(loop, id, request.api_key, enqueued));
  return wait_for(std::move(self), pending.back(), deadline);
}

io::Task<Result<Slice>> Connection::State::wait_for(std::shared_ptr<State> self,
                                                    std::shared_ptr<Pending> pending,
                                                    io::Instant deadline) {
  if (deadline == io::Instant::max() && !pending->answer) co_await pending->done.wait();
  const io::Duration patience = deadline - self->loop.now();
  uint64_t moved = self->moved_for(*pending);
  while (!pending->answer) {
    co_await pending->done.wait_until(std::min(deadline, self->loop.now() + patience / looks));
    if (pending->answer) break;
    const uint64_t moved_by_now = self->moved_for(*pending);
    if (std::exchange(moved, moved_by_now) != moved_by_now) {
      deadline = self->loop.now() + patience;
    } else if (self->loop.now() >= deadline) {
      self->end(Error::timeout("no answer to " + api_name(pending->api_key) + " from " +
                               self->stream->peer().to_string() + " in time"));
    }
  }
  co_return std::move(*pending->answer);
}

io::Task<void> Connection::State::write_requests(std::shared_ptr<State> self) {
  while (!self->ended) {
    if (self->outgoing.empty()) {
      co_await self->to_write.wait();
      continue;
    }
    Rope rope = std::exchange(self->outgoing, {});
    self->writing_bytes = rope.size();
    auto sent = co_await self->stream->write(std::move(rope));
    self->writing_bytes = 0;
    if (!sent) self->end(sent.error());
    self->written.notify_all();
  }
}

Result<void> Connection::State::deliver(const Slice& frame) {
  const auto broken = [this](std::string what) {
    return fail(Error::corrupt("from " + stream->peer().to_string() + ": " + what));
  };
  if (frame.size() < correlation_size) return broken("a response without a header");
  if (pending.empty()) return broken("a response that nobody asked for");
  const auto id = load_be<int32_t>(frame.data());
  auto waiting = pending.front();
  if (id != waiting->correlation_id) {
    return broken("a response with correlation id " + std::to_string(id) + " instead of " +
                  std::to_string(waiting->correlation_id));
  }
  pending.pop_front();
  waiting->answer = frame.sub(correlation_size, frame.size() - correlation_size);
  waiting->done.close();
  return {};
}

io::Task<void> Connection::State::read_replies(std::shared_ptr<State> self) {
  while (!self->ended) {
    auto more = co_await self->frames.fill();
    if (!more) co_return self->end(more.error());
    ++self->arrivals;
    if (!*more) {
      co_return self->end(Error::closed(self->stream->peer().to_string() + " has closed"));
    }
    for (;;) {
      auto frame = self->frames.next();
      if (!frame) co_return self->end(frame.error());
      if (!*frame) break;
      auto delivered = self->deliver(**frame);
      if (!delivered) co_return self->end(delivered.error());
    }
  }
}

namespace {

struct Negotiated {
  std::map<int16_t, std::pair<int16_t, int16_t>> ranges;
  std::optional<int16_t> ask_again;  // in this version
};

// An answer to ApiVersions. One to a version that the broker does not know is in version 0, says
// so, and usually says which it does know.
Result<Negotiated> read_api_versions(const Slice& answer, int16_t asked) {
  kafka::Reader peek(answer);
  const bool refused = peek.error_code() == kafka::ErrorCode::unsupported_version && asked > 0;
  kafka::Reader reader(answer);
  auto response = kafka::ApiVersionsResponse::decode(reader, refused ? 0 : asked);
  if (!response) return fail(response.error());
  Negotiated result;
  if (response->error_code != kafka::ErrorCode::none && !refused) {
    return kafka::refuse(response->error_code, "ApiVersions was refused");
  }
  for (const auto& api : response->api_keys) {
    result.ranges[api.api_key] = {api.min_version, api.max_version};
  }
  if (!refused) return result;
  const auto own = result.ranges.find(static_cast<int16_t>(kafka::ApiKey::api_versions));
  const int16_t theirs = own == result.ranges.end() ? int16_t{0} : own->second.second;
  result.ask_again = theirs < asked ? theirs : int16_t{0};
  return result;
}

io::Task<Result<std::unique_ptr<io::Stream>>> dial(io::Env& env, io::Address to, Security security,
                                                   io::Instant deadline) {
  std::string host = to.host;
  auto stream = co_await env.network.dial(std::move(to), deadline);
  if (!stream || !security.tls) co_return std::move(stream);
  co_return co_await io::begin_tls(std::move(*stream), security.tls->load(), std::move(host),
                                   env.workers, deadline);
}

}  // namespace

io::Task<Result<std::unique_ptr<Connection>>> Connection::open(io::Env& env, io::Gate& gate,
                                                               io::Address to,
                                                               ConnectionOptions options,
                                                               io::Instant deadline) {
  auto stream = co_await dial(env, std::move(to), options.security, deadline);
  if (!stream) co_return fail(stream.error());
  io::Loop& loop = *io::Loop::current();
  auto state = std::make_shared<State>(loop, std::move(*stream), std::move(options));
  std::unique_ptr<Connection> connection(new Connection(state));
  if (!gate.spawn("client reader", State::read_replies(state)) ||
      !gate.spawn("client writer", State::write_requests(state))) {
    co_return fail(Error::closed("not connecting: closing"));
  }
  constexpr auto key = kafka::ApiKey::api_versions;
  int16_t version = kafka::ApiVersionsRequest::max_version;
  for (;;) {
    kafka::Writer body;
    kafka::ApiVersionsRequest{"isthmus", "1"}.encode(body, version);
    RawRequest request{static_cast<int16_t>(key), version, std::nullopt, std::move(body).finish()};
    const io::Instant asked = loop.now();
    auto answer = co_await connection->call_raw(std::move(request), deadline);
    if (!answer) co_return fail(answer.error());
    state->round_trip = loop.now() - asked;
    auto negotiated = read_api_versions(*answer, version);
    if (!negotiated) co_return fail(negotiated.error());
    if (!negotiated->ask_again) {
      state->ranges = std::move(negotiated->ranges);
      break;
    }
    version = *negotiated->ask_again;
  }
  if (const auto& with = state->options.security.log_in) {
    auto accepted = co_await log_in(env, *connection, *with, deadline);
    if (!accepted) co_return fail(accepted.error());
    if (*accepted) {
      state->stale_from =
          loop.now() + std::chrono::duration_cast<io::Duration>(**accepted * fresh_share);
    }
  }
  if (const auto& person = state->options.on_behalf_of) {
    kafka::ImpersonateRequest request;
    request.principal = person->principal.to_string();
    request.host = person->host;
    auto answer = co_await connection->call(std::move(request), deadline);
    if (!answer) co_return fail(answer.error());
    if (answer->error_code != kafka::ErrorCode::none) {
      co_return fail(kafka::error_of(answer->error_code, connection->peer().to_string() +
                                                             " lends no connection to others: " +
                                                             answer->error_message.value_or("")));
    }
  }
  co_return connection;
}

Connection::Connection(std::shared_ptr<State> state) : state_(std::move(state)) {}

Connection::~Connection() { close(); }

std::optional<std::pair<int16_t, int16_t>> Connection::range_of(int16_t api_key) const {
  const auto found = state_->ranges.find(api_key);
  if (found == state_->ranges.end()) return std::nullopt;
  return found->second;
}

std::optional<int16_t> Connection::version_for(kafka::ApiKey key, int16_t at_most) const {
  const auto* ours = kafka::find_api(key);
  const auto theirs = range_of(static_cast<int16_t>(key));
  if (ours == nullptr || !theirs) return std::nullopt;
  const int16_t version = std::min({ours->max_version, theirs->second, at_most});
  if (version < ours->min_version || version < theirs->first) return std::nullopt;
  return version;
}

io::Task<Result<Slice>> Connection::call_raw(RawRequest request, io::Instant deadline) {
  return state_->call(std::move(request), deadline, state_);
}

io::Task<bool> Connection::room(io::Instant deadline) {
  auto state = state_;
  while (!state->ended) {
    if (state->outgoing.size() + state->writing_bytes < state->options.max_outgoing_bytes) {
      co_return true;
    }
    const bool in_time = co_await state->written.wait_until(deadline);
    if (!in_time) co_return false;
  }
  co_return false;
}

void Connection::close() { state_->end(Error::closed("closed by us")); }
bool Connection::is_fresh() const { return !closed() && state_->loop.now() < state_->stale_from; }
bool Connection::closed() const { return state_->ended.has_value(); }
const io::Address& Connection::peer() const { return state_->stream->peer(); }
io::Duration Connection::round_trip() const { return state_->round_trip; }

}  // namespace isthmus::client
