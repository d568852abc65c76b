// OtherNodes: connections of one client to nodes behind the router, one to each, dialled when it is
// first needed: for what may have to go elsewhere than to the node whose port the client has come
// to.
//
// What they owe when a connection ends, or when the site behind it is away for too long
// (Picture::patience_with), is an error.
//
// Owned by a Session, on the router's loop; replies under way hold the session.
#pragma once

#include <memory>
#include <vector>

#include "client/connection.h"
#include "io/gate.h"
#include "io/mutex.h"
#include "router/picture.h"
#include "server/service.h"

namespace isthmus::router {

class OtherNodes {
 public:
  using Answer = io::Task<Result<Slice>>;

  // On behalf of `client`.
  OtherNodes(io::Env& env, io::Gate& gate, Picture& picture,
             std::shared_ptr<const server::ConnectionContext> client)
      : env_(env),
        gate_(gate),
        picture_(picture),
        client_(std::move(client)),
        dialling_(env.main_loop()) {}

  // The answer in the request's own version. One node is asked in the order of the calls.
  Answer ask(NodeId node, kafka::RequestHeader header, Rope body);

  // The same in two steps, for what has to know when it is sent: until the node has a connection
  // with room, and speaks the request's version; then the sending, which comes back at once.
  // REQUIRES of send(): reach() of that node has just returned.
  io::Task<Result<void>> reach(NodeId node, kafka::RequestHeader header);
  Answer send(NodeId node, const kafka::RequestHeader& header, Rope body);

  // How many answers others than this node owe.
  size_t owed_elsewhere(NodeId node) const;

  // Ends them, and what is asked later is an error.
  void cut();
  // Those that owe an answer for longer than we are patient with their sites.
  void cut_silent();
  const bool& is_cut() const { return cut_; }

 private:
  struct Known {
    NodeId node = -1;
    std::unique_ptr<client::Connection> connection;
    size_t owed = 0;
    io::Instant latest_progress{};
  };
  using KnownPtr = std::shared_ptr<Known>;

  KnownPtr find(NodeId node) const;
  io::Task<KnownPtr> connect(NodeId to);
  Answer receive(KnownPtr known, Answer answer);

  io::Env& env_;
  io::Gate& gate_;
  Picture& picture_;
  const std::shared_ptr<const server::ConnectionContext> client_;
  io::Mutex dialling_;
  std::vector<KnownPtr> known_;
  bool cut_ = false;
};

}  // namespace isthmus::router
