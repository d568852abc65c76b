#include "io/resolver.h"

#include <netdb.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>

#include "io/event.h"

namespace isthmus::io {

namespace {

// Each costs a thread; names come from options and from what brokers say of themselves.
constexpr size_t max_under_way = 64;

// Who waits for an answer, on its loop.
struct Waiter {
  explicit Waiter(Loop& l) : loop(l), done(l) {}
  Loop& loop;
  Event done;
  std::optional<Resolver::Hosts> answer;
};

}  // namespace

// Shared with the threads, some of which may outlive us.
struct Resolver::State {
  explicit State(Lookup l) : lookup(std::move(l)) {}

  const Lookup lookup;
  std::mutex mutex;
  bool closed = false;
  std::map<std::string, std::vector<std::shared_ptr<Waiter>>> under_way;

  static Result<void> join(std::shared_ptr<State> state, const std::string& name,
                           std::shared_ptr<Waiter> waiter);
  void leave(const std::string& name, const std::shared_ptr<Waiter>& waiter);
  void answer(const std::string& name, const Hosts& hosts);
};

Result<void> Resolver::State::join(std::shared_ptr<State> state, const std::string& name,
                                   std::shared_ptr<Waiter> waiter) {
  std::lock_guard lock(state->mutex);
  if (auto known = state->under_way.find(name); known != state->under_way.end()) {
    known->second.push_back(std::move(waiter));
    return {};
  }
  if (state->under_way.size() >= max_under_way) {
    return fail("too many names are being looked up; does the DNS answer?");
  }
  try {
    std::thread([state, name] { state->answer(name, state->lookup(name)); }).detach();
  } catch (const std::system_error& e) {
    return fail(std::string("no thread to look the name up: ") + e.what());
  }
  state->under_way[name].push_back(std::move(waiter));
  return {};
}

void Resolver::State::leave(const std::string& name, const std::shared_ptr<Waiter>& waiter) {
  std::lock_guard lock(mutex);
  if (auto known = under_way.find(name); known != under_way.end()) {
    std::erase(known->second, waiter);
  }
}

void Resolver::State::answer(const std::string& name, const Hosts& hosts) {
  std::lock_guard lock(mutex);
  auto asked = under_way.extract(name);
  if (closed) return;  // the loops may be gone
  for (auto& waiter : asked.mapped()) {
    Loop& loop = waiter->loop;
    loop.post([w = std::move(waiter), hosts] {
      w->answer = hosts;
      w->done.close();
    });
  }
}

Resolver::Resolver(Lookup lookup) : state_(std::make_shared<State>(std::move(lookup))) {}

Resolver::~Resolver() {
  std::lock_guard lock(state_->mutex);
  state_->closed = true;
  state_->under_way.clear();
}

Task<Resolver::Hosts> Resolver::resolve(std::string name, Instant deadline) {
  auto state = state_;
  auto waiter = std::make_shared<Waiter>(*Loop::current());
  if (auto joined = State::join(state, name, waiter); !joined) co_return fail(joined.error());
  const bool answered = co_await waiter->done.wait_until(deadline);
  if (!answered) {
    state->leave(name, waiter);
    co_return fail(Error::timeout("the name was not looked up in time"));
  }
  co_return *std::move(waiter->answer);
}

Resolver::Hosts Resolver::ask_system(const std::string& name) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(name.c_str(), nullptr, &hints, &found);
  if (error == EAI_SYSTEM) return fail(Error::io(errno, "looking the name up"));
  if (error != 0) return fail(Error::message(::gai_strerror(error)));
  std::vector<std::string> hosts;
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    char host[NI_MAXHOST];
    if (::getnameinfo(at->ai_addr, at->ai_addrlen, host, sizeof host, nullptr, 0, NI_NUMERICHOST) ==
        0) {
      hosts.emplace_back(host);
    }
  }
  ::freeaddrinfo(found);
  if (hosts.empty()) return fail(Error::message("the name has no address"));
  return hosts;
}

}  // namespace isthmus::io
