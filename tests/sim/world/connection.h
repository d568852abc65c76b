// The two ends of a simulated connection, and the kernel's part between them. Private to
// sim_network.cc and its streams.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/event.h"
#include "tests/sim/world/sim_network.h"

namespace isthmus::sim {

// What fits between a writer and a reader that does not read: small, so that every test meets
// back-pressure.
constexpr size_t in_flight_max = 256 * 1024;

struct Segment {
  Slice bytes = {};
  bool end = false;    // no more will follow
  bool reset = false;  // the connection is gone
};

// One end, as its kernel holds it: it outlives the stream and the process, until both ends have
// nothing more to say (State::sweep).
struct End {
  ProcessId process;
  io::Address peer_address;
  std::shared_ptr<End> peer;

  // Towards the peer. Segments arrive in the order sent; `waiting` of them have had their time but
  // found the line cut or the machine down.
  std::deque<Segment> sent;
  Instant last_arrival{};
  size_t waiting = 0;
  size_t unread = 0;            // bytes sent that the peer's process has not read
  size_t room = in_flight_max;  // for those
  uint64_t arrived = 0;         // bytes that the peer's machine has

  // From the peer.
  std::deque<Slice> inbox;
  bool peer_ended = false;
  bool reset = false;
  bool closed = false;  // by its own process

  // Present once a process holds it.
  std::optional<io::Event> readable;
  std::optional<io::Event> writable;

  void wake();
  bool writable_now() const;
  bool silent() const { return closed && sent.empty(); }
};

struct Listening {
  ProcessId process;
  uint16_t port = 0;
  std::deque<std::shared_ptr<End>> backlog;
  io::Event arrived;
  bool closed = false;

  Listening(ProcessId p, uint16_t at, io::Loop& loop) : process(p), port(at), arrived(loop) {}
};

// A dial under way.
struct Dialling {
  io::Event done;
  std::shared_ptr<End> end;
  int error = 0;
  bool given_up = false;

  explicit Dialling(io::Loop& loop) : done(loop) {}
};

// Scheduled events refer to it: the world clears its schedule first.
struct SimNetwork::State {
  explicit State(Schedule& s) : schedule(s) {}

  Line& line(const std::string& from, const std::string& to) { return lines[{from, to}]; }
  bool passable(const Machine& from, const Machine& to);
  Duration latency(const Machine& from, const Machine& to);

  // Brings `what` to the other machine, when the line lets it.
  void deliver(const Machine& from, const Machine& to, Schedule::Callback what);
  void retry_held();

  void send(const std::shared_ptr<End>& from, Segment segment);
  void arrive(const std::shared_ptr<End>& from);
  void receive(const std::shared_ptr<End>& to, Segment segment);
  void read_by_peer(const std::shared_ptr<End>& reader, size_t bytes);
  void close(const std::shared_ptr<End>& end);

  std::shared_ptr<Listening> listening_at(const Machine& machine, uint16_t port);
  void connect(ProcessId from, const Machine& to, uint16_t port,
               std::shared_ptr<Dialling> dialling);
  void remember(std::shared_ptr<End> end);
  void sweep();

  struct Held {
    const Machine* from;
    const Machine* to;
    Schedule::Callback what;
  };

  Schedule& schedule;
  std::map<std::string, const Machine*> machines;
  std::map<std::pair<std::string, std::string>, Line> lines;
  std::vector<std::shared_ptr<End>> ends;  // in order of creation
  std::map<std::pair<std::string, uint16_t>, std::shared_ptr<Listening>> listeners;
  std::deque<Held> held;
  uint16_t next_port = 40'000;
  size_t sweep_at = 64;
};

std::unique_ptr<io::Network> make_process_network(std::shared_ptr<SimNetwork::State> state,
                                                  ProcessId process);

}  // namespace isthmus::sim
