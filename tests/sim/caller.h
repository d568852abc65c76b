// Caller: asks one site after the other, over one connection to each, dialled when needed and
// closed at the first failure, so that an answer never belongs to an older question.
//
// Lives on the main loop of a simulated process. close() before destruction, unless the process
// has ended.
#pragma once

#include <map>
#include <memory>

#include "client/connection.h"

namespace isthmus::sim {

class Caller {
 public:
  using ConnectionPtr = std::shared_ptr<client::Connection>;

  explicit Caller(io::Env& env) : env_(env), gate_(env.main_loop()) {}

  io::Task<Result<ConnectionPtr>> connection(io::Address to, io::Instant deadline) {
    auto known = open_.find(to);
    if (known != open_.end() && !known->second->closed()) co_return known->second;
    client::ConnectionOptions options;
    options.client_id = "sim";
    auto opened = co_await client::Connection::open(env_, gate_, to, options, deadline);
    if (!opened) co_return fail(opened.error());
    ConnectionPtr connection = std::move(*opened);
    open_[to] = connection;
    co_return connection;
  }

  template <typename Request>
  io::Task<Result<typename Request::Response>> call(io::Address to, Request request,
                                                    io::Duration timeout,
                                                    int16_t at_most = INT16_MAX) {
    const io::Instant deadline = env_.main_loop().now() + timeout;
    auto to_site = co_await connection(to, deadline);
    if (!to_site) co_return fail(to_site.error());
    ConnectionPtr held = *to_site;
    auto answer = co_await held->call(std::move(request), deadline, at_most);
    if (!answer) hang_up(to);
    co_return answer;
  }

  void hang_up(const io::Address& to) {
    auto known = open_.find(to);
    if (known == open_.end()) return;
    known->second->close();
    open_.erase(known);
  }

  io::Env& env() { return env_; }
  io::Loop& loop() const { return env_.main_loop(); }
  io::Gate& gate() { return gate_; }

 private:
  io::Env& env_;
  io::Gate gate_;
  std::map<io::Address, ConnectionPtr> open_;
};

}  // namespace isthmus::sim
