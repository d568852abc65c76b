// Admin: questions and orders to a cluster as typed calls, each sent to the broker that answers it:
// the controller, a partition's leader, a group's coordinator, any.
//
// An answer that only says that another broker is meant is followed until the deadline; all others
// are returned. Error means that there was no answer; what an answer says about one topic,
// partition or group is beside its value, as Kafka's error code.
//
// A plain view of a Cluster, on its loop. Both outlive the calls.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "client/cluster.h"
#include "kafka/gen/create_partitions.h"
#include "kafka/gen/create_topics.h"
#include "kafka/gen/delete_topics.h"
#include "kafka/gen/describe_configs.h"
#include "kafka/gen/describe_groups.h"
#include "kafka/gen/incremental_alter_configs.h"
#include "kafka/gen/list_groups.h"

namespace isthmus::client {

using kafka::ConfigResource;

inline constexpr int64_t latest_offset = -1;    // for list_offsets: the high watermark or LSO
inline constexpr int64_t earliest_offset = -2;  // the log start offset

struct ListedOffset {
  kafka::ErrorCode error = kafka::ErrorCode::none;
  Offset offset = -1;  // -1 = there is no such record
  int64_t timestamp = -1;
  LeaderEpoch leader_epoch = -1;
};
struct LowWatermark {
  kafka::ErrorCode error = kafka::ErrorCode::none;
  Offset offset = -1;
};
struct CommittedOffset {
  kafka::ErrorCode error = kafka::ErrorCode::none;
  Offset offset = -1;  // -1 = none is committed
  LeaderEpoch leader_epoch = -1;
  std::string metadata;
};

template <typename Value>
using ByPartition = std::map<TopicPartition, Value>;
template <typename Value>
using Answer = io::Task<Result<Value>>;

class Admin {
 public:
  explicit Admin(Cluster& cluster) : cluster_(cluster) {}

  // Topics (client/admin.cc). describe_topics() of nullopt describes all.
  Answer<kafka::MetadataResponse> describe_topics(std::optional<std::vector<std::string>> names,
                                                  io::Instant deadline);
  Answer<kafka::CreateTopicsResponse> create_topics(kafka::CreateTopicsRequest request,
                                                    io::Instant deadline);
  Answer<kafka::DeleteTopicsResponse> delete_topics(std::vector<std::string> names,
                                                    io::Instant deadline);
  Answer<kafka::CreatePartitionsResponse> create_partitions(kafka::CreatePartitionsRequest request,
                                                            io::Instant deadline);

  // Configurations. A broker's are asked of that broker.
  Answer<kafka::DescribeConfigsResponse> describe_configs(ConfigResource type,
                                                          std::vector<std::string> names,
                                                          io::Instant deadline);
  Answer<kafka::IncrementalAlterConfigsResponse> alter_configs(
      kafka::IncrementalAlterConfigsRequest request, io::Instant deadline);

  // Partitions (client/admin_partitions.cc). Each has its entry in the answer; without a leader
  // until the deadline it is LEADER_NOT_AVAILABLE.
  Answer<ByPartition<ListedOffset>> list_offsets(ByPartition<int64_t> timestamps,
                                                 io::Instant deadline);
  // Deletes what is before the offsets; -1 = before the high watermark.
  Answer<ByPartition<LowWatermark>> delete_records(ByPartition<Offset> before,
                                                   io::Instant deadline);

  // Groups (client/admin_groups.cc).
  // Of all brokers; Error if one of them does not answer, since its groups would be missing.
  using Groups = std::vector<kafka::ListGroupsResponse::ListedGroup>;
  Answer<Groups> list_groups(io::Instant deadline);
  Answer<kafka::DescribeGroupsResponse::DescribedGroup> describe_group(std::string group,
                                                                       io::Instant deadline);
  // All that the group has committed. Error::kafka if the group cannot be read.
  Answer<ByPartition<CommittedOffset>> committed_offsets(std::string group, io::Instant deadline);

 private:
  io::Task<void> refresh(io::Instant deadline, Result<void>& done);
  io::Task<void> try_list_groups_at(NodeId id, io::Instant deadline, Result<Groups>& answer);
  Answer<Groups> list_groups_at(NodeId id, io::Instant deadline);

  Cluster& cluster_;
};

}  // namespace isthmus::client
