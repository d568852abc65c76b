// MovedGroups: where the requests of groups go whose coordinator the client has yet to find.
//
// A planned move takes groups along whole (broker/group/membership.h), so a member need not notice
// it. But a client finds a coordinator that has moved by being refused and asking for it again, at
// a pace of its own, and some tell their application first. So what names one group is asked where
// the group is at home now: at once, if the routes lead it elsewhere, and once more, if its node
// says that it coordinates no more. The client may go on like that for as long as it wants.
//
// Where a home has several nodes, only the client's own question tells which one coordinates: then
// it is refused, as by a broker.
//
// Owned by a Session and outlived by it, on the router's loop.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/connection.h"
#include "io/gate.h"
#include "router/picture.h"
#include "server/service.h"

namespace isthmus::router {

// Of a request about one group, and none other.
struct GroupRequest {
  kafka::RequestHeader header;
  Slice body;
  std::string group;
};

class MovedGroups {
 public:
  MovedGroups(io::Env& env, io::Gate& gate, Picture& picture,
              std::shared_ptr<server::ConnectionContext> client);

  // The answer of the group's node, if that is another than `asked`, or becomes another soon.
  // nullopt: it does not, or does not answer.
  io::Task<std::optional<Slice>> ask(GroupRequest request, std::optional<NodeId> asked);
  // Ends the connections, and with them what is under way.
  void cut();

 private:
  std::optional<NodeId> node_of(const std::string& group) const;
  io::Task<client::Connection*> connect(NodeId to);

  io::Env& env_;
  io::Loop& loop_;
  io::Gate& gate_;
  Picture& picture_;
  const std::shared_ptr<server::ConnectionContext> client_;
  struct Known {
    NodeId node = -1;
    std::unique_ptr<client::Connection> connection;
  };
  std::vector<Known> connections_;
  bool cut_ = false;
};

// Whether the answer to such a request says that its node is not the group's coordinator.
bool is_not_coordinator(const kafka::RequestHeader& header, const Slice& answer);

}  // namespace isthmus::router
