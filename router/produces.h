// Produces: the produce requests of one client at one node's port.
//
// They go to whoever leads now, whichever port they came to. What is on its way to the node when a
// move takes its partitions elsewhere is refused there, and goes on to the new leader; what comes
// behind it goes there too, in its order. So a planned move is no error to a producer, only a
// pause: libraries differ in what they make of a refusal. Some try again only after a pause
// (librdkafka), or not before they may ask for metadata again (franz-go), or out of their own order
// (sarama). The client finds the new leader when it asks for metadata by itself.
//
// The order, which idempotent producers live on and the others expect:
//
//   - Requests are sent in the order in which they came, each when its batches are compressed, if
//     its route says so (router/compression.h): once, before it is sent first. One for another node
//     than those before it waits until these have answered, and what they refuse has gone on or
//     been given back.
//   - What is refused goes on in the order in which it was sent.
//   - Once something is given back to the client (nobody leads it; its partitions have different
//     homes), so is what was sent behind it, if it is not written: the client sends those again, in
//     its order. That is certain as long as answers before it are owed; later only the retry of an
//     idempotent batch comes before what is ahead of it (router/refused_batches.h), as at a broker.
//   - Once something is lost with a connection, nothing more is sent: the client's connection ends,
//     as at a broker, and only the client may ask again.
//
// acks=0: nothing but the end of its connection could tell such a client that the leader has moved,
// and what it has sent by then would be lost. So it passes as acks=1, the node's answer stays here,
// and what is refused for good ends the connection.
//
// Over connections of their own: the client awaits no order between these and other requests. A
// request is kept, and counts as waiting, until it is answered (server/budget.h).
//
// Owned by a Session, which the replies under way hold; on the router's loop.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>

#include "io/event.h"
#include "io/mutex.h"
#include "io/workers.h"
#include "kafka/gen/produce.h"
#include "router/other_nodes.h"
#include "router/traffic.h"
#include "server/service.h"

namespace isthmus::router {

class Produces {
 public:
  Produces(io::Env& env, io::Gate& gate, Picture& picture, NodeId node, Traffic& traffic,
           std::shared_ptr<server::ConnectionContext> client);

  // Takes its place in line before it returns. REQUIRES: called for one after the other.
  io::Task<server::Reply> forward(server::Request request);
  // The client asks for nothing more: the connections behind end when all is answered, or now if
  // nobody would hear the answers.
  void finish();
  // Ends them at once, and with them what is under way.
  void cut();
  // Those to sites that are away and have owed an answer for longer than we are patient with them.
  void cut_silent() { nodes_.cut_silent(); }

 private:
  using Message = kafka::ProduceRequest;
  using Response = kafka::ProduceResponse;

  // A request, from when it has its place in line until it is answered.
  struct Passing {
    server::Request request;
    Message message;
    bool is_silent = false;  // acks=0
    uint64_t number = 0;
  };
  struct Sent {
    NodeId to = -1;
    OtherNodes::Answer answer;
  };
  struct Answer {
    Slice bytes;  // as they came, where nothing of them was changed
    Response response;
    bool is_changed = false;
  };

  // Of all that the request names; nullopt where that is not known, or not one.
  std::optional<NodeId> leader_of(const Message& message) const;
  // `give_backs`: how often that had happened when it came in.
  io::Task<Result<Sent>> send_in_line(const Passing& passing, uint64_t give_backs);
  std::optional<Error> why_not_sent(const Passing& passing, uint64_t give_backs);
  bool may_go_to(NodeId node) const { return undecided_ == 0 && nodes_.owed_elsewhere(node) == 0; }
  Sent send(NodeId to, const kafka::RequestHeader& header, Rope body);

  server::Reply finish(Passing passing, Sent sent);
  io::Task<Result<Answer>> settle(const Passing& passing, Sent sent);
  io::Task<std::optional<Sent>> send_on(const Passing& passing, const Message& refused,
                                        NodeId refused_by);
  void note_given_back(const Passing& passing, const Message& refused);
  std::optional<Rope> give_back(const Passing& passing, Answer answer);
  void end_if_refused(const Response& response);
  std::string who() const { return client_->principal.to_string(); }
  server::Reply refuse(const Passing& passing);
  server::Reply end(std::string why);

  io::Loop& loop_;
  io::Workers& workers_;
  Picture& picture_;
  const NodeId node_;
  Traffic& traffic_;
  const std::shared_ptr<server::ConnectionContext> client_;
  OtherNodes nodes_;
  NodeId latest_to_ = -1;          // where the latest one was sent that came in,
  uint64_t routes_of_latest_ = 0;  // of Picture::routes, when that was another node than before
  uint64_t next_ = 0;              // number
  std::set<uint64_t> under_way_;   // numbers
  size_t undecided_ = 0;           // answered, and not yet known whether they go on
  io::Mutex deciding_;             // in the order in which they were answered
  io::Event progress_;             // of these counts
  // The latest that was given back, and how many had come in by then; how often that happened.
  uint64_t given_back_at_ = 0, given_back_below_ = 0;
  uint64_t give_backs_ = 0;
  bool lost_ = false;
  bool finishing_ = false;
};

}  // namespace isthmus::router
