#include "io/tcp.h"

#include <linux/sockios.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <asio/ip/tcp.hpp>
#include <asio/ip/v6_only.hpp>

#include "base/check.h"
#include "io/asio_loop.h"
#include "io/event.h"
#include "io/rope_sender.h"

namespace isthmus::io {

namespace {

using Tcp = asio::ip::tcp;

Error from_asio(std::error_code error, const std::string& what) {
  if (error == asio::error::operation_aborted) return Error::closed(what + ": closed");
  if (error.category() == asio::error::get_system_category()) {  // its codes are errno values
    return Error::io(error.value(), what);
  }
  return Error::message(what + ": " + error.message());
}

Address address_of(const Tcp::endpoint& endpoint) {
  return {endpoint.address().to_string(), endpoint.port()};
}

// What the operations of one stream share with it.
struct Connection {
  Connection(Tcp::socket s, Address p) : socket(std::move(s)), peer(std::move(p)) {}

  void close() {
    closed = true;
    std::error_code ignored;
    socket.close(ignored);  // ends what is pending, with operation_aborted
  }

  // What is in the socket, and not acknowledged, is not delivered. Once it is closed nobody can
  // tell any more.
  uint64_t delivered() {
    int queued = 0;
    if (closed || ::ioctl(socket.native_handle(), SIOCOUTQ, &queued) != 0) return known_delivered;
    const auto waiting = static_cast<uint64_t>(std::max(0, queued));
    known_delivered = std::max(known_delivered, sent - std::min(sent, waiting));
    return known_delivered;
  }

  Tcp::socket socket;
  Address peer;
  bool closed = false;
  uint64_t sent = 0;  // into the socket
  uint64_t known_delivered = 0;
  struct Operation* reading = nullptr;
  struct Operation* writing = nullptr;
};

// One pending read, or wait for room to write. It lives in the frame that awaits it; `place` is
// where the connection knows it. A frame that is destroyed meanwhile takes the connection with it:
// Asio would otherwise still read into the frame's buffer.
struct Operation {
  std::shared_ptr<Connection> connection;
  Operation* Connection::* place;
  std::coroutine_handle<> awaiting;
  std::error_code error;
  size_t bytes = 0;
  bool pending = false;

  Operation(std::shared_ptr<Connection> c, Operation* Connection::* p)
      : connection(std::move(c)), place(p) {}
  Operation(const Operation&) = delete;
  Operation& operator=(const Operation&) = delete;
  ~Operation() {
    if (!pending) return;
    (*connection).*place = nullptr;
    connection->close();
  }

  void begin(std::coroutine_handle<> handle) {
    CHECK((*connection).*place == nullptr, "one read and one write at a time");
    awaiting = handle;
    pending = true;
    (*connection).*place = this;
  }
  // The callback for Asio. It holds the connection, not this.
  auto callback() {
    return [c = connection, p = place, &loop = asio_loop(*Loop::current())](std::error_code e,
                                                                            size_t n = 0) {
      AsioLoop::Turn turn(loop);
      Operation* operation = std::exchange((*c).*p, nullptr);
      if (operation == nullptr) return;
      operation->pending = false;
      operation->error = e;
      operation->bytes = n;
      operation->awaiting.resume();
    };
  }
  bool await_ready() const noexcept { return false; }
};

struct Read : Operation {
  MutableBytes into;
  Read(std::shared_ptr<Connection> c, MutableBytes buffer)
      : Operation(std::move(c), &Connection::reading), into(buffer) {}
  void await_suspend(std::coroutine_handle<> handle) {
    begin(handle);
    // Tries at once, and asks the system again only if nothing was there.
    connection->socket.async_read_some(asio::buffer(into.data(), into.size()), callback());
  }
  Result<size_t> await_resume() {
    if (error == asio::error::eof) return 0;
    if (error) return fail(from_asio(error, "connection to " + connection->peer.to_string()));
    return bytes;
  }
};

struct WaitForRoom : Operation {
  explicit WaitForRoom(std::shared_ptr<Connection> c)
      : Operation(std::move(c), &Connection::writing) {}
  void await_suspend(std::coroutine_handle<> handle) {
    begin(handle);
    connection->socket.async_wait(Tcp::socket::wait_write, callback());
  }
  std::error_code await_resume() const { return error; }
};

class TcpStream final : public Stream {
 public:
  TcpStream(Tcp::socket socket, Address peer, Pool& readers)
      : readers_(readers),
        connection_(std::make_shared<Connection>(std::move(socket), std::move(peer))) {
    std::error_code ignored;
    connection_->socket.set_option(Tcp::no_delay(true), ignored);
    connection_->socket.native_non_blocking(true, ignored);
  }
  ~TcpStream() override { connection_->close(); }

  Task<Result<size_t>> read_some(MutableBytes into) override { return read(connection_, into); }
  Task<Result<void>> write(Rope rope) override {
    return send(connection_, std::move(rope), readers_);
  }
  void write_now(Bytes bytes) override {
    if (connection_->closed || connection_->writing != nullptr) return;
    const ssize_t n = ::send(connection_->socket.native_handle(), bytes.data(), bytes.size(),
                             MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n > 0) connection_->sent += static_cast<uint64_t>(n);
  }
  void close() override { connection_->close(); }
  const Address& peer() const override { return connection_->peer; }
  uint64_t delivered() const override { return connection_->delivered(); }

 private:
  static Error closed(const Connection& connection) {
    return Error::closed("connection to " + connection.peer.to_string() + ": closed");
  }

  static Task<Result<size_t>> read(std::shared_ptr<Connection> connection, MutableBytes into) {
    if (connection->closed) co_return fail(closed(*connection));
    if (into.empty()) co_return 0;
    auto n = co_await Read(connection, into);
    // Closing wins over what Asio had already read: whoever closed expects no more.
    if (connection->closed) co_return fail(closed(*connection));
    co_return n;
  }

  static Task<Result<void>> send(std::shared_ptr<Connection> connection, Rope rope, Pool& readers) {
    RopeSender sender(std::move(rope));
    for (;;) {
      if (connection->closed) co_return fail(closed(*connection));
      const uint64_t before = sender.sent();
      auto outcome = sender.send_to(connection->socket.native_handle());
      connection->sent += sender.sent() - before;
      if (outcome && *outcome == RopeSender::Outcome::sent) co_return Result<void>{};
      if (outcome && *outcome == RopeSender::Outcome::file_cold) {
        auto read = co_await run_on(readers, sender.cold());
        if (read) {
          sender.warmed();
          continue;
        }
        outcome = fail(read.error());
      }
      if (!outcome) {
        connection->close();  // half of the rope may be out: nothing can follow it
        co_return fail(outcome.error());
      }
      auto error = co_await WaitForRoom(connection);
      if (error) {
        co_return fail(from_asio(error, "connection to " + connection->peer.to_string()));
      }
    }
  }

  Pool& readers_;
  std::shared_ptr<Connection> connection_;
};

class TcpListener final : public Listener {
 public:
  TcpListener(Loop& loop, Tcp::acceptor acceptor, Address local, Pool& readers)
      : readers_(readers),
        state_(std::make_shared<State>(loop, std::move(acceptor))),
        local_(std::move(local)) {}
  ~TcpListener() override { state_->close(); }

  Task<Result<std::unique_ptr<Stream>>> accept(Loop& loop) override {
    return accept_one(state_, local_, loop, readers_);
  }
  void close() override { state_->close(); }
  const Address& local() const override { return local_; }

 private:
  struct State {
    State(Loop& l, Tcp::acceptor a) : loop(l), acceptor(std::move(a)) {}
    void close() {
      std::error_code ignored;
      acceptor.close(ignored);
    }
    Loop& loop;
    Tcp::acceptor acceptor;
  };
  struct Accepted {
    explicit Accepted(Loop& loop) : done(loop) {}
    Event done;
    std::error_code error;
    std::optional<Tcp::socket> socket;
  };

  static Task<Result<std::unique_ptr<Stream>>> accept_one(std::shared_ptr<State> state,
                                                          Address local, Loop& loop,
                                                          Pool& readers) {
    for (;;) {
      auto accepted = std::make_shared<Accepted>(state->loop);
      auto take = [accepted](std::error_code e, Tcp::socket s) {
        accepted->error = e;
        accepted->socket = std::move(s);
        accepted->done.close();
      };
      auto turn = asio_loop(state->loop).as_turn(std::move(take));
      state->acceptor.async_accept(context_of(loop), std::move(turn));
      co_await accepted->done.wait();
      std::error_code error = accepted->error;
      if (error == asio::error::bad_descriptor) error = asio::error::operation_aborted;
      if (error) co_return fail(from_asio(error, "accepting at " + local.to_string()));
      const Tcp::endpoint peer = accepted->socket->remote_endpoint(error);
      if (error) continue;  // it has reset the connection before we came to it: its own affair
      co_return std::make_unique<TcpStream>(std::move(*accepted->socket), address_of(peer),
                                            readers);
    }
  }

  Pool& readers_;
  std::shared_ptr<State> state_;
  Address local_;
};

// One attempt to connect, shared with Asio's callbacks.
struct Dial {
  Dial(Loop& loop, std::vector<Tcp::endpoint> e)
      : loop(loop), done(loop), socket(context_of(loop)), endpoints(std::move(e)) {}

  Loop& loop;
  Event done;
  Tcp::socket socket;
  const std::vector<Tcp::endpoint> endpoints;
  size_t next = 0;
  std::error_code error = asio::error::host_not_found;
  bool given_up = false;

  // The addresses of a name are tried in turn; the last one's error is the answer.
  static void try_next(std::shared_ptr<Dial> dial) {
    if (dial->given_up) return;
    if (dial->next == dial->endpoints.size()) return dial->done.close();
    std::error_code ignored;
    dial->socket.close(ignored);
    const Tcp::endpoint& to = dial->endpoints[dial->next++];
    auto next = [dial](std::error_code e) {
      dial->error = e;
      if (!e) return dial->done.close();
      try_next(dial);
    };
    dial->socket.async_connect(to, asio_loop(dial->loop).as_turn(std::move(next)));
  }
  void give_up() {
    given_up = true;
    std::error_code ignored;
    socket.close(ignored);
  }
};

// An address that is written in numbers is not looked up.
Task<Result<std::vector<Tcp::endpoint>>> endpoints_of(Resolver& resolver, Address to,
                                                      Instant deadline) {
  std::error_code not_numeric;
  const auto address = asio::ip::make_address(to.host, not_numeric);
  if (!not_numeric) co_return std::vector{Tcp::endpoint(address, to.port)};
  auto hosts = co_await resolver.resolve(to.host, deadline);
  if (!hosts) co_return fail(hosts.error());
  std::vector<Tcp::endpoint> endpoints;
  for (const std::string& host : *hosts) {
    std::error_code ignored;
    endpoints.emplace_back(asio::ip::make_address(host, ignored), to.port);
  }
  co_return endpoints;
}

// Who waits for an answer hears nothing of a machine that lost its power, and a mirror's fetch
// would wait for its whole timeout although the source is back. Errors cost only that.
void watch_peer(int socket) {
  constexpr int on = 1, idle_s = 5, every_s = 5, probes = 3;
  ::setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  ::setsockopt(socket, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
  ::setsockopt(socket, IPPROTO_TCP, TCP_KEEPINTVL, &every_s, sizeof every_s);
  ::setsockopt(socket, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
}

Result<Tcp::endpoint> resolve_now(asio::io_context& context, const Address& at) {
  std::error_code error;
  Tcp::resolver resolver(context);
  auto found = resolver.resolve(at.host, std::to_string(at.port),
                                Tcp::resolver::passive | Tcp::resolver::numeric_service, error);
  if (error || found.empty()) {
    return fail("cannot listen on " + at.to_string() + ": '" + at.host +
                "' is no address of this machine (" + error.message() + ")");
  }
  return found.begin()->endpoint();
}

}  // namespace

Task<Result<std::unique_ptr<Stream>>> TcpNetwork::dial(Address to, Instant deadline) {
  Loop& loop = *Loop::current();
  const std::string what = "cannot connect to " + to.to_string();
  auto endpoints = co_await endpoints_of(resolver_, to, deadline);
  if (!endpoints) {
    Error error = endpoints.error();
    error.text = what + ": " + error.text;
    co_return fail(std::move(error));
  }
  if (loop.now() >= deadline) co_return fail(Error::timeout(what + ": no answer in time"));
  auto dial = std::make_shared<Dial>(loop, *std::move(endpoints));
  Dial::try_next(dial);
  bool answered = co_await dial->done.wait_until(deadline);
  if (!answered) {
    dial->give_up();
    co_return fail(Error::timeout(what + ": no answer in time"));
  }
  if (dial->error) co_return fail(from_asio(dial->error, what));
  watch_peer(dial->socket.native_handle());
  co_return std::make_unique<TcpStream>(std::move(dial->socket), std::move(to), readers_);
}

Result<std::unique_ptr<Listener>> TcpNetwork::listen(Loop& loop, const Address& at) {
  auto endpoint = resolve_now(context_of(loop), at);
  if (!endpoint) return fail(endpoint.error());
  std::error_code error;
  Tcp::acceptor acceptor(context_of(loop));
  acceptor.open(endpoint->protocol(), error);
  // So that a restart need not wait for the kernel to forget the old connections.
  if (!error) acceptor.set_option(Tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(*endpoint, error);
  if (!error) acceptor.listen(Tcp::acceptor::max_listen_connections, error);
  if (error == asio::error::address_in_use) {
    return fail(at.to_string() +
                " is in use by another process; choose another port, or stop that process");
  }
  if (error) return fail(from_asio(error, "cannot listen on " + at.to_string()));
  Address local{at.host, acceptor.local_endpoint(error).port()};
  return std::make_unique<TcpListener>(loop, std::move(acceptor), std::move(local), readers_);
}

}  // namespace isthmus::io
