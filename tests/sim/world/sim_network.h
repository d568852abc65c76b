// SimNetwork: every line between the machines of a world, and the connections over them.
//
// A connection behaves as TCP does: bytes arrive in order or not at all, a full receiver stops the
// sender, a cut line loses nothing that a later heal would not retransmit, a machine that lost
// power does not say goodbye (its peers learn of it when it is back and answers with a reset), a
// killed process does (the kernel closes for it). Connections among themselves have no order.
//
// Machines are known by name ("a1"); "localhost", "127.0.0.1" and "0.0.0.0" are the machine itself.
// Lives in the world; what processes see of it is io::Network (for_process).
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "io/stream.h"
#include "tests/sim/world/schedule.h"

namespace isthmus::sim {

// What the network knows of a machine and of a process on it.
struct Machine {
  std::string name;
  bool powered = true;
};
struct ProcessId {
  const Machine* machine = nullptr;
  uint64_t number = 0;  // unique in the world
};

// One direction between two machines.
struct Line {
  Duration latency_min = std::chrono::microseconds(50);
  Duration latency_max = std::chrono::microseconds(500);
  // One message in so many million is late by up to `late_max`: a retransmission, a pause.
  uint32_t late_in_a_million = 1000;
  Duration late_max = std::chrono::milliseconds(200);
  // Of all its connections together; 0 = no limit. Each of them has a quarter of a second of it on
  // the way at most, as where queues are managed.
  uint64_t bytes_per_second = 0;
  Instant free_at{};  // what was sent before has left by then
  bool cut = false;

  // When the last of so many bytes leaves that are sent now.
  Instant leaves(Instant now, size_t bytes);
};

class SimNetwork {
 public:
  explicit SimNetwork(Schedule& schedule);
  ~SimNetwork();

  void add(Machine& machine);
  std::unique_ptr<io::Network> for_process(ProcessId process);

  // The direction from one machine to another, to be changed at will (then heal(), if uncut).
  Line& line(const std::string& from, const std::string& to);
  void set_latency(const std::string& a, const std::string& b, Duration min, Duration max);
  // Each way.
  void set_rate(const std::string& a, const std::string& b, uint64_t bytes_per_second);
  // Nothing passes, either way; connections stay, as on a real cut line. heal() lets what was sent
  // meanwhile arrive.
  void cut(const std::string& a, const std::string& b);
  // Only one direction: the other end is heard, but does not hear.
  void cut_one_way(const std::string& from, const std::string& to);
  void heal(const std::string& a, const std::string& b);
  void heal_all();
  // Every connection between the two ends with a reset, at both ends at once.
  void reset_connections(const std::string& a, const std::string& b);
  size_t connections() const;  // alive at one end at least

  // Used by the world. A kill closes what the process had; a power loss silences it.
  void process_ended(ProcessId process, bool silently);
  void machine_started();
  // Forgets every connection, at the world's end.
  void clear();

  struct State;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace isthmus::sim
