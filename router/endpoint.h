// Endpoint: one port of the router: the bootstrap, a node's, or, where nodes are told apart by
// name, the one of all: then the name that a connection has asked TLS for says which node it is for
// (router/virtual_cluster.h). It tells apart what is passed on to the node, what the router answers
// itself, and what has come to the wrong place.
//
// Owned by the Router, on its loop, with the sessions of the port's connections.
#pragma once

#include <map>
#include <memory>
#include <unordered_map>

#include "router/answers.h"
#include "router/log_ins.h"
#include "router/session.h"
#include "server/acceptor.h"

namespace isthmus::router {

// How clients come in: the same at all ports of the router.
struct Door {
  server::ListenerOptions listener;
  std::vector<kafka::Mechanism> mechanisms;
};

class Endpoint : public server::Service {
 public:
  // `node` is nullopt for the bootstrap, and for the port of all. All references outlive it. Error
  // if the port is not free.
  static Result<std::unique_ptr<Endpoint>> open(io::Env& env, Picture& picture, Answers& answers,
                                                server::Audit& audit, std::optional<NodeId> node,
                                                Door door);
  ~Endpoint() override;

  // Requests under way may end by themselves for `grace`; then their connections do.
  io::Task<void> close(io::Duration grace);

  io::Task<server::Reply> dispatch(server::Request request) override;
  void closed(server::ConnectionContext& connection) override;

  // Whether requests for the node come here.
  bool serves(NodeId node) const;
  const io::Address& address() const { return address_; }
  // Those that are for the node: that of the port, or, by name, those that have asked it something.
  size_t connections(NodeId node) const;
  // Requests, since the start of the router.
  uint64_t passed_on(NodeId node) const;
  io::Task<void> measure(Samples& samples);
  // Ends sessions whose node, at a site that is away, has owed an answer for too long.
  void cut_silent_sessions();
  // While nobody may fetch because too much waits for slow readers (Picture::waiting), ends the
  // connections of those who take nothing at all. They fetch again when they read again.
  void close_stalled_readers();

 private:
  Endpoint(io::Env& env, Picture& picture, Answers& answers, server::Audit& audit,
           std::optional<NodeId> node, std::vector<kafka::Mechanism> mechanisms);

  // nullopt: it is at the bootstrap. A node that is not known yet may be, later.
  std::optional<NodeId> node_of(const server::ConnectionContext& client) const;
  server::Reply answer(server::Request request);
  server::Reply refuse(const server::Request& request);
  std::shared_ptr<Session> session_of(const server::Request& request, NodeId node);

  io::Env& env_;
  io::Loop& loop_;
  Picture& picture_;
  Answers& answers_;
  const std::optional<NodeId> node_;
  io::Gate gate_;  // the sessions' conversations with the node
  std::unordered_map<uint64_t, std::shared_ptr<Session>> sessions_;  // by connection
  // Those of closed connections whose last answers are under way.
  std::vector<std::weak_ptr<Session>> ending_;
  LogIns log_ins_;
  std::map<NodeId, Traffic> traffic_;
  server::Acceptor acceptor_;
  io::Address address_;
};

}  // namespace isthmus::router
