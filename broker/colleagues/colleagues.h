// Colleagues: asks the other brokers of this cluster, each over one connection to its listener for
// brokers, which is opened when it is first needed and again after it has broken. What is asked at
// once goes over it side by side, up to a limit; beyond that it is refused.
//
// An error names the broker. It leaves open whether the request was carried out, as everywhere: the
// other one may die behind its answer. Nobody is asked of whom the image knows nothing, and a
// broker does not ask itself.
//
// Owned by Broker, on the main loop. close() before destruction, unless the loop has ended.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "broker/colleagues/dial.h"
#include "broker/image/image.h"
#include "client/connection.h"
#include "io/env.h"
#include "io/gate.h"
#include "io/in_flight.h"
#include "io/mutex.h"

namespace isthmus::broker {

class Colleagues {
 public:
  // Of one colleague at a time. A request for each partition of a large topic is no way to ask.
  static constexpr size_t most_asked = 256;

  Colleagues(io::Env& env, NodeId self, Dialer& dialer);
  ~Colleagues();

  NodeId self() const { return self_; }
  // Where they are. One that has started anew since is dialled anew.
  void follow(std::shared_ptr<const Image> image);

  // One typed request; UNSUPPORTED_VERSION if the other one does not know it. REQUIRES: `node` is
  // not this broker.
  template <typename Request>
  io::Task<Result<typename Request::Response>> ask(NodeId node, Request request,
                                                   io::Instant deadline);

  // Whoever waits for an answer gets an error, and nobody asks any more.
  io::Task<void> close();

 private:
  using Line = std::shared_ptr<client::Connection>;
  struct Colleague {
    explicit Colleague(io::Loop& loop) : dialling(loop), asked(loop) {}
    io::Mutex dialling;
    io::InFlight asked;
    Line line;
    BrokerImage as_dialled;
  };
  io::Task<Result<Line>> line_to(NodeId node, Colleague& colleague, io::Instant deadline);
  Result<Colleague*> colleague(NodeId node);
  static bool is_usable(const Line& line);
  static Error named(NodeId node, Error error);

  io::Env& env_;
  const NodeId self_;
  Dialer& dialer_;
  std::shared_ptr<const Image> image_ = std::make_shared<const Image>();
  std::map<NodeId, std::unique_ptr<Colleague>> colleagues_;
  io::Gate gate_;
  bool closing_ = false;
};

template <typename Request>
io::Task<Result<typename Request::Response>> Colleagues::ask(NodeId node, Request request,
                                                             io::Instant deadline) {
  auto found = colleague(node);
  if (!found) co_return fail(named(node, found.error()));
  const io::InFlight::Hold asked((*found)->asked);
  auto line = co_await line_to(node, **found, deadline);
  if (!line) co_return fail(named(node, line.error()));
  auto answer = co_await (*line)->call(std::move(request), deadline);
  if (!answer) co_return fail(named(node, answer.error()));
  co_return std::move(*answer);
}

}  // namespace isthmus::broker
