// Source: the cluster that a link reads, seen alike whether it is ours or Apache Kafka's.
//
// An Isthmus cluster answers DescribeSite on the listener meant for mirrors and so tells its
// number, the origin of each topic and its epochs' owners. Any other cluster is foreign: number 0,
// read by Kafka's own APIs; what cannot be known of it is left out, never guessed.
//
// A plain view of a client::Cluster, on its loop; the cluster outlives it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "client/admin.h"
#include "client/cluster.h"
#include "kafka/gen/describe_site.h"
#include "kafka/gen/epoch_history.h"
#include "kafka/takeovers.h"

namespace isthmus::mirror {

struct SourceTopic {
  std::string name;
  Uuid id;
  ClusterNumber origin = 0;
  std::string link;                              // that writes it at the source; empty = clients do
  std::map<std::string, std::string> configs;    // its own
  std::map<std::string, std::string> inherited;  // of what is copied, what it does not say itself
  std::vector<LeaderEpoch> leader_epochs;
};

struct SourceIdentity {
  bool foreign = true;
  std::string name;
  ClusterNumber number = 0;
  std::string cluster_id;
};

class Source {
 public:
  Source(client::Cluster& cluster, std::string name_if_foreign);

  // Finds out what the cluster is. REQUIRES: before the others.
  io::Task<Result<SourceIdentity>> identify(io::Instant deadline);
  const SourceIdentity& identity() const { return identity_; }

  io::Task<Result<kafka::DescribeSiteResponse>> describe(bool topics, io::Instant deadline);
  // All but internal ones.
  io::Task<Result<std::vector<SourceTopic>>> topics(io::Instant deadline);
  // Whether a topic that the others did not name is really not there. A foreign cluster leaves out
  // of its list what we may not see; asked by name, it says so. Of another topic that has the name
  // there, it tells the id.
  io::Task<Result<bool>> is_gone(std::string topic, Uuid id, io::Instant deadline);
  // What the source knows of routes, as topics() saw it last; a foreign cluster knows nothing.
  const kafka::Takeovers& routes() const { return routes_; }
  // Its latest start, of the same moment: the number and when it was; -1 of an older source.
  std::pair<int32_t, int64_t> latest_start() const { return latest_start_; }
  // Whose epochs a topic's partitions have, by partition; nothing where its leader does not say,
  // and of a foreign cluster none at all. An error where the name belongs to another topic by now.
  using Owners = std::map<LeaderEpoch, ClusterNumber>;
  using OwnersOf = std::vector<std::optional<Owners>>;
  io::Task<Result<OwnersOf>> owners(std::string topic, size_t partitions, Uuid id,
                                    io::Instant deadline);

 private:
  io::Task<Result<std::vector<SourceTopic>>> foreign_topics(io::Instant deadline);
  // What topics of our own brokers inherit.
  io::Task<Result<std::map<std::string, std::string>>> defaults(NodeId node, io::Instant deadline);

  client::Cluster& cluster_;
  SourceIdentity identity_;
  kafka::Takeovers routes_;
  std::pair<int32_t, int64_t> latest_start_{-1, 0};
};

}  // namespace isthmus::mirror
