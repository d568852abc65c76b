#include "tests/sim/world/sim_network.h"

#include <algorithm>
#include <cerrno>

#include "base/check.h"
#include "tests/sim/world/connection.h"

namespace isthmus::sim {

namespace {

// On a line with a limited rate.
constexpr size_t in_flight_least = 16 * 1024;
constexpr uint64_t queues_per_second = 4;
constexpr size_t backlog_max = 128;
// A machine does not talk to itself through a line that can be cut.
constexpr auto local_latency_max = std::chrono::microseconds(30);

size_t room_on(const Line& line) {
  if (line.bytes_per_second == 0) return in_flight_max;
  return std::max<size_t>(line.bytes_per_second / queues_per_second, in_flight_least);
}

}  // namespace

Instant Line::leaves(Instant now, size_t bytes) {
  if (bytes_per_second == 0) return now;
  const auto takes = std::chrono::nanoseconds(bytes * std::nano::den / bytes_per_second);
  free_at = std::max(now, free_at) + takes;
  return free_at;
}

void End::wake() {
  if (readable) readable->notify_all();
  if (writable) writable->notify_all();
}

bool End::writable_now() const { return closed || reset || unread < room; }

bool SimNetwork::State::passable(const Machine& from, const Machine& to) {
  return to.powered && (&from == &to || !line(from.name, to.name).cut);
}

Duration SimNetwork::State::latency(const Machine& from, const Machine& to) {
  Prng& random = schedule.random();
  if (&from == &to) return random.between(Duration::zero(), local_latency_max);
  const Line& l = line(from.name, to.name);
  Duration latency = random.between(l.latency_min, l.latency_max);
  if (random.chance(l.late_in_a_million)) {
    latency += random.between(Duration::zero(), l.late_max);
    schedule.count_fault("network: message late");
  }
  return latency;
}

void SimNetwork::State::deliver(const Machine& from, const Machine& to, Schedule::Callback what) {
  schedule.after(latency(from, to), [this, f = &from, t = &to, w = std::move(what)]() mutable {
    if (passable(*f, *t)) return w();
    held.push_back({f, t, std::move(w)});
  });
}

void SimNetwork::State::retry_held() {
  auto all = std::exchange(held, {});
  for (auto& h : all) {
    if (passable(*h.from, *h.to)) {
      deliver(*h.from, *h.to, std::move(h.what));
    } else {
      held.push_back(std::move(h));
    }
  }
  for (const auto& end : ends) {
    const auto& peer = end->peer;
    if (!peer || !passable(*end->process.machine, *peer->process.machine)) continue;
    for (; end->waiting > 0; --end->waiting) {
      Duration again = latency(*end->process.machine, *peer->process.machine);
      schedule.after(again, [this, end] { arrive(end); });
    }
  }
}

void SimNetwork::State::send(const std::shared_ptr<End>& from, Segment segment) {
  auto peer = from->peer;
  if (!peer) return;
  schedule.note(segment.bytes.size());
  from->unread += segment.bytes.size();
  from->sent.push_back(std::move(segment));
  Instant leaves = schedule.now();
  if (from->process.machine != peer->process.machine) {
    Line& l = line(from->process.machine->name, peer->process.machine->name);
    from->room = room_on(l);
    leaves = l.leaves(leaves, from->sent.back().bytes.size());
  }
  const Duration takes = latency(*from->process.machine, *peer->process.machine);
  from->last_arrival = std::max(from->last_arrival, leaves + takes);
  schedule.at(from->last_arrival, [this, from] { arrive(from); });
}

void SimNetwork::State::arrive(const std::shared_ptr<End>& from) {
  auto peer = from->peer;
  if (!peer || from->sent.empty()) return;
  if (!passable(*from->process.machine, *peer->process.machine)) {
    ++from->waiting;
    return;
  }
  Segment segment = std::move(from->sent.front());
  from->sent.pop_front();
  from->arrived += segment.bytes.size();
  receive(peer, std::move(segment));
}

void SimNetwork::State::receive(const std::shared_ptr<End>& to, Segment segment) {
  if (to->reset) return;
  if (segment.reset) {
    to->reset = true;
    to->inbox.clear();
    return to->wake();
  }
  if (to->closed) {
    // Nobody reads here any more, or the machine has forgotten: the kernel says so. The end of the
    // peer's stream asks for no answer.
    if (!segment.end) {
      to->reset = true;
      send(to, {.reset = true});
    }
    return;
  }
  if (segment.end) to->peer_ended = true;
  if (!segment.bytes.empty()) to->inbox.push_back(std::move(segment.bytes));
  if (to->readable) to->readable->notify_all();
}

void SimNetwork::State::read_by_peer(const std::shared_ptr<End>& reader, size_t bytes) {
  auto writer = reader->peer;
  if (!writer) return;
  deliver(*reader->process.machine, *writer->process.machine, [writer, bytes] {
    writer->unread -= std::min(bytes, writer->unread);
    if (writer->writable) writer->writable->notify_all();
  });
}

void SimNetwork::State::close(const std::shared_ptr<End>& end) {
  if (end->closed) return;
  end->closed = true;
  if (!end->reset) {
    // As Linux does: bytes that were never read turn the goodbye into a reset.
    bool rude = !end->inbox.empty();
    if (rude) end->reset = true;
    send(end, {.end = !rude, .reset = rude});
  }
  end->inbox.clear();
  end->wake();
}

std::shared_ptr<Listening> SimNetwork::State::listening_at(const Machine& machine, uint16_t port) {
  auto found = listeners.find({machine.name, port});
  return found == listeners.end() ? nullptr : found->second;
}

void SimNetwork::State::remember(std::shared_ptr<End> end) {
  if (ends.size() >= sweep_at) sweep();
  ends.push_back(std::move(end));
}

void SimNetwork::State::sweep() {
  std::erase_if(ends, [](const auto& end) {
    bool over = !end->peer || (end->silent() && end->peer->silent());
    if (over && end->peer) {
      end->peer->peer = nullptr;  // it is swept when its turn comes
      end->peer = nullptr;
    }
    return over;
  });
  sweep_at = std::max<size_t>(64, ends.size() * 2);
}

void SimNetwork::State::connect(ProcessId from, const Machine& to, uint16_t port,
                                std::shared_ptr<Dialling> dialling) {
  auto answer = [this, from, &to, dialling](int error, std::shared_ptr<End> end) {
    deliver(to, *from.machine, [this, dialling, error, end] {
      bool unwanted = dialling->given_up || dialling->done.loop().has_ended();
      if (unwanted && end) return close(end);
      dialling->error = error;
      dialling->end = end;
      dialling->done.close();
    });
  };
  deliver(*from.machine, to, [this, from, &to, port, answer] {
    auto listening = listening_at(to, port);
    if (!listening || listening->closed) return answer(ECONNREFUSED, nullptr);
    if (listening->backlog.size() >= backlog_max) return;  // not answered, as a full backlog is
    auto near = std::make_shared<End>();
    auto far = std::make_shared<End>();
    near->process = from;
    near->peer_address = {to.name, port};
    near->peer = far;
    far->process = listening->process;
    far->peer_address = {from.machine->name, next_port++};
    far->peer = near;
    remember(near);  // after both are linked: an end without a peer is swept
    remember(far);
    listening->backlog.push_back(far);
    listening->arrived.notify_all();
    answer(0, near);
  });
}

SimNetwork::SimNetwork(Schedule& schedule) : state_(std::make_shared<State>(schedule)) {}
SimNetwork::~SimNetwork() = default;

void SimNetwork::add(Machine& machine) { state_->machines.emplace(machine.name, &machine); }

std::unique_ptr<io::Network> SimNetwork::for_process(ProcessId process) {
  return make_process_network(state_, process);
}

Line& SimNetwork::line(const std::string& from, const std::string& to) {
  CHECK(state_->machines.contains(from) && state_->machines.contains(to), "no such machine");
  return state_->line(from, to);
}

void SimNetwork::set_latency(const std::string& a, const std::string& b, Duration min,
                             Duration max) {
  for (Line* l : {&line(a, b), &line(b, a)}) {
    l->latency_min = min;
    l->latency_max = max;
  }
}

void SimNetwork::set_rate(const std::string& a, const std::string& b, uint64_t bytes_per_second) {
  for (Line* l : {&line(a, b), &line(b, a)}) l->bytes_per_second = bytes_per_second;
}

void SimNetwork::cut(const std::string& a, const std::string& b) {
  line(a, b).cut = line(b, a).cut = true;
  state_->schedule.count_fault("network: line cut");
}

void SimNetwork::cut_one_way(const std::string& from, const std::string& to) {
  line(from, to).cut = true;
  state_->schedule.count_fault("network: line cut one way");
}

void SimNetwork::heal(const std::string& a, const std::string& b) {
  line(a, b).cut = line(b, a).cut = false;
  state_->retry_held();
}

void SimNetwork::heal_all() {
  for (auto& [names, l] : state_->lines) l.cut = false;
  state_->retry_held();
}

void SimNetwork::reset_connections(const std::string& a, const std::string& b) {
  const auto all = state_->ends;
  for (const auto& end : all) {
    const auto& peer = end->peer;
    if (!peer || end->reset) continue;
    const auto& here = end->process.machine->name;
    const auto& there = peer->process.machine->name;
    if (!(here == a && there == b) && !(here == b && there == a)) continue;
    state_->receive(end, {.reset = true});
    state_->schedule.count_fault("network: connection reset");
  }
}

size_t SimNetwork::connections() const {
  size_t count = 0;
  for (const auto& end : state_->ends) count += end->closed ? 0 : 1;
  return count;
}

void SimNetwork::process_ended(ProcessId process, bool silently) {
  const auto all = state_->ends;
  for (const auto& end : all) {
    if (end->process.number != process.number) continue;
    if (silently) {
      end->closed = true;  // and the peer is not told
      end->sent.clear();
      end->inbox.clear();
    } else {
      state_->close(end);
    }
  }
  std::erase_if(state_->listeners,
                [&](const auto& entry) { return entry.second->process.number == process.number; });
}

void SimNetwork::machine_started() { state_->retry_held(); }

void SimNetwork::clear() {
  for (const auto& end : state_->ends) end->peer = nullptr;  // they hold each other
  state_->ends.clear();
  state_->held.clear();
  state_->listeners.clear();
}

}  // namespace isthmus::sim
