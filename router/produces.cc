#include "router/produces.h"

#include <fmt/core.h>

#include <algorithm>

#include "router/compression.h"
#include "router/leader_hints.h"
#include "router/leaders.h"
#include "router/refusals.h"
#include "server/budget.h"
#include "server/reply.h"

namespace isthmus::router {

namespace {

using kafka::ErrorCode;

constexpr auto leader_moved = ErrorCode::not_leader_or_follower;

// When the routes have changed, sites are asked for their topics at once.
constexpr auto leaders_known_within = std::chrono::seconds(1);
// A client gives up about then, and is not read before: it must be heard again in the end.
constexpr auto turn_comes_within = std::chrono::seconds(30);
// A request may wait at a fence, and be refused where it was sent on to, again.
constexpr int most_produce_moves = 3;

Partitions partitions_of(const kafka::ProduceRequest& message) {
  Partitions partitions;
  for (const auto& topic : message.topic_data) {
    for (const auto& p : topic.partition_data) partitions.push_back({topic.name, p.index});
  }
  return partitions;
}

kafka::ProduceResponse::PartitionProduceResponse* find(kafka::ProduceResponse& response,
                                                       const std::string& topic,
                                                       PartitionIndex index) {
  for (auto& t : response.responses) {
    if (t.name != topic) continue;
    for (auto& p : t.partition_responses) {
      if (p.index == index) return &p;
    }
  }
  return nullptr;
}

// Of the request, what was refused because its leader is elsewhere.
kafka::ProduceRequest refused_of(const kafka::ProduceRequest& message,
                                 kafka::ProduceResponse& response) {
  kafka::ProduceRequest refused = message;
  for (auto& topic : refused.topic_data) {
    std::erase_if(topic.partition_data, [&](const auto& partition) {
      const auto* told = find(response, topic.name, partition.index);
      return told == nullptr || told->error_code != leader_moved;
    });
  }
  std::erase_if(refused.topic_data, [](const auto& topic) { return topic.partition_data.empty(); });
  return refused;
}

bool any_refused(const kafka::ProduceResponse& response) {
  return std::ranges::any_of(response.responses, [](const auto& topic) {
    return std::ranges::any_of(topic.partition_responses,
                               [](const auto& p) { return p.error_code == leader_moved; });
  });
}

// What the new leader says of what the old one has refused.
void take_over(kafka::ProduceResponse& response, kafka::ProduceResponse later) {
  for (auto& topic : later.responses) {
    for (auto& partition : topic.partition_responses) {
      auto* before = find(response, topic.name, partition.index);
      if (before != nullptr) *before = std::move(partition);
    }
  }
  response.throttle_time_ms = std::max(response.throttle_time_ms, later.throttle_time_ms);
  response.node_endpoints = std::move(later.node_endpoints);
}

}  // namespace

Produces::Produces(io::Env& env, io::Gate& gate, Picture& picture, NodeId node, Traffic& traffic,
                   std::shared_ptr<server::ConnectionContext> client)
    : loop_(*client->loop),
      workers_(env.workers),
      picture_(picture),
      node_(node),
      traffic_(traffic),
      client_(std::move(client)),
      nodes_(env, gate, picture, client_),
      deciding_(loop_),
      progress_(loop_) {}

void Produces::finish() {
  finishing_ = true;
  if (client_->closed || under_way_.empty()) cut();
}

void Produces::cut() {
  nodes_.cut();
  progress_.notify_all();
}

server::Reply Produces::end(std::string why) {
  client_->end(std::move(why));
  return server::no_reply();
}

std::optional<NodeId> Produces::leader_of(const Message& message) const {
  if (picture_.routes.everything_is_at(picture_.virtual_cluster.node(node_)->cluster)) return node_;
  return leader_of_all(picture_, node_, partitions_of(message));
}

Produces::Sent Produces::send(NodeId to, const kafka::RequestHeader& header, Rope body) {
  ++traffic_.requests;
  traffic_.bytes_to_node += body.size();
  return {to, nodes_.send(to, header, std::move(body))};
}

// Since it has come in: what was given back by then was sent before it, and comes again.
std::optional<Error> Produces::why_not_sent(const Passing& passing, uint64_t give_backs) {
  if (lost_ || nodes_.is_cut()) return Error::closed("what came before is lost");
  RefusedBatches& refused = picture_.refused_batches;
  const bool may_come_again = !passing.is_silent && !refused.empty();
  const bool is_too_early =
      may_come_again && refused.come_before(who(), passing.message, loop_.now());
  // An answer before that one's is owed: the client has not seen that either.
  const bool is_behind = !under_way_.empty() && *under_way_.begin() < given_back_at_;
  if (is_too_early || give_backs != give_backs_ || (is_behind && !passing.is_silent)) {
    return Error::message("sent behind one that is given back");
  }
  return std::nullopt;
}

io::Task<Result<Produces::Sent>> Produces::send_in_line(const Passing& passing,
                                                        uint64_t give_backs) {
  const io::Instant leader_by = loop_.now() + leaders_known_within;
  const io::Instant turn_by = loop_.now() + turn_comes_within;
  for (;;) {
    auto why = why_not_sent(passing, give_backs);
    if (why) co_return fail(std::move(*why));
    const auto leader = leader_of(passing.message);
    if (!leader) {
      const bool is_known = are_leaders_known(picture_, node_, partitions_of(passing.message));
      if (is_known || loop_.now() >= leader_by) {
        co_return fail("produce for partitions that no one node leads");
      }
      co_await picture_.news.wait_until(leader_by);
      continue;
    }
    if (!may_go_to(*leader)) {
      // It would wait each time: a client that knows the leaders sends these to different ports.
      const bool is_no_move = routes_of_latest_ == picture_.routes.changes();
      if (!passing.is_silent && *leader != latest_to_ && is_no_move) {
        co_return fail("produce for partitions of different homes by turns");
      }
      if (loop_.now() >= turn_by) co_return fail("what came before is not answered");
      co_await progress_.wait_until(turn_by);
      continue;
    }
    auto reached = co_await nodes_.reach(*leader, passing.request.header);
    if (!reached) co_return fail(reached.error());
    why = why_not_sent(passing, give_backs);
    if (why || !may_go_to(*leader) || leader_of(passing.message) != leader) continue;
    if (*leader != latest_to_) routes_of_latest_ = picture_.routes.changes();
    latest_to_ = *leader;
    Rope body(passing.request.body);
    if (passing.is_silent) {
      kafka::Writer writer;
      passing.message.encode(writer, passing.request.header.api_version);
      body = std::move(writer).finish();
    }
    co_return send(*leader, passing.request.header, std::move(body));
  }
}

io::Task<server::Reply> Produces::forward(server::Request request) {
  const uint64_t give_backs = give_backs_;
  co_await compress_batches(picture_, workers_, request);
  auto message = server::decode_request<Message>(request);
  if (!message) co_return end(message.error().text);
  Passing passing{std::move(request), std::move(*message)};
  passing.is_silent = passing.message.acks == 0;
  if (passing.is_silent) passing.message.acks = 1;
  passing.request.charge->park(passing.request.frame.size());
  auto sent = co_await send_in_line(passing, give_backs);
  if (!sent) {
    // The end of a connection that has just begun is taken for a refused login by some libraries
    // (franz-go names SASL), which then try it for long; a refusal leads to the metadata.
    const bool is_over = sent.error().kind == Error::Kind::closed || finishing_;
    if (passing.is_silent || is_over) co_return end(sent.error().text);
    co_return refuse(passing);
  }
  passing.number = next_++;
  under_way_.insert(passing.number);
  co_return finish(std::move(passing), std::move(*sent));
}

server::Reply Produces::finish(Passing passing, Sent sent) {
  const NodeId asked = sent.to;
  auto answer = co_await settle(passing, std::move(sent));
  under_way_.erase(passing.number);
  if (finishing_ && under_way_.empty()) cut();
  if (!answer) {
    std::string why = fmt::format("node {}: {}", asked, answer.error().text);
    if (!passing.is_silent) co_return server::lost(passing.request, std::move(why));
    client_->end(std::move(why));
    co_return std::nullopt;
  }
  if (!passing.is_silent) co_return give_back(passing, std::move(*answer));
  end_if_refused(answer->response);
  co_return std::nullopt;
}

io::Task<Result<Produces::Answer>> Produces::settle(const Passing& passing, Sent sent) {
  const int16_t version = passing.request.header.api_version;
  Answer answer;
  for (int moves = 0;; ++moves) {
    auto bytes = co_await sent.answer;
    if (!bytes) lost_ = true;
    ++undecided_;
    auto turn = co_await deciding_.lock();
    auto response = bytes ? client::decode_response<Response>(*bytes, version)
                          : Result<Response>(fail(bytes.error()));
    std::optional<Sent> again;
    if (!response) {
      lost_ = true;
    } else if (moves == 0) {
      answer = {std::move(*bytes), std::move(*response)};
    } else {
      take_over(answer.response, std::move(*response));
      answer.is_changed = true;
    }
    if (response && any_refused(answer.response)) {
      Message refused = refused_of(passing.message, answer.response);
      // A client that has left without an answer sends it again elsewhere.
      const bool is_wanted = passing.is_silent || !finishing_;
      const bool may_go_on =
          is_wanted && !lost_ && moves < most_produce_moves && passing.number >= given_back_below_;
      if (may_go_on) again = co_await send_on(passing, refused, sent.to);
      if (!again && !passing.is_silent) note_given_back(passing, refused);
    }
    --undecided_;
    progress_.notify_all();
    if (!response) co_return fail(response.error());
    if (!again) co_return std::move(answer);
    sent = std::move(*again);
  }
}

io::Task<std::optional<Produces::Sent>> Produces::send_on(const Passing& passing,
                                                          const Message& refused,
                                                          NodeId refused_by) {
  const auto& header = passing.request.header;
  const auto leader = co_await leader_after_move(picture_, node_, refused_by,
                                                 partitions_of(refused), nodes_.is_cut());
  if (!leader) co_return std::nullopt;
  const auto reached = co_await nodes_.reach(*leader, header);
  if (!reached || lost_) co_return std::nullopt;
  kafka::Writer writer;
  refused.encode(writer, header.api_version);
  co_return send(*leader, header, std::move(writer).finish());
}

void Produces::note_given_back(const Passing& passing, const Message& refused) {
  picture_.refused_batches.note(who(), refused, loop_.now());
  given_back_at_ = std::max(given_back_at_, passing.number);
  given_back_below_ = next_;
  ++give_backs_;
}

std::optional<Rope> Produces::give_back(const Passing& passing, Answer answer) {
  const auto& header = passing.request.header;
  const bool has_hints = header.api_version >= first_produce_with_hints;
  const bool is_changed = answer.is_changed || (has_hints && wants_hints(answer.response));
  if (is_changed && has_hints) lead_hints(picture_, node_, answer.response);
  Rope rope = is_changed ? server::encode_response(header, answer.response)
                         : server::with_correlation_id(header, std::move(answer.bytes));
  traffic_.bytes_to_clients += rope.size();
  return rope;
}

void Produces::end_if_refused(const Response& response) {
  for (const auto& topic : response.responses) {
    for (const auto& partition : topic.partition_responses) {
      if (partition.error_code == ErrorCode::none) continue;
      client_->end(fmt::format("produce with acks=0 to {} failed: {}", topic.name,
                               kafka::error_name(partition.error_code)));
      return;
    }
  }
}

server::Reply Produces::refuse(const Passing& passing) {
  picture_.refused_batches.note(who(), passing.message, loop_.now());
  auto refusal = refuse_with_hints(picture_, node_, passing.request);
  if (!refusal) return end(refusal.error().text);
  return io::ready(std::optional(std::move(*refusal)));
}

}  // namespace isthmus::router
