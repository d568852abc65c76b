// relay: the line between two datacenters, on loopback, for tests and the demo.
//
//   relay [--control PORT] [NAME=LISTEN_PORT:TARGET_PORT]...       (port 0 = choose one)
//
// Each route forwards TCP from a port of its own to a port on 127.0.0.1, and is one line that all
// its connections share: a fixed one-way delay, an optional rate, and it can be cut (everything is
// reset, new connections are refused), stalled (nothing moves, nothing is closed: a half-open
// line; both ways or one of them) and restored. It prints "control PORT" and "route NAME PORT",
// then obeys lines on the control port, each answered by one line "ok ..." or "error ...":
//
//   route NAME LISTEN_PORT TARGET_PORT      ok PORT
//   delay NAME MILLISECONDS                 one way; a round trip costs twice that
//   rate NAME BYTES_PER_SECOND              each way; 0 = unlimited
//   cut NAME | restore NAME
//   stall NAME [up | down]                  up: what who dials has sent stays on the way
//   stats NAME                              ok up=BYTES down=BYTES connections=N refused=N
//
// NAME may be * for all. One thread, epoll; a chunk is stamped on arrival with the time at which
// it is due at the other end. It ends when its standard input does, so that it never outlives the
// test that started it.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using Instant = Clock::time_point;
using std::chrono::nanoseconds;

constexpr size_t read_size = 256 << 10;
constexpr size_t queued_bytes_max = 64 << 20;  // per direction of a connection: 1 s at 500 Mbit/s
constexpr nanoseconds backlog_max = std::chrono::milliseconds(50);  // what a line's router buffers
constexpr size_t control_line_max = 4096;

std::array<char, read_size> read_buffer;

class Watched {
 public:
  virtual ~Watched() = default;
  virtual void on_event(int fd, uint32_t events) = 0;
};

// The epoll set; which of an owner's descriptors fired is told by number.
class Poller {
 public:
  Poller() : fd_(epoll_create1(EPOLL_CLOEXEC)) {}
  // No event of interest takes it out of the set: the kernel reports a hang-up regardless, again
  // and again.
  void watch(int fd, uint32_t events, Watched* owner) {
    if (events == 0) return forget(fd);
    epoll_event event{.events = events, .data = {.fd = fd}};
    const int operation = owners_.contains(fd) ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    owners_[fd] = owner;
    epoll_ctl(fd_, operation, fd, &event);
  }
  void forget(int fd) {
    epoll_ctl(fd_, EPOLL_CTL_DEL, fd, nullptr);
    owners_.erase(fd);
  }
  void wait(std::optional<Instant> until) {
    timespec timeout{};
    if (until) {
      const auto left = std::max<nanoseconds>(nanoseconds(0), *until - Clock::now());
      timeout = {.tv_sec = left.count() / 1'000'000'000, .tv_nsec = left.count() % 1'000'000'000};
    }
    std::array<epoll_event, 64> events;
    const int n =
        epoll_pwait2(fd_, events.data(), events.size(), until ? &timeout : nullptr, nullptr);
    for (int i = 0; i < n; ++i) {
      // An earlier event of this round may have closed it.
      if (auto owner = owners_.find(events[i].data.fd); owner != owners_.end()) {
        owner->second->on_event(events[i].data.fd, events[i].events);
      }
    }
  }

 private:
  int fd_;
  std::map<int, Watched*> owners_;
};

sockaddr_in loopback(uint16_t port) {
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(port);
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return at;
}

int make_socket() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

// A listening socket on `port`, which becomes the one chosen where it was 0; -1 if it is in use.
int listen_on(uint16_t& port) {
  const int fd = make_socket();
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in at = loopback(port);
  socklen_t size = sizeof at;
  if (bind(fd, reinterpret_cast<sockaddr*>(&at), size) != 0 || listen(fd, 512) != 0) {
    close(fd);
    return -1;
  }
  getsockname(fd, reinterpret_cast<sockaddr*>(&at), &size);
  port = ntohs(at.sin_port);
  return fd;
}

// One direction of a line: when what enters now leaves.
struct Lane {
  nanoseconds delay{0};
  uint64_t rate = 0;
  Instant free_at{};
  uint64_t bytes = 0;
  bool stalled = false;

  bool full(Instant now) const { return rate != 0 && free_at > now + backlog_max; }
  Instant admit(Instant now, size_t size) {
    bytes += size;
    if (rate == 0) return now + delay;
    const nanoseconds takes(static_cast<int64_t>(size * 1e9 / rate));
    free_at = std::max(now, free_at) + takes;
    return free_at + delay;
  }
};

// One direction of a connection: bytes read and not yet due, in order.
class Pipe {
 public:
  Pipe(Lane& lane, int from, int to) : lane_(lane), from_(from), to_(to) {}

  bool wants_read(Instant now) const {
    return !lane_.stalled && !ended_ && queued_ < queued_bytes_max && !lane_.full(now);
  }
  bool wants_write(Instant now) const {
    return !lane_.stalled && !queue_.empty() && queue_.front().due <= now;
  }
  bool done() const { return ended_ && queue_.empty(); }

  // False: the connection is broken.
  bool read(Instant now) {
    const size_t room = lane_.rate == 0 ? read_size : std::min(read_size, lane_.rate / 100 + 1);
    const ssize_t n = recv(from_, read_buffer.data(), room, 0);
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    ended_ = n == 0;
    queued_ += n;
    queue_.push_back({lane_.admit(now, n), {read_buffer.begin(), read_buffer.begin() + n}});
    return true;
  }

  bool write(Instant now) {
    while (wants_write(now)) {
      Chunk& chunk = queue_.front();
      if (chunk.bytes.empty()) {
        shutdown(to_, SHUT_WR);
      } else {
        const size_t left = chunk.bytes.size() - chunk.sent;
        const ssize_t n = send(to_, chunk.bytes.data() + chunk.sent, left, MSG_NOSIGNAL);
        if (n < 0) return errno == EAGAIN || errno == EINTR;
        chunk.sent += n;
        if (chunk.sent < chunk.bytes.size()) return true;
        queued_ -= chunk.bytes.size();
      }
      queue_.pop_front();
    }
    return true;
  }

  // When something changes without an event.
  std::optional<Instant> wakes(Instant now) const {
    std::optional<Instant> at;
    if (lane_.stalled) return at;
    if (!queue_.empty() && queue_.front().due > now) at = queue_.front().due;
    if (!ended_ && lane_.full(now)) {
      const Instant drained = lane_.free_at - backlog_max;
      at = at ? std::min(*at, drained) : drained;
    }
    return at;
  }

 private:
  struct Chunk {
    Instant due;
    std::vector<char> bytes;  // empty: end of stream
    size_t sent = 0;
  };
  Lane& lane_;
  int from_;
  int to_;
  bool ended_ = false;
  size_t queued_ = 0;
  std::deque<Chunk> queue_;
};

class Connection : public Watched {
 public:
  Connection(Poller& poller, int client, int server, Lane& up, Lane& down)
      : poller_(poller),
        client_(client),
        server_(server),
        up_(up, client, server),
        down_(down, server, client) {}
  ~Connection() override {
    // Reset, not closed: what a cut line looks like. After both ends of stream it changes nothing.
    const linger now{.l_onoff = up_.done() && down_.done() ? 0 : 1, .l_linger = 0};
    for (const int fd : {client_, server_}) {
      poller_.forget(fd);
      setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
      close(fd);
    }
  }

  void on_event(int fd, uint32_t events) override {
    const Instant now = Clock::now();
    if (fd == server_ && (events & EPOLLOUT)) connected_ = true;
    Pipe& in = fd == client_ ? up_ : down_;
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) && in.wants_read(now)) broken_ |= !in.read(now);
    if (events & EPOLLERR) broken_ = true;
  }

  // Moves what is due; says when to look again.
  std::optional<Instant> advance(Instant now) {
    if (connected_) broken_ |= !up_.write(now);
    broken_ |= !down_.write(now);
    watch((up_.wants_read(now) ? EPOLLIN : 0) | (down_.wants_write(now) ? EPOLLOUT : 0),
          (down_.wants_read(now) ? EPOLLIN : 0) |
              (!connected_ || up_.wants_write(now) ? EPOLLOUT : 0));
    const auto up = up_.wakes(now), down = down_.wakes(now);
    return up && down ? std::min(*up, *down) : up ? up : down;
  }

  bool over() const { return broken_ || (up_.done() && down_.done()); }

 private:
  void watch(uint32_t client, uint32_t server) {
    if (client != client_events_) poller_.watch(client_, client_events_ = client, this);
    if (server != server_events_) poller_.watch(server_, server_events_ = server, this);
  }

  Poller& poller_;
  int client_;
  int server_;
  Pipe up_;
  Pipe down_;
  bool connected_ = false;
  bool broken_ = false;
  uint32_t client_events_ = ~0u;
  uint32_t server_events_ = ~0u;
};

// A listening port, its target, and the line between them.
class Route : public Watched {
 public:
  Route(Poller& poller, uint16_t port, uint16_t target)
      : poller_(poller), port_(port), target_(target) {}
  ~Route() override { cut(); }

  bool restore() {
    up_.stalled = down_.stalled = false;
    if (listener_ >= 0) return true;
    listener_ = listen_on(port_);
    if (listener_ >= 0) poller_.watch(listener_, EPOLLIN, this);
    return listener_ >= 0;
  }
  void cut() {
    connections_.clear();
    if (listener_ < 0) return;
    poller_.forget(listener_);
    close(listener_);
    listener_ = -1;
  }
  void stall(bool up, bool down) {
    up_.stalled |= up;
    down_.stalled |= down;
  }
  void set_delay(nanoseconds delay) { up_.delay = down_.delay = delay; }
  void set_rate(uint64_t rate) { up_.rate = down_.rate = rate; }
  uint16_t port() const { return port_; }

  std::string stats() const {
    return "up=" + std::to_string(up_.bytes) + " down=" + std::to_string(down_.bytes) +
           " connections=" + std::to_string(connections_.size()) +
           " refused=" + std::to_string(refused_);
  }

  void on_event(int, uint32_t) override {
    const int client = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (client < 0) return;
    const int on = 1;
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    const int server = make_socket();
    sockaddr_in at = loopback(target_);
    if (connect(server, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0 && errno != EINPROGRESS) {
      ++refused_;
    }
    connections_.push_back(std::make_unique<Connection>(poller_, client, server, up_, down_));
  }

  std::optional<Instant> advance(Instant now) {
    std::optional<Instant> next;
    for (auto& connection : connections_) {
      const auto at = connection->advance(now);
      if (at && (!next || *at < *next)) next = at;
    }
    std::erase_if(connections_, [](const auto& connection) { return connection->over(); });
    return next;
  }

 private:
  Poller& poller_;
  uint16_t port_;
  uint16_t target_;
  int listener_ = -1;
  uint64_t refused_ = 0;
  Lane up_;
  Lane down_;
  std::vector<std::unique_ptr<Connection>> connections_;
};

class Routes {
 public:
  explicit Routes(Poller& poller) : poller_(poller) {}

  // The answer to one line of the control protocol.
  std::string obey(const std::string& line) {
    std::array<char, 64> verb{}, name{};
    unsigned long long first = 0, second = 0;
    const int n =
        sscanf(line.c_str(), "%63s %63s %llu %llu", verb.data(), name.data(), &first, &second);
    if (n < 2) return "error: '" + line + "' is not VERB NAME [NUMBERS]";
    const std::string what = verb.data();
    std::array<char, 8> third{};
    sscanf(line.c_str(), "%*s %*s %7s", third.data());
    const std::string way = third.data();
    if (what == "route") return n == 4 ? add(name.data(), first, second) : "error: two ports";
    std::string answer;
    for (auto& [route_name, route] : routes_) {
      if (name.data() != route_name && name.data() != std::string("*")) continue;
      answer = "ok";
      if (what == "delay" && n == 3) {
        route.set_delay(std::chrono::milliseconds(first));
      } else if (what == "rate" && n == 3) {
        route.set_rate(first);
      } else if (what == "cut") {
        route.cut();
      } else if (what == "stall" && (way.empty() || way == "up" || way == "down")) {
        route.stall(way != "down", way != "up");
      } else if (what == "restore") {
        if (!route.restore()) return "error: port " + std::to_string(route.port()) + " is in use";
      } else if (what == "stats") {
        answer += " " + route.stats();
      } else {
        return "error: '" + line + "' is no command";
      }
    }
    return answer.empty() ? "error: no route '" + std::string(name.data()) + "'" : answer;
  }

  std::optional<Instant> advance(Instant now) {
    std::optional<Instant> next;
    for (auto& [name, route] : routes_) {
      const auto at = route.advance(now);
      if (at && (!next || *at < *next)) next = at;
    }
    return next;
  }

 private:
  std::string add(const std::string& name, uint64_t port, uint64_t target) {
    if (port > 65535 || target == 0 || target > 65535) return "error: a port is 1 to 65535";
    const auto [route, added] = routes_.try_emplace(name, poller_, port, target);
    if (!added) return "error: route '" + name + "' exists";
    if (route->second.restore()) return "ok " + std::to_string(route->second.port());
    routes_.erase(route);
    return "error: port " + std::to_string(port) + " is in use";
  }

  Poller& poller_;
  std::map<std::string, Route> routes_;
};

// The control port: lines in, lines out, one peer after another.
class Control : public Watched {
 public:
  Control(Poller& poller, Routes& routes, uint16_t& port) : poller_(poller), routes_(routes) {
    listener_ = listen_on(port);
    if (listener_ >= 0) poller_.watch(listener_, EPOLLIN, this);
  }
  bool ready() const { return listener_ >= 0; }

  void on_event(int fd, uint32_t) override {
    if (fd == listener_) {
      const int peer = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (peer >= 0) poller_.watch(peer, EPOLLIN, this);
      return;
    }
    std::array<char, 1024> in;
    const ssize_t n = recv(fd, in.data(), in.size(), 0);
    std::string& text = lines_[fd];
    if (n > 0) text.append(in.data(), n);
    for (size_t end; (end = text.find('\n')) != std::string::npos; text.erase(0, end + 1)) {
      const std::string answer = routes_.obey(text.substr(0, end)) + "\n";
      if (send(fd, answer.data(), answer.size(), MSG_NOSIGNAL) < 0) break;
    }
    if (n > 0 && text.size() <= control_line_max) return;
    poller_.forget(fd);
    lines_.erase(fd);
    close(fd);
  }

 private:
  Poller& poller_;
  Routes& routes_;
  int listener_ = -1;
  std::map<int, std::string> lines_;
};

// Ends the process with the one that started it.
class Parent : public Watched {
 public:
  explicit Parent(Poller& poller) { poller.watch(STDIN_FILENO, EPOLLIN, this); }
  void on_event(int, uint32_t) override {
    char byte;
    if (read(STDIN_FILENO, &byte, 1) <= 0) std::_Exit(0);
  }
};

}  // namespace

int main(int argc, char** argv) {
  Poller poller;
  Routes routes(poller);
  uint16_t control_port = 0;
  std::vector<std::array<std::string, 3>> wanted;
  for (int i = 1; i < argc; ++i) {
    std::array<char, 64> name{};
    unsigned listen_port = 0, target = 0;
    if (std::string(argv[i]) == "--control" && i + 1 < argc) {
      control_port = static_cast<uint16_t>(std::strtoul(argv[++i], nullptr, 10));
    } else if (sscanf(argv[i], "%63[^=]=%u:%u", name.data(), &listen_port, &target) == 3) {
      wanted.push_back({name.data(), std::to_string(listen_port), std::to_string(target)});
    } else {
      fprintf(stderr, "relay: '%s': wanted NAME=LISTEN_PORT:TARGET_PORT\n", argv[i]);
      return 2;
    }
  }
  Control control(poller, routes, control_port);
  if (!control.ready()) {
    fprintf(stderr, "relay: control port %u is in use\n", control_port);
    return 1;
  }
  printf("control %u\n", control_port);
  for (const auto& [name, listen_port, target] : wanted) {
    const std::string answer = routes.obey("route " + name + " " + listen_port + " " + target);
    if (!answer.starts_with("ok ")) {
      fprintf(stderr, "relay: %s: %s\n", name.c_str(), answer.c_str());
      return 1;
    }
    printf("route %s %s\n", name.c_str(), answer.c_str() + 3);
  }
  fflush(stdout);
  Parent parent(poller);
  while (true) poller.wait(routes.advance(Clock::now()));
}
