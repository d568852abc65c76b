// io::Network as one simulated process sees it: streams and listeners over connection.h.
#include <cerrno>
#include <cstring>

#include "tests/sim/world/connection.h"

namespace isthmus::sim {

namespace {

using State = SimNetwork::State;

// Sent and read from a file at once; as with sendfile, a range is read when its turn comes.
constexpr size_t segment_max = 64 * 1024;

std::string connection_to(const End& end) {
  return "connection to " + end.peer_address.to_string();
}

Error closed(const End& end) { return Error::closed(connection_to(end) + ": closed"); }

// The next part of a piece, from `offset` on, as one segment's bytes.
Result<Slice> part_of(const Piece& piece, uint64_t offset) {
  if (const auto* slice = std::get_if<Slice>(&piece)) {
    return slice->sub(offset, std::min(slice->size() - offset, segment_max));
  }
  const auto& range = std::get<FileRange>(piece);
  std::vector<uint8_t> bytes(std::min<uint64_t>(range.length - offset, segment_max));
  auto n = range.file->read_at(range.position + offset, bytes);
  if (!n) return fail(n.error());
  if (*n < bytes.size()) return fail(Error::corrupt("file ends inside a range to be sent"));
  return Slice::take(std::move(bytes));
}

class SimStream final : public io::Stream {
 public:
  SimStream(std::shared_ptr<State> state, std::shared_ptr<End> end, io::Loop& loop)
      : state_(std::move(state)), end_(std::move(end)) {
    end_->readable.emplace(loop);
    end_->writable.emplace(loop);
  }
  ~SimStream() override { state_->close(end_); }

  io::Task<Result<size_t>> read_some(MutableBytes into) override {
    return read(state_, end_, into);
  }
  io::Task<Result<void>> write(Rope rope) override { return send(state_, end_, std::move(rope)); }
  void close() override { state_->close(end_); }
  const io::Address& peer() const override { return end_->peer_address; }
  uint64_t delivered() const override { return end_->arrived; }

 private:
  static io::Task<Result<size_t>> read(std::shared_ptr<State> state, std::shared_ptr<End> end,
                                       MutableBytes into) {
    while (!end->closed && !end->reset && !end->peer_ended && end->inbox.empty()) {
      co_await end->readable->wait();
    }
    if (end->closed) co_return fail(closed(*end));
    if (end->reset) co_return fail(Error::io(ECONNRESET, connection_to(*end)));
    size_t got = 0;
    while (got < into.size() && !end->inbox.empty()) {
      Slice& first = end->inbox.front();
      size_t n = std::min(into.size() - got, first.size());
      std::memcpy(into.data() + got, first.data(), n);
      got += n;
      first = first.sub(n, first.size() - n);
      if (first.empty()) end->inbox.pop_front();
    }
    if (got > 0) state->read_by_peer(end, got);
    co_return got;
  }

  static io::Task<Result<void>> send(std::shared_ptr<State> state, std::shared_ptr<End> end,
                                     Rope rope) {
    for (const auto& piece : rope.pieces()) {
      const auto* slice = std::get_if<Slice>(&piece);
      uint64_t length = slice ? slice->size() : std::get<FileRange>(piece).length;
      for (uint64_t offset = 0; offset < length;) {
        while (!end->writable_now()) co_await end->writable->wait();
        if (end->closed) co_return fail(closed(*end));
        if (end->reset) co_return fail(Error::io(ECONNRESET, connection_to(*end)));
        auto part = part_of(piece, offset);
        if (!part) {
          state->close(end);
          co_return fail(part.error());
        }
        offset += part->size();
        state->send(end, {.bytes = std::move(*part)});
      }
    }
    if (end->closed) co_return fail(closed(*end));
    co_return Result<void>{};
  }

  std::shared_ptr<State> state_;
  std::shared_ptr<End> end_;
};

class SimListener final : public io::Listener {
 public:
  SimListener(std::shared_ptr<State> state, std::shared_ptr<Listening> listening, io::Address local)
      : state_(std::move(state)), listening_(std::move(listening)), local_(std::move(local)) {}
  ~SimListener() override { SimListener::close(); }

  io::Task<Result<std::unique_ptr<io::Stream>>> accept(io::Loop& loop) override {
    return accept_one(state_, listening_, local_, loop);
  }

  void close() override {
    if (listening_->closed) return;
    listening_->closed = true;
    auto key = std::pair(listening_->process.machine->name, listening_->port);
    auto found = state_->listeners.find(key);
    if (found != state_->listeners.end() && found->second == listening_) {
      state_->listeners.erase(found);
    }
    for (const auto& end : listening_->backlog) state_->close(end);
    listening_->backlog.clear();
    listening_->arrived.close();
  }

  const io::Address& local() const override { return local_; }

 private:
  static io::Task<Result<std::unique_ptr<io::Stream>>> accept_one(
      std::shared_ptr<State> state, std::shared_ptr<Listening> listening, io::Address local,
      io::Loop& loop) {
    while (!listening->closed && listening->backlog.empty()) co_await listening->arrived.wait();
    if (listening->closed) {
      co_return fail(Error::closed("accepting at " + local.to_string() + ": closed"));
    }
    auto end = std::move(listening->backlog.front());
    listening->backlog.pop_front();
    co_return std::make_unique<SimStream>(state, std::move(end), loop);
  }

  std::shared_ptr<State> state_;
  std::shared_ptr<Listening> listening_;
  io::Address local_;
};

class ProcessNetwork final : public io::Network {
 public:
  ProcessNetwork(std::shared_ptr<State> state, ProcessId process)
      : state_(std::move(state)), process_(process) {}

  io::Task<Result<std::unique_ptr<io::Stream>>> dial(io::Address to, Instant deadline) override {
    return dial_one(state_, process_, std::move(to), deadline);
  }

  Result<std::unique_ptr<io::Listener>> listen(io::Loop& loop, const io::Address& at) override {
    io::Address local = at;
    while (local.port == 0 || (at.port == 0 && in_use(local.port))) {
      local.port = state_->next_port++;
    }
    if (in_use(local.port)) {
      return fail(at.to_string() +
                  " is in use by another process; choose another port, or stop that process");
    }
    auto listening = std::make_shared<Listening>(process_, local.port, loop);
    state_->listeners[{process_.machine->name, local.port}] = listening;
    return std::make_unique<SimListener>(state_, std::move(listening), std::move(local));
  }

 private:
  bool in_use(uint16_t port) { return state_->listening_at(*process_.machine, port) != nullptr; }

  static const Machine* find(State& state, ProcessId from, const std::string& host) {
    if (host == "localhost" || host == "127.0.0.1" || host == "0.0.0.0") return from.machine;
    auto found = state.machines.find(host);
    return found == state.machines.end() ? nullptr : found->second;
  }

  static io::Task<Result<std::unique_ptr<io::Stream>>> dial_one(std::shared_ptr<State> state,
                                                                ProcessId process, io::Address to,
                                                                Instant deadline) {
    const std::string what = "cannot connect to " + to.to_string();
    const Machine* machine = find(*state, process, to.host);
    if (machine == nullptr) co_return fail(what + ": host not found");
    io::Loop& loop = *io::Loop::current();
    auto dialling = std::make_shared<Dialling>(loop);
    state->connect(process, *machine, to.port, dialling);
    bool answered = co_await dialling->done.wait_until(deadline);
    if (!answered) {
      dialling->given_up = true;
      co_return fail(Error::timeout(what + ": no answer in time"));
    }
    if (dialling->error != 0) co_return fail(Error::io(dialling->error, what));
    co_return std::make_unique<SimStream>(state, std::move(dialling->end), loop);
  }

  std::shared_ptr<State> state_;
  ProcessId process_;
};

}  // namespace

std::unique_ptr<io::Network> make_process_network(std::shared_ptr<State> state, ProcessId process) {
  return std::make_unique<ProcessNetwork>(std::move(state), process);
}

}  // namespace isthmus::sim
