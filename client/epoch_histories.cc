#include "client/epoch_histories.h"

#include <algorithm>

#include "io/gate.h"

namespace isthmus::client {

namespace {

using kafka::ErrorCode;
using Response = kafka::EpochHistoryResponse;

constexpr io::Duration patience_with_one = std::chrono::seconds(3);

io::Task<void> ask_one(Cluster& cluster, NodeId node, kafka::EpochHistoryRequest request,
                       io::Instant deadline, std::vector<EpochHistories>& answers) {
  auto connection = co_await cluster.try_node(node, deadline);
  if (!connection) {
    answers.emplace_back(fail(connection.error()));
    co_return;
  }
  auto answer = co_await (*connection)->call(std::move(request), deadline);
  if (answer && answer->error_code != ErrorCode::none) {
    answer = fail(kafka::error_of(answer->error_code, "epochs are not told"));
  }
  answers.push_back(std::move(answer));
}

// Who leads under the later epoch knows.
void add(Response::EpochHistoryTopic from, Response::EpochHistoryTopic& into) {
  if (from.error_code != ErrorCode::none) return;
  const bool is_first = into.error_code != ErrorCode::none;
  if (!is_first && into.topic_id != from.topic_id) {
    // Made anew, of which one of them has yet to hear.
    into.error_code = ErrorCode::unknown_topic_id;
    return;
  }
  into.error_code = ErrorCode::none;
  into.topic_id = from.topic_id;
  for (auto& partition : from.partitions) {
    auto known = std::ranges::find(into.partitions, partition.index,
                                   &Response::EpochHistoryPartition::index);
    if (known == into.partitions.end()) {
      into.partitions.push_back(std::move(partition));
    } else if (known->leader_epoch < partition.leader_epoch) {
      *known = std::move(partition);
    }
  }
}

}  // namespace

io::Task<EpochHistories> epoch_histories(Cluster& cluster, std::vector<std::string> topics,
                                         io::Instant deadline) {
  auto refreshed = co_await cluster.refresh(deadline);
  if (!refreshed) co_return fail(refreshed.error());
  kafka::EpochHistoryRequest request;
  request.topics = topics;
  const io::Instant soon = std::min(deadline, cluster.loop().now() + patience_with_one);
  std::vector<NodeId> nodes;
  for (const auto& [node, broker] : cluster.metadata().brokers()) nodes.push_back(node);
  std::vector<EpochHistories> answers;
  io::Gate all(cluster.loop());
  for (const NodeId node : nodes) {
    all.spawn("epochs", ask_one(cluster, node, request, soon, answers));
  }
  co_await all.close();
  Response merged;
  for (auto& name : topics) {
    auto& topic = merged.topics.emplace_back();
    topic.name = std::move(name);
    topic.error_code = ErrorCode::unknown_topic_or_partition;
  }
  bool any = false;
  EpochHistories nobody = fail("no broker tells its epochs");
  for (auto& answer : answers) {
    if (!answer) {
      nobody = fail(answer.error());
      continue;
    }
    any = true;
    for (size_t i = 0; i < std::min(answer->topics.size(), merged.topics.size()); ++i) {
      if (answer->topics[i].name == merged.topics[i].name) {
        add(std::move(answer->topics[i]), merged.topics[i]);
      }
    }
  }
  if (!any) co_return nobody;
  for (auto& topic : merged.topics) {
    std::ranges::sort(topic.partitions, {}, &Response::EpochHistoryPartition::index);
  }
  co_return merged;
}

}  // namespace isthmus::client
