// Session: one client's connection to one node's port, and the connection to that node behind it.
//
//   client ─► server/connection ─► Session::forward ─► client/connection ─► node
//                                                                            │
//   client ◄─ server/connection ◄─ Reply, in the order of requests ◄─────────┘
//
// Requests and answers pass as bytes: slices of what was read are what is written, with the
// client's own correlation id, and nobody looks at records. What is looked at is small: answers to
// fetches where topics have a home elsewhere (for refusals, and for the addresses that come with
// them). Produce requests go a way of their own (router/produces.h).
//
// The connection behind is dialled by the first request. When it breaks, what was under way is
// lost with it, so the client's connection ends too, as it would at the broker itself; clients know
// what to do then. A node that breaks it while nothing is under way is dialled again, by each
// request; while it is away these are refused, as by a broker that leads nothing.
//
// Memory is bounded: the client is not read while the node takes no more, while too many fetches
// are under way, or while answers wait for the client (server/connection.h). Nobody fetches while
// too much has been fetched for clients that do not take it (Picture::waiting); those who take
// nothing at all are then ended (router/endpoint.h).
//
// Owned by its Endpoint and by its replies under way, on the router's loop.
#pragma once

#include <memory>

#include "io/event.h"
#include "io/gate.h"
#include "router/moved_fetches.h"
#include "router/moved_groups.h"
#include "router/picture.h"
#include "router/produces.h"
#include "router/traffic.h"
#include "server/service.h"

namespace isthmus::router {

class Session : public std::enable_shared_from_this<Session> {
 public:
  // `gate` counts the conversations with the node. All references outlive the session.
  Session(io::Env& env, io::Gate& gate, Picture& picture, NodeId node, Traffic& traffic,
          std::shared_ptr<server::ConnectionContext> client);

  // A request that is bound to this node. Takes its place in line before it returns.
  // REQUIRES: called for one request after the other.
  io::Task<server::Reply> forward(server::Request request);

  // The client asks for nothing more: the connection behind ends when all is answered, or now if
  // nobody would hear the answers.
  void finish();
  // Ends the connections behind at once, and with them what is under way.
  void cut();
  // cut() if nobody would hear an answer any more.
  bool cut_if_unheard();
  // Ends what a site that is away has owed for longer than we are patient with it.
  void cut_silent();

  NodeId node() const { return node_; }

 private:
  using Answer = io::Task<Result<Slice>>;

  io::Task<bool> connect();
  void leave();
  io::Task<void> room_for_fetch();
  io::Task<bool> turn_of_commit(const size_t& others);
  Result<bool> is_elsewhere(const server::Request& request);
  server::Reply refuse(const server::Request& request);
  server::Reply cannot_pass(const server::Request& request);
  server::Reply end(std::string why);
  // Of a request for which its node may not be the one to ask: what is kept of it until it is
  // answered.
  struct Kept {
    kafka::RequestHeader header;
    Slice body;
    std::optional<std::string> group;  // that it is about; none: it is a fetch without session
  };
  std::optional<Kept> kept(const server::Request& request) const;
  kafka::ErrorCode refusal_in(const Kept& kept, const Slice& answer) const;
  // `refusal`: how the node has sent it away; none where it was not asked.
  io::Task<std::optional<Slice>> ask_elsewhere(Kept kept, kafka::ErrorCode refusal);

  // Second stages. Each holds the session while it runs.
  static server::Reply pass(std::shared_ptr<Session> self, server::Request request,
                            std::optional<Kept> kept, Answer answer);
  // The reply of produces_, which belongs to the session.
  static server::Reply hold(std::shared_ptr<Session> self, server::Reply reply);
  static server::Reply pass_elsewhere(std::shared_ptr<Session> self, server::Request request,
                                      Kept kept);
  std::optional<Rope> give_back(const server::Request& request, Result<Slice> bytes);
  Result<Slice> add_hints(const server::Request& request, Slice answer) const;
  void answered(kafka::ApiKey key);
  bool is_idle() const { return under_way_ == 0 && away_ == 0; }

  io::Env& env_;
  io::Loop& loop_;
  io::Gate& gate_;
  Picture& picture_;
  const NodeId node_;
  Traffic& traffic_;
  const std::shared_ptr<server::ConnectionContext> client_;
  std::unique_ptr<client::Connection> behind_;
  io::Event fewer_fetches_;
  size_t under_way_ = 0;
  size_t away_ = 0;  // requests that are asked elsewhere
  size_t fetches_under_way_ = 0;
  size_t commits_under_way_ = 0, commits_away_ = 0;  // at the node, and elsewhere
  io::Event fewer_commits_;
  io::Instant latest_progress_{};
  Produces produces_;
  MovedGroups groups_;
  MovedFetches fetches_;
  bool finishing_ = false;
  // Of Picture::routes, when the latest fetch that named all its partitions was passed on.
  uint64_t routes_of_fetch_session_ = 0;
};

}  // namespace isthmus::router
