// SilentProduces: produce requests with acks=0 of one client at one node.
//
// Nothing but the end of its connection tells such a client that the leader has moved, and what it
// has sent by then is lost. So they pass as acks=1: the node's answer stays here, and says whether
// a move has taken the partition elsewhere. Then the request, and all that come behind it, go to
// the new leader, in their order, until the client finds it by itself. What is refused for another
// reason ends the connection, as at a broker.
//
// Over a connection of their own to the node: the client awaits no order between these and others.
// At most as many are kept as the endpoint lets a client have under way.
//
// Owned by a Session and by its replies under way, on the router's loop.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/connection.h"
#include "io/event.h"
#include "io/gate.h"
#include "kafka/gen/produce.h"
#include "router/picture.h"
#include "router/traffic.h"
#include "server/service.h"

namespace isthmus::router {

class SilentProduces : public std::enable_shared_from_this<SilentProduces> {
 public:
  SilentProduces(io::Env& env, io::Gate& gate, Picture& picture, NodeId node, Traffic& traffic,
                 std::shared_ptr<server::ConnectionContext> client);

  // Takes its place in line before it returns. REQUIRES: called for one after the other.
  io::Task<server::Reply> forward(server::Request request);
  bool idle() const { return done_ == next_; }
  // Ends the connection behind at once, and with it what is under way.
  void cut();
  // The same if nothing has gone on for so long.
  void cut_if_silent(io::Duration limit);

 private:
  using Answer = io::Task<Result<Slice>>;
  using Message = kafka::ProduceRequest;

  // Of all that the request names; nullopt where that is not known, or not one.
  std::optional<NodeId> leader_of(const Message& message) const;
  io::Task<std::optional<NodeId>> leader_other_than(NodeId node, const Message& message);
  io::Task<bool> connect(NodeId to);
  io::Task<std::string> make_way_to_leader(const Message& message);
  struct Sent {
    Answer answer;
    int16_t version = 0;
  };
  Sent send(const Message& message);
  static server::Reply finish(std::shared_ptr<SilentProduces> self, Message message,
                              uint64_t number, Sent sent);
  // Until all of it is written, or refused for good: then why.
  io::Task<std::string> settle(Message message, Result<Slice> answer, int16_t version);
  server::Reply end(std::string why);

  io::Env& env_;
  io::Loop& loop_;
  io::Gate& gate_;
  Picture& picture_;
  const NodeId node_;
  Traffic& traffic_;
  const std::shared_ptr<server::ConnectionContext> client_;
  std::unique_ptr<client::Connection> behind_;
  // To where it led before; answers may be on their way.
  std::vector<std::unique_ptr<client::Connection>> left_;
  NodeId to_ = -1;       // where `behind_` leads
  NodeId sent_to_ = -1;  // whose answers are awaited
  int16_t version_ = 0;  // that the client speaks
  uint64_t next_ = 0, done_ = 0;
  io::Event progress_;
  io::Instant latest_progress_{};
  bool cut_ = false;
};

}  // namespace isthmus::router
