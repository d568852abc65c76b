// ElectLeaders: preferred leaders (KIP-183), or, where nobody in sync is left, whoever serves
// (KIP-460). The second may lose what was acknowledged, so it happens only when it is asked for,
// and is told in the log and the audit.
#include <algorithm>

#include "broker/controller/elections.h"
#include "broker/handlers/handlers.h"
#include "broker/link/site_views.h"
#include "kafka/gen/elect_leaders.h"

namespace isthmus::broker {

namespace {

using kafka::ErrorCode;
using Request = kafka::ElectLeadersRequest;
using Response = kafka::ElectLeadersResponse;

constexpr int8_t preferred = 0, unclean = 1;
// In one commit.
constexpr size_t elected_at_once = 500;

std::vector<Election> elections_of(const Request& message, const Image& image) {
  std::vector<Election> elections;
  if (message.topic_partitions) {
    for (const auto& topic : *message.topic_partitions) {
      for (PartitionIndex index : topic.partitions) elections.push_back({topic.topic, index});
    }
    return elections;
  }
  for (const auto& [name, topic] : image.topics) {
    for (PartitionIndex i = 0; i < std::ssize(topic->partitions); ++i) {
      elections.push_back({name, i});
    }
  }
  return elections;
}

// Which of them are led by somebody whose disk has failed, by his own word: he is the last that was
// in sync, or another would lead.
io::Task<void> find_failed(Context& context, std::vector<Election>& elections) {
  const auto image = context.controller.snapshot();
  kafka::BrokerViewRequest request;
  for (const Election& election : elections) {
    const TopicImage* topic = image->find(election.topic);
    const bool is_new =
        topic != nullptr && (request.topic_ids.empty() || request.topic_ids.back() != topic->id);
    if (is_new) request.topic_ids.push_back(topic->id);
  }
  const auto view = co_await context.views.collect(std::move(request));
  for (Election& election : elections) {
    const TopicImage* topic = image->find(election.topic);
    if (topic == nullptr) continue;
    const auto found = view.partitions.find({topic->id, election.index});
    const bool has_failed = found != view.partitions.end() && !found->second.offline.empty();
    if (has_failed) election.failed_in = found->second.leader_epoch;
  }
}

void answer_for(const Election& election, bool only_news, Response& response) {
  const ErrorCode code = election.outcome ? ErrorCode::none : error_code(election.outcome.error());
  if (only_news && code == ErrorCode::election_not_needed) return;
  auto& topics = response.replica_election_results;
  if (topics.empty() || topics.back().topic != election.topic) {
    topics.emplace_back().topic = election.topic;
  }
  auto& result = topics.back().partition_result.emplace_back();
  result.partition_id = election.index;
  result.error_code = code;
  result.error_message.reset();
  if (!election.outcome) result.error_message = election.outcome.error().text;
}

// Of the whole, and of each partition that was named: version 0 has no other place for it.
Response refused_election(const Request& message, ErrorCode code) {
  Response response;
  response.error_code = code;
  if (!message.topic_partitions) return response;
  for (const auto& topic : *message.topic_partitions) {
    auto& out = response.replica_election_results.emplace_back();
    out.topic = topic.topic;
    for (PartitionIndex index : topic.partitions) {
      auto& result = out.partition_result.emplace_back();
      result.partition_id = index;
      result.error_code = code;
    }
  }
  return response;
}

// On the main loop.
io::Task<Response> elect_all(Context& context, Request message) {
  Response response;
  auto elections = elections_of(message, *context.controller.snapshot());
  const bool is_unclean = message.election_type == unclean;
  if (is_unclean) co_await find_failed(context, elections);
  for (size_t i = 0; i < elections.size(); i += elected_at_once) {
    const size_t end = std::min(elections.size(), i + elected_at_once);
    std::vector<Election> some(elections.begin() + static_cast<ptrdiff_t>(i),
                               elections.begin() + static_cast<ptrdiff_t>(end));
    auto done = co_await context.controller.update(
        [&](const Image& image) { return plan_elections(image, some, is_unclean); });
    if (done && is_unclean) {
      tell_of_unclean(*context.controller.snapshot(), some, "by an operator's word");
    }
    for (Election& election : some) {
      if (!done) election.outcome = fail(done.error());
      answer_for(election, !message.topic_partitions.has_value(), response);
    }
  }
  co_return response;
}

io::Task<Response> on_main(Context& context, Request message,
                           std::shared_ptr<server::ConnectionContext> connection) {
  constexpr auto needed = kafka::need<Request>(AclOperation::alter, ResourceType::cluster);
  if (!context.rights_of(*connection).may_on_cluster(needed)) {
    co_return refused_election(message, ErrorCode::cluster_authorization_failed);
  }
  const bool is_known = message.election_type == preferred || message.election_type == unclean;
  size_t count = 0;
  if (message.topic_partitions) {
    for (const auto& topic : *message.topic_partitions) count += topic.partitions.size();
  }
  if (!is_known || count > most_partitions) {
    co_return refused_election(message, ErrorCode::invalid_request);
  }
  auto response =
      co_await io::call_on(context.env.main_loop(), elect_all(context, std::move(message)));
  co_return response;
}

}  // namespace

io::Task<server::Reply> elect_leaders(Context& context, server::Request request) {
  return answer<Request, on_main>(context, std::move(request));
}

}  // namespace isthmus::broker
