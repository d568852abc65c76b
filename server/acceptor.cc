#include "server/acceptor.h"

#include <algorithm>

#include "base/printable.h"
#include "io/proxied_stream.h"
#include "server/throttle.h"

namespace isthmus::server {

namespace {

// Between attempts to accept when the system refuses (out of descriptors, out of memory).
constexpr auto accept_pause = io::milliseconds(200);
// How often we look whether replies that are not taken fill the memory; then those are ended that
// have taken nothing for so long, or for less when nobody is read any more.
constexpr auto reply_watch_interval = std::chrono::seconds(1);
constexpr auto stall_limit = std::chrono::seconds(5);
constexpr auto stall_limit_if_exhausted = std::chrono::seconds(1);
// A line of 300 ms that loses packets needs four round trips and their repetition.
constexpr auto greeting_limit = std::chrono::seconds(10);
constexpr size_t max_greetings = 512;  // under way, of a loop

}  // namespace

ServerLimits ServerLimits::within(uint64_t descriptors) const {
  const uint64_t for_files = std::min<uint64_t>(descriptors / 2, 8192);
  ServerLimits limits = *this;
  limits.max_connections = std::min<uint64_t>(max_connections, descriptors - for_files);
  return limits;
}

Acceptor::Acceptor(io::Env& env, Service& service, const ServerLimits& limits, Budget* shared)
    : env_(env),
      service_(service),
      limits_(limits.within(env.disk.max_descriptors())),
      accepting_(env.main_loop()),
      closing_(env.main_loop()) {
  const size_t share = limits.max_request_bytes / env.loops.size();
  for (io::Loop* loop : env.loops) {
    workers_.push_back(std::make_shared<Worker>(*loop, share, shared));
  }
  if (limits_.max_connections < limits.max_connections) {
    log_.warn(
        "max.connections is {} instead of {}: the process may have {} descriptors, and files "
        "need theirs",
        limits_.max_connections, limits.max_connections, env.disk.max_descriptors());
  }
}

Acceptor::~Acceptor() = default;

Result<io::Address> Acceptor::listen(const ListenerOptions& options) {
  auto listener = env_.network.listen(env_.main_loop(), options.bind);
  if (!listener) {
    return fail("listener " + options.name + ": " + listener.error().text);
  }
  io::Address local = (*listener)->local();
  listeners_.push_back(std::make_unique<Listening>(options, std::move(*listener)));
  return local;
}

void Acceptor::start() {
  for (auto& listening : listeners_) {
    log_.info("listener={} address={} listening", listening->options.name,
              listening->listener->local().to_string());
    accepting_.spawn("accept", accept_all(*listening));
  }
  accepting_.spawn("replies", watch_replies());
}

io::Task<void> Acceptor::watch_replies() {
  while (!closing_.closed()) {
    co_await closing_.wait_until(env_.main_loop().now() + reply_watch_interval);
    for (auto& worker : workers_) {
      io::Task<void> ended = end_stalled(*worker);
      co_await io::call_on(worker->loop, std::move(ended));
    }
  }
}

io::Task<void> Acceptor::end_stalled(Worker& worker) {
  if (!worker.budget.replies_press()) co_return;
  const bool now = worker.budget.replies_exhausted();
  const io::Duration limit = now ? io::Duration(stall_limit_if_exhausted) : stall_limit;
  for (Connection* connection : worker.open) connection->close_if_stalled(limit);
}

io::Task<void> Acceptor::accept_all(Listening& listening) {
  bool troubled = false;
  while (!closing_.closed()) {
    Worker& worker = *workers_[next_worker_++ % workers_.size()];
    auto stream = co_await listening.listener->accept(worker.loop);
    if (stream) {
      troubled = false;
      hand_over(std::move(*stream), listening, worker);
      continue;
    }
    if (closing_.closed() || stream.error().kind == Error::Kind::closed) break;
    if (!troubled) {
      log_.error("listener={} cannot accept: {}", listening.options.name, stream.error().text);
    }
    troubled = true;
    co_await closing_.wait_until(env_.main_loop().now() + accept_pause);
  }
}

void Acceptor::hand_over(std::unique_ptr<io::Stream> stream, const Listening& listening,
                         Worker& worker) {
  worker.loop.post([this, &listening, &worker, s = std::move(stream)]() mutable {
    worker.gate.spawn("connection", serve(std::move(s), listening, worker));
  });
}

// What counts against max.connections, from the accept on.
struct Acceptor::Counted {
  explicit Counted(Acceptor& a)
      : acceptor(a), before(a.connections_.fetch_add(1, std::memory_order_relaxed)) {}
  ~Counted() {
    const size_t left = acceptor.connections_.fetch_sub(1, std::memory_order_relaxed) - 1;
    if (left < acceptor.limits_.max_connections / 10 * 9) acceptor.full_.store(false);
  }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

  Acceptor& acceptor;
  const size_t before;
};

// A connection among the open ones, for as long as it runs.
struct Acceptor::Membership {
  Membership(Worker& w, Connection& connection)
      : worker(w), place(w.open.insert(w.open.end(), &connection)) {}
  ~Membership() { worker.open.erase(place); }
  Membership(const Membership&) = delete;
  Membership& operator=(const Membership&) = delete;

  Worker& worker;
  std::list<Connection*>::iterator place;
};

// What comes before the first request, while it does.
struct Acceptor::Greeting {
  // Makes room: the oldest leaves the list when it has heard of its end.
  Greeting(Worker& w, io::Stream& s) : worker(w), stream(s) {
    const auto oldest = std::ranges::find(worker.greeting, false, &Greeting::is_given_up);
    if (worker.greeting.size() >= max_greetings && oldest != worker.greeting.end()) {
      (*oldest)->give_up();
    }
    place = worker.greeting.insert(worker.greeting.end(), this);
  }
  ~Greeting() { worker.greeting.erase(place); }
  Greeting(const Greeting&) = delete;
  Greeting& operator=(const Greeting&) = delete;

  void give_up() {
    is_given_up = true;
    stream.close();
  }

  Worker& worker;
  io::Stream& stream;
  bool is_given_up = false;
  std::list<Greeting*>::iterator place;
};

std::shared_ptr<ConnectionContext> Acceptor::context_of(const io::Stream& stream,
                                                        const Listening& listening,
                                                        Worker& worker) {
  auto context = std::make_shared<ConnectionContext>();
  context->id = next_id_.fetch_add(1, std::memory_order_relaxed);
  context->peer = stream.peer();
  context->listener = listening.options.name;
  if (stream.tls() != nullptr) context->server_name = stream.tls()->server_name;
  context->private_api = listening.options.private_api;
  context->log_in.required = listening.options.wants_log_in;
  context->loop = &worker.loop;
  context->stats = &worker.stats;
  context->complaints = &worker.complaints;
  context->opened_at = worker.loop.now();
  if (quotas_ != nullptr && !context->private_api) {
    context->throttle = std::make_shared<Throttle>(*quotas_, worker.loop, worker.stats);
  }
  return context;
}

io::Duration Acceptor::too_early(const io::Stream& stream, const Listening& listening,
                                 Worker& worker) {
  if (quotas_ == nullptr || listening.options.private_api) return {};
  const io::Duration early = quotas_->admit(stream.peer().host, worker.loop.now());
  if (early > io::Duration::zero()) {
    worker.stats.throttled(QuotaKind::connection, early, false);
  }
  return early;
}

io::Task<void> Acceptor::serve(std::unique_ptr<io::Stream> stream, const Listening& listening,
                               Worker& worker) {
  const Counted counted(*this);
  // Strangers keep neither mirrors nor operators out.
  const size_t reserved = listening.options.private_api ? 0 : limits_.max_connections / 20;
  if (counted.before >= limits_.max_connections - reserved) {
    worker.stats.refused();
    if (!full_.exchange(true)) {
      log_.warn(
          "listener={} refused {} and those after it: {} connections are open, more than "
          "max.connections allows",
          listening.options.name, stream->peer().to_string(), counted.before);
    }
    co_return;
  }
  stream = co_await introduce(std::move(stream), listening, worker);
  if (!stream) co_return;
  const io::Duration early = too_early(*stream, listening, worker);
  if (early > io::Duration::zero()) {
    // Kept for as long as it is early, so that its client does not come again at once (KIP-612).
    co_await io::sleep(worker.loop, early);
    co_return;
  }
  if (listening.options.tls) {
    stream = co_await greet(std::move(stream), listening, worker);
    if (!stream) co_return;
  }
  auto principal = identify(*stream, listening, worker);
  if (!principal) co_return;
  worker.stats.opened();
  auto context = context_of(*stream, listening, worker);
  context->principal = std::move(*principal);
  Connection connection(std::move(stream), std::move(context), service_, worker.budget,
                        limits_.connection);
  const Membership membership(worker, connection);
  co_await connection.run();
}

io::Task<std::unique_ptr<io::Stream>> Acceptor::introduce(std::unique_ptr<io::Stream> stream,
                                                          const Listening& listening,
                                                          Worker& worker) {
  const auto names = [&](const io::IpRange& range) { return range.contains(stream->peer().host); };
  if (std::ranges::none_of(listening.options.proxies, names)) co_return stream;
  Result<io::ProxyHeader> header;
  bool is_late = false;
  {
    const Greeting greeting(worker, *stream);
    const auto timer = worker.loop.run_at(worker.loop.now() + greeting_limit, [&] {
      is_late = true;
      stream->close();
    });
    header = co_await io::read_proxy_header(*stream);
    worker.loop.cancel(timer);
  }
  if (is_late) header = fail("no PROXY header in time");
  if (header) {
    if (header->source) stream = io::as_proxied(std::move(stream), std::move(*header->source));
    co_return stream;
  }
  // Who only connects and goes is a probe.
  if (header.error().kind != Error::Kind::closed) {
    complain(listening, worker, stream->peer(), header.error().text);
  }
  co_return nullptr;
}

io::Task<std::unique_ptr<io::Stream>> Acceptor::greet(std::unique_ptr<io::Stream> plain,
                                                      const Listening& listening, Worker& worker) {
  auto stream = std::make_unique<io::TlsStream>(std::move(plain), listening.options.tls->load(), "",
                                                env_.workers);
  const Greeting greeting(worker, *stream);
  auto agreed = co_await stream->handshake(worker.loop.now() + greeting_limit);
  worker.stats.greeted(agreed.has_value());
  if (agreed) co_return stream;
  // Who only connects and goes is a probe.
  if (agreed.error().kind != Error::Kind::closed) {
    complain(listening, worker, stream->peer(), agreed.error().text);
    const bool in_time = agreed.error().kind != Error::Kind::timeout;
    if (in_time) note_refused(listening, worker, stream->peer(), agreed.error().text);
  }
  co_return nullptr;
}

void Acceptor::complain(const Listening& listening, Worker& worker, const io::Address& peer,
                        const std::string& why) {
  if (stopping_.load(std::memory_order_relaxed)) return;
  const std::string& listener = listening.options.name;
  auto silent = worker.complaints.next(listener + " " + why, worker.loop.now());
  if (!silent) return;
  log_.warn("listener={} closed {}: {}{}", listener, peer.to_string(), why,
            Complaints::others(*silent));
}

void Acceptor::note_refused(const Listening& listening, Worker& worker, const io::Address& peer,
                            const std::string& why) {
  if (audit_ == nullptr || !audit_->enabled()) return;
  if (!listening.options.tls->load()->asks_for_certificate()) return;
  AuditEvent event;
  event.time_ms = worker.loop.wall_ms();
  event.principal = kafka::Principal{}.to_string();
  event.host = audit_text(peer.host);
  event.listener = listening.options.name;
  event.action = "TlsHandshake";
  event.detail = audit_text(why);
  event.outcome = AuditOutcome::refused;
  audit_->note(std::move(event), worker.loop.now());
}

std::optional<kafka::Principal> Acceptor::identify(const io::Stream& stream,
                                                   const Listening& listening, Worker& worker) {
  const io::TlsPeer* peer = stream.tls();
  if (peer == nullptr || !peer->subject || !listening.options.principal_of) {
    return kafka::Principal{};
  }
  auto principal = listening.options.principal_of(*peer->subject);
  if (principal) return std::move(*principal);
  const std::string why =
      "certificate of " + printable(*peer->subject) + ": " + principal.error().text;
  complain(listening, worker, stream.peer(), why);
  note_refused(listening, worker, stream.peer(), why);
  return std::nullopt;
}

io::Task<void> Acceptor::close(io::Duration grace) {
  stopping_.store(true, std::memory_order_relaxed);
  closing_.close();
  for (auto& listening : listeners_) listening->listener->close();
  co_await accepting_.close();
  for (auto& worker : workers_) {
    worker->loop.post([w = worker] {
      for (Greeting* greeting : w->greeting) greeting->give_up();
      for (Connection* connection : w->open) connection->drain();
    });
  }
  const io::Instant deadline = env_.main_loop().now() + grace;
  for (auto& worker : workers_) {
    io::Task<void> drained = drain(*worker, deadline);
    co_await io::call_on(worker->loop, std::move(drained));
  }
}

void Acceptor::close_stalled(io::Duration limit) {
  for (auto& worker : workers_) {
    worker->loop.post([w = worker, limit] {
      for (Connection* connection : w->open) connection->close_if_stalled(limit);
    });
  }
}

struct Acceptor::Measure {
  ServerStats stats;
  size_t under_way = 0, parked = 0;
};

io::Task<Acceptor::Measure> Acceptor::measure_one(const Worker& worker) {
  co_return Measure{worker.stats, worker.budget.used(), worker.budget.parked()};
}

io::Task<void> Acceptor::measure(Samples& samples) {
  Measure all;
  for (auto& worker : workers_) {
    const Measure one = co_await io::call_on(worker->loop, measure_one(*worker));
    all.stats.add(one.stats);
    all.under_way += one.under_way;
    all.parked += one.parked;
  }
  all.stats.add_to(samples);
  samples.add(metric::under_way_bytes, static_cast<double>(all.under_way));
  samples.add(metric::waiting_bytes, static_cast<double>(all.parked));
  samples.add(metric::limit_bytes, static_cast<double>(limits_.max_request_bytes));
  samples.add(metric::connections, static_cast<double>(connections()));
}

io::Task<void> Acceptor::drain(Worker& worker, io::Instant deadline) {
  const auto timer = worker.loop.run_at(deadline, [&worker] {
    for (Connection* connection : worker.open) connection->close();
  });
  co_await worker.gate.close();
  worker.loop.cancel(timer);
}

}  // namespace isthmus::server
