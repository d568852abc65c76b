// The calls of Admin that each partition's leader answers.
#include <algorithm>

#include "client/admin.h"
#include "kafka/gen/delete_records.h"
#include "kafka/gen/list_offsets.h"

namespace isthmus::client {

namespace {

using kafka::ErrorCode;

bool is_elsewhere(ErrorCode error) {
  switch (error) {
    case ErrorCode::not_leader_or_follower:
    case ErrorCode::leader_not_available:
    case ErrorCode::replica_not_available:
    case ErrorCode::fenced_leader_epoch:
    case ErrorCode::unknown_leader_epoch: return true;
    default: return false;
  }
}

// What is asked of one leader: partitions of one topic stand together, as in the protocol.
template <typename Question>
struct Asked {
  TopicPartition partition;
  Question question;
  LeaderEpoch epoch;
};

// Starts a new topic where the name changes.
auto& topic_for(auto& topics, auto name_of, const std::string& name) {
  if (topics.empty() || name_of(topics.back()) != name) name_of(topics.emplace_back()) = name;
  return topics.back();
}

struct ListOffsets {
  using Question = int64_t;
  using Value = ListedOffset;
  using Request = kafka::ListOffsetsRequest;

  static Request request_for(const std::vector<Asked<Question>>& asked, int32_t) {
    Request request;
    request.replica_id = -1;
    for (const auto& one : asked) {
      auto& topic =
          topic_for(request.topics, [](auto& t) -> auto& { return t.name; }, one.partition.topic);
      topic.partitions.push_back({one.partition.partition, one.epoch, one.question});
    }
    return request;
  }
  static void read(const Request::Response& response, ByPartition<Value>& into) {
    for (const auto& topic : response.topics) {
      for (const auto& p : topic.partitions) {
        into[{topic.name, p.partition_index}] = {p.error_code, p.offset, p.timestamp,
                                                 p.leader_epoch};
      }
    }
  }
};

struct DeleteRecords {
  using Question = Offset;
  using Value = LowWatermark;
  using Request = kafka::DeleteRecordsRequest;

  static Request request_for(const std::vector<Asked<Question>>& asked, int32_t timeout_ms) {
    Request request;
    request.timeout_ms = timeout_ms;
    for (const auto& one : asked) {
      auto& topic =
          topic_for(request.topics, [](auto& t) -> auto& { return t.name; }, one.partition.topic);
      topic.partitions.push_back({one.partition.partition, one.question});
    }
    return request;
  }
  static void read(const Request::Response& response, ByPartition<Value>& into) {
    for (const auto& topic : response.topics) {
      for (const auto& p : topic.partitions) {
        into[{topic.name, p.partition_index}] = {p.error_code, p.low_watermark};
      }
    }
  }
};

// One round: asks each leader that is known for the questions that are left, and moves what is
// settled from `left` to `settled`.
template <typename Api>
io::Task<void> ask_known_leaders(Cluster& cluster, ByPartition<typename Api::Question>& left,
                                 ByPartition<typename Api::Value>& settled, io::Instant deadline) {
  std::map<NodeId, std::vector<Asked<typename Api::Question>>> by_leader;
  for (const auto& [partition, question] : left) {
    const auto leader = cluster.metadata().leader_of(partition);
    if (leader && leader->node >= 0) {
      by_leader[leader->node].push_back({partition, question, leader->epoch});
    }
  }
  for (const auto& [node, asked] : by_leader) {
    const auto remaining =
        std::chrono::ceil<io::milliseconds>(deadline - cluster.loop().now()).count();
    auto connection = co_await cluster.try_node(node, deadline);
    if (!connection) continue;
    auto request = Api::request_for(asked, static_cast<int32_t>(std::max<int64_t>(remaining, 1)));
    auto response = co_await (*connection)->call(std::move(request), deadline);
    if (!response) continue;
    ByPartition<typename Api::Value> answers;
    Api::read(*response, answers);
    for (auto& [partition, value] : answers) {
      if (is_elsewhere(value.error) || left.erase(partition) == 0) continue;
      settled[partition] = value;
    }
  }
}

template <typename Api>
Answer<ByPartition<typename Api::Value>> ask_leaders(Cluster& cluster,
                                                     ByPartition<typename Api::Question> left,
                                                     io::Instant deadline) {
  ByPartition<typename Api::Value> settled;
  for (const auto& [partition, question] : left) cluster.add_interest(partition.topic);
  for (;;) {
    co_await ask_known_leaders<Api>(cluster, left, settled, deadline);
    if (left.empty()) co_return settled;
    auto refreshed = co_await cluster.refresh_after_pause(deadline);
    if (!refreshed) {
      if (cluster.closing()) co_return fail(refreshed.error());
      break;
    }
  }
  for (const auto& [partition, question] : left) {
    settled[partition].error = ErrorCode::leader_not_available;
  }
  co_return settled;
}

}  // namespace

Answer<ByPartition<ListedOffset>> Admin::list_offsets(ByPartition<int64_t> timestamps,
                                                      io::Instant deadline) {
  return ask_leaders<ListOffsets>(cluster_, std::move(timestamps), deadline);
}

Answer<ByPartition<LowWatermark>> Admin::delete_records(ByPartition<Offset> before,
                                                        io::Instant deadline) {
  return ask_leaders<DeleteRecords>(cluster_, std::move(before), deadline);
}

}  // namespace isthmus::client
