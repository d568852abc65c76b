// Answers: what the router answers itself, because it carries addresses or spans clusters.
//
// Each takes the request as the client sent it and asks the clusters that are home to what it
// names, all at once; a cluster that is away costs its own part of the answer and nothing else.
// They run beside the following requests of the same client, as any Reply.
//
//   answers.cc           ApiVersions, FindCoordinator, DescribeCluster, InitProducerId, ListGroups
//   metadata_answer.cc   Metadata
//   divided_answers.cc   what is done to topics and configurations
//
// Owned by the Router, on its loop; the picture outlives it.
#pragma once

#include "kafka/gen/api_versions.h"
#include "router/picture.h"
#include "server/service.h"

namespace isthmus::router {

class Answers {
 public:
  Answers(io::Loop& loop, Picture& picture) : loop_(loop), picture_(picture) {}

  // The versions that we and every cluster that answers understand. Without the private APIs.
  Rope api_versions(const server::Request& request) const;
  // Whether a request of that version is one that we decode and announce.
  static bool is_spoken(int16_t api_key, int16_t version);

  server::Reply metadata(server::Request request);
  server::Reply find_coordinator(server::Request request);
  server::Reply describe_cluster(server::Request request);
  // Of the default home: a producer id is good at every cluster, since each hands out its own.
  server::Reply init_producer_id(server::Request request);
  // The groups of one node, or of all; only those whose home its cluster is: a mirror has them too.
  server::Reply list_groups(server::Request request, std::optional<NodeId> node);

  server::Reply create_topics(server::Request request);
  server::Reply delete_topics(server::Request request);
  server::Reply create_partitions(server::Request request);
  server::Reply describe_configs(server::Request request);
  server::Reply alter_configs(server::Request request);
  server::Reply incremental_alter_configs(server::Request request);

 private:
  // Decodes, divides, asks, puts together: divided_answers.cc.
  template <typename Request>
  server::Reply divided(server::Request request);
  template <typename Request, typename Items>
  io::Task<Result<Items>> ask_homes(const server::ConnectionContext& client, Request like,
                                    Items items, typename Request::Response& response);

  io::Loop& loop_;
  Picture& picture_;
};

// The nodes that clients are told of: those of the clusters that answer, or all that are known if
// none does.
std::vector<const Node*> listed_nodes(const Picture& picture);
// The controller of the default home, or -1.
NodeId controller_to_tell(const Picture& picture);
// A request that does not decode: the connection ends, as at a broker.
std::optional<Rope> end_of(const server::Request& request, const Error& why);

}  // namespace isthmus::router
