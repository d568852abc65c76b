// MovedGroups: where the requests of groups go whose coordinator the client has yet to find.
//
// A planned move takes groups along whole (broker/group/membership.h), so a member need not notice
// it. But a client finds a coordinator that has moved by being refused and asking for it again, at
// a pace of its own, and some tell their application first. So what names one group is asked where
// the group is at home now: at once, if the routes lead it elsewhere, and once more, if its node
// says that it coordinates no more. The client may go on like that for as long as it wants.
//
// Where a home has several nodes, it is asked which one coordinates; the answer is kept until that
// one refuses. A coordinator that is elected within the home of the node that has refused is no
// move: the client is told, and asks for it, as at a broker.
//
// Owned by a Session and outlived by it, on the router's loop.
#pragma once

#include <optional>
#include <string>

#include "router/other_nodes.h"

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
              std::shared_ptr<const server::ConnectionContext> client)
      : picture_(picture), client_(client), nodes_(env, gate, picture, std::move(client)) {}

  // The answer of the group's node, if that is another than `asked`, or becomes another soon.
  // nullopt: it does not, or does not answer.
  io::Task<std::optional<Slice>> ask(GroupRequest request, std::optional<NodeId> asked);
  void cut() { nodes_.cut(); }
  void cut_silent() { nodes_.cut_silent(); }

 private:
  io::Task<std::optional<NodeId>> node_of(std::string group, io::Instant deadline);

  Picture& picture_;
  const std::shared_ptr<const server::ConnectionContext> client_;
  OtherNodes nodes_;
  std::optional<std::pair<std::string, NodeId>> latest_;  // of a home with several nodes
};

// Whether the answer to such a request says that its node is not the group's coordinator.
bool is_not_coordinator(const kafka::RequestHeader& header, const Slice& answer);

}  // namespace isthmus::router
