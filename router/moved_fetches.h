// MovedFetches: fetches without a session of one client, for partitions that have moved away from
// the node whose port they come to.
//
// They are asked where the partitions are led now, and so is once more what the old leader refuses:
// after a refusal some libraries wait for seconds (sarama two, kafkajs one and a half), and all for
// metadata. The client finds the new leader when it asks for these by itself.
//
// A session (KIP-227) is a memory of one broker, and ends with a move. A fetch that wishes to begin
// one is answered without: that is any broker's right, and Isthmus keeps none.
//
// The epoch of the leader that the client has seen is left out where a promotion lies between that
// and the one of now: it would be fenced (KIP-320), and there is nothing to find out by that.
// Behind a planned move lies the same log, behind a failover a gap, over which every position reads
// on. An epoch of the present generation stays: a log that has lost its end since is the client's
// to find.
//
// Owned by a Session, on the router's loop.
#pragma once

#include <optional>

#include "kafka/gen/fetch.h"
#include "router/leaders.h"
#include "router/other_nodes.h"
#include "server/service.h"

namespace isthmus::router {

// Whether the request is a fetch that names all its partitions.
bool is_fetch_without_session(const server::Request& request);
// The error by which the answer to such a fetch sends all its partitions away:
// NOT_LEADER_OR_FOLLOWER or FENCED_LEADER_EPOCH; none where it does not.
kafka::ErrorCode refusal_of_fetch(const kafka::RequestHeader& header, const Slice& answer);

class MovedFetches {
 public:
  MovedFetches(io::Env& env, io::Gate& gate, Picture& picture, NodeId node,
               std::shared_ptr<const server::ConnectionContext> client)
      : picture_(picture), node_(node), nodes_(env, gate, picture, std::move(client)) {}

  // Whether a promotion lies between the epochs that it names and those of now.
  bool is_from_before_a_move(const server::Request& fetch) const;
  // How it was sent away, if it was.
  struct Refusal {
    kafka::ErrorCode error = kafka::ErrorCode::none;
    NodeId by = -1;
  };
  // The answer of who leads them now; nullopt where that is not one node, or it does not answer, or
  // the refusal has nothing to do with a move.
  io::Task<std::optional<Slice>> ask(kafka::RequestHeader header, Slice body, Refusal refusal);
  void cut() { nodes_.cut(); }
  void cut_silent() { nodes_.cut_silent(); }

 private:
  io::Task<bool> learn_epochs(const Partitions& partitions);
  io::Task<bool> lift(kafka::FetchRequest& fetch, const Partitions& partitions);

  Picture& picture_;
  const NodeId node_;
  OtherNodes nodes_;
};

}  // namespace isthmus::router
