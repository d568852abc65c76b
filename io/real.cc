#include "io/real.h"

#include <signal.h>

#include <asio/signal_set.hpp>
#include <optional>
#include <thread>

#include "base/check.h"
#include "base/crypto.h"
#include "io/asio_loop.h"
#include "io/pool.h"
#include "io/posix_disk.h"
#include "io/tcp.h"

namespace isthmus::io {

namespace {

class SystemRandom final : public Random {
 public:
  void fill(MutableBytes out) override { fill_random(out); }
};

struct Signal {
  asio::signal_set set;
  std::function<void()> callback;

  Signal(asio::io_context& context, int signal, std::function<void()> c)
      : set(context, signal), callback(std::move(c)) {}
  void wait() {
    set.async_wait([this](std::error_code error, int) {
      if (error) return;
      wait();
      callback();
    });
  }
};

std::vector<std::unique_ptr<AsioLoop>> make_loops(size_t count) {
  CHECK(count >= 1, "a process has at least one loop");
  std::vector<std::unique_ptr<AsioLoop>> loops;
  for (size_t i = 0; i < count; ++i) loops.push_back(std::make_unique<AsioLoop>());
  return loops;
}

std::vector<Loop*> pointers(const std::vector<std::unique_ptr<AsioLoop>>& loops) {
  std::vector<Loop*> all;
  for (const auto& loop : loops) all.push_back(loop.get());
  return all;
}

}  // namespace

std::chrono::system_clock::time_point wall_time() { return std::chrono::system_clock::now(); }

struct Runtime::Impl {
  std::vector<std::unique_ptr<AsioLoop>> loops;
  std::vector<std::unique_ptr<Signal>> signals;
  SystemRandom random;
  std::optional<Pool> disk_pool;
  std::optional<Pool> workers;
  std::optional<Pool> readers;
  TcpNetwork network{*readers};
  Pool closers{1};
  PosixDisk disk{*disk_pool, closers};
  Env env;

  Impl(size_t count, Threads threads)
      : loops(make_loops(count)),
        disk_pool(std::in_place, threads.disk),
        workers(std::in_place, threads.workers),
        readers(std::in_place, threads.readers),
        env{pointers(loops), disk, network, random, *workers} {}

  // REQUIRES: no thread runs a loop. Frees what still waits on them.
  void end() {
    disk_pool.reset();  // first, as their jobs write into the frames that wait for them
    workers.reset();
    readers.reset();
    AsioLoop::end(env.loops);
  }
};

Runtime::Runtime(size_t loops, Threads threads) : impl_(std::make_unique<Impl>(loops, threads)) {
  // sendfile has no MSG_NOSIGNAL, and a peer that went away must be an error, not our death.
  ::signal(SIGPIPE, SIG_IGN);
}

Runtime::~Runtime() { impl_->end(); }

Env& Runtime::env() { return impl_->env; }

void Runtime::run() {
  std::vector<std::thread> threads;
  for (size_t i = 1; i < impl_->loops.size(); ++i) {
    threads.emplace_back([loop = impl_->loops[i].get()] { loop->run(); });
  }
  impl_->loops[0]->run();
  for (auto& thread : threads) thread.join();
  impl_->end();
}

void Runtime::stop() {
  for (auto& loop : impl_->loops) loop->stop();
}

void Runtime::on_signal(int signal, std::function<void()> callback) {
  AsioLoop& loop = *impl_->loops[0];
  auto turn = loop.as_turn(std::move(callback));
  impl_->signals.push_back(std::make_unique<Signal>(loop.context(), signal, std::move(turn)));
  impl_->signals.back()->wait();
}

}  // namespace isthmus::io
