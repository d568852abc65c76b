// AlterPartitionReassignments: moves partitions to other brokers, or takes that back (KIP-455). It
// is answered when the moves have begun; ListPartitionReassignments tells of their end.
#include <algorithm>

#include "broker/controller/reassignment.h"
#include "broker/handlers/handlers.h"
#include "kafka/gen/alter_partition_reassignments.h"

namespace isthmus::broker {

namespace {

using kafka::ErrorCode;
using Request = kafka::AlterPartitionReassignmentsRequest;
using Response = kafka::AlterPartitionReassignmentsResponse;

// In one commit.
constexpr size_t begun_at_once = 500;

std::vector<Reassignment> reassignments_of(Request& message) {
  std::vector<Reassignment> all;
  for (auto& topic : message.topics) {
    for (auto& partition : topic.partitions) {
      all.push_back({topic.name, partition.partition_index, std::move(partition.replicas)});
    }
  }
  return all;
}

void answer_for(const Reassignment& wish, Response& response) {
  auto& topics = response.responses;
  if (topics.empty() || topics.back().name != wish.topic) topics.emplace_back().name = wish.topic;
  auto& result = topics.back().partitions.emplace_back();
  result.partition_index = wish.index;
  result.error_message.reset();
  if (!wish.outcome) refuse(result, wish.outcome.error());
}

// The error of the whole, and of each partition.
Response refused_moves(const Request& message, const Error& error) {
  Response response;
  refuse(response, error);
  for (const auto& topic : message.topics) {
    auto& out = response.responses.emplace_back();
    out.name = topic.name;
    for (const auto& partition : topic.partitions) {
      auto& result = out.partitions.emplace_back();
      result.partition_index = partition.partition_index;
      refuse(result, error);
    }
  }
  return response;
}

// On the main loop.
io::Task<Response> reassign_all(Context& context, Request message) {
  Response response;
  response.error_message.reset();
  response.allow_replication_factor_change = message.allow_replication_factor_change;
  auto all = reassignments_of(message);
  for (size_t i = 0; i < all.size(); i += begun_at_once) {
    const size_t end = std::min(all.size(), i + begun_at_once);
    std::vector<Reassignment> some(all.begin() + static_cast<ptrdiff_t>(i),
                                   all.begin() + static_cast<ptrdiff_t>(end));
    auto done = co_await context.controller.update([&](const Image& image) {
      return plan_reassignments(image, some, message.allow_replication_factor_change);
    });
    for (Reassignment& wish : some) {
      if (!done) wish.outcome = fail(done.error());
      answer_for(wish, response);
    }
  }
  co_return response;
}

io::Task<Response> on_main(Context& context, Request message,
                           std::shared_ptr<server::ConnectionContext> connection) {
  constexpr auto needed = kafka::need<Request>(AclOperation::alter, ResourceType::cluster);
  if (!context.rights_of(*connection).may_on_cluster(needed)) {
    co_return refused_moves(message, kafka::error_of(ErrorCode::cluster_authorization_failed,
                                                     "not authorized to alter this cluster"));
  }
  using Topic = Request::ReassignableTopic;
  if (names_too_many<&Topic::partitions>(message.topics)) {
    Response refusal;
    refuse(refusal, too_many_partitions());
    co_return refusal;
  }
  auto response =
      co_await io::call_on(context.env.main_loop(), reassign_all(context, std::move(message)));
  co_return response;
}

}  // namespace

io::Task<server::Reply> alter_partition_reassignments(Context& context, server::Request request) {
  return answer<Request, on_main>(context, std::move(request));
}

}  // namespace isthmus::broker
