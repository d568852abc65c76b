#include "router/silent_produces.h"

#include <fmt/core.h>

#include "server/budget.h"
#include "server/reply.h"

namespace isthmus::router {

namespace {

using kafka::ErrorCode;
using Response = kafka::ProduceResponse;

constexpr auto dial_for = std::chrono::seconds(3);
constexpr auto write_for = std::chrono::seconds(30);
// A move that has refused something is done: the routes follow at once.
constexpr auto move_timeout = std::chrono::seconds(3);
constexpr int most_moves = 3;

// Leaves of the message what was refused because its leader is elsewhere. The reason of another
// refusal, or nothing.
std::string keep_refused(kafka::ProduceRequest& message, const Response& response) {
  kafka::ProduceRequest left;
  size_t t = 0;
  for (const auto& topic : response.responses) {
    if (t == message.topic_data.size()) break;
    auto& sent = message.topic_data[t++];
    kafka::ProduceRequest::TopicProduceData refused{sent.name, {}};
    for (size_t p = 0; p < topic.partition_responses.size(); ++p) {
      const ErrorCode code = topic.partition_responses[p].error_code;
      if (code == ErrorCode::none || p >= sent.partition_data.size()) continue;
      if (code != ErrorCode::not_leader_or_follower) {
        return fmt::format("produce with acks=0 to {} failed: {}", sent.name,
                           kafka::error_name(code));
      }
      refused.partition_data.push_back(std::move(sent.partition_data[p]));
    }
    if (!refused.partition_data.empty()) left.topic_data.push_back(std::move(refused));
  }
  message.topic_data = std::move(left.topic_data);
  return "";
}

}  // namespace

SilentProduces::SilentProduces(io::Env& env, io::Gate& gate, Picture& picture, NodeId node,
                               Traffic& traffic, std::shared_ptr<server::ConnectionContext> client)
    : env_(env),
      loop_(*client->loop),
      gate_(gate),
      picture_(picture),
      node_(node),
      traffic_(traffic),
      client_(std::move(client)),
      progress_(loop_) {}

void SilentProduces::cut() {
  cut_ = true;
  if (behind_) behind_->close();
  for (auto& connection : left_) connection->close();
  progress_.notify_all();
  picture_.news.notify_all();
}

void SilentProduces::cut_if_silent(io::Duration limit) {
  if (!idle() && latest_progress_ + limit < loop_.now()) cut();
}

server::Reply SilentProduces::end(std::string why) {
  client_->end(std::move(why));
  return server::no_reply();
}

// What the client believes of topics that are at home where its node is, is right.
std::optional<NodeId> SilentProduces::leader_of(const Message& message) const {
  const std::string& here = picture_.virtual_cluster.node(node_)->cluster;
  std::optional<NodeId> leader;
  for (const auto& topic : message.topic_data) {
    const std::string& home = picture_.routes.home_of_topic(topic.name);
    const Site* site = picture_.site(home);
    for (const auto& partition : topic.partition_data) {
      NodeId its = node_;
      if (home != here) {
        if (site == nullptr) return std::nullopt;
        const auto known = site->cluster().metadata().leader_of({topic.name, partition.index});
        if (!known || known->node < 0) return std::nullopt;
        its = known->node;
      }
      if (leader && *leader != its) return std::nullopt;
      leader = its;
    }
  }
  return leader ? leader : node_;
}

io::Task<std::optional<NodeId>> SilentProduces::leader_other_than(NodeId node,
                                                                  const Message& message) {
  const io::Instant deadline = loop_.now() + move_timeout;
  for (;;) {
    const auto leader = leader_of(message);
    if (leader && *leader != node) co_return leader;
    if (cut_ || loop_.now() >= deadline) co_return std::nullopt;
    co_await picture_.news.wait_until(deadline);
  }
}

io::Task<bool> SilentProduces::connect(NodeId to) {
  if (behind_ && !behind_->closed() && to_ == to) co_return true;
  const Node* node = picture_.virtual_cluster.node(to);
  if (node == nullptr || cut_) co_return false;
  client::ConnectionOptions options;
  options.client_id = "isthmus-router";
  auto opened = co_await client::Connection::open(env_, gate_, node->real.address, options,
                                                  loop_.now() + dial_for);
  if (!opened) co_return false;
  if (behind_) left_.push_back(std::move(behind_));
  behind_ = std::move(*opened);
  to_ = to;
  if (cut_) behind_->close();
  co_return !cut_;
}

// Who leads now may be another than the one whose answers are awaited: those come first.
io::Task<std::string> SilentProduces::make_way_to_leader(const Message& message) {
  for (;;) {
    const auto leader = co_await leader_other_than(-1, message);
    if (!leader) co_return "produce with acks=0 for partitions that no one node leads";
    const bool same = *leader == sent_to_ && *leader == to_ && behind_ && !behind_->closed();
    if (!same) {
      while (!idle() && !cut_) co_await progress_.wait();
      left_.clear();
      const bool connected = co_await connect(*leader);
      if (!connected) co_return fmt::format("node {} does not answer", *leader);
      sent_to_ = *leader;
    }
    const bool room = co_await behind_->room(loop_.now() + write_for);
    if (!room) co_return fmt::format("node {} has closed its connection", *leader);
    if (to_ == sent_to_) co_return "";
  }
}

SilentProduces::Sent SilentProduces::send(const Message& message) {
  const auto version = behind_->version_for(kafka::ApiKey::produce, version_);
  if (!version) return {io::ready(Result<Slice>(fail("it does not speak Produce")))};
  kafka::Writer writer;
  message.encode(writer, *version);
  client::RawRequest raw{static_cast<int16_t>(kafka::ApiKey::produce), *version, client_->client_id,
                         std::move(writer).finish()};
  traffic_.bytes_to_node += raw.body.size();
  ++traffic_.requests;
  return {behind_->call_raw(std::move(raw), io::Instant::max()), *version};
}

io::Task<server::Reply> SilentProduces::forward(server::Request request) {
  auto message = server::decode_request<Message>(request);
  if (!message) co_return end(message.error().text);
  message->acks = 1;
  version_ = request.header.api_version;
  std::string trouble = co_await make_way_to_leader(*message);
  if (!trouble.empty()) co_return end(std::move(trouble));
  if (idle()) latest_progress_ = loop_.now();
  Sent sent = send(*message);
  request.charge->park(request.frame.size());
  co_return finish(shared_from_this(), std::move(*message), next_++, std::move(sent));
}

server::Reply SilentProduces::finish(std::shared_ptr<SilentProduces> self, Message message,
                                     uint64_t number, Sent sent) {
  auto bytes = co_await sent.answer;
  while (self->done_ != number) co_await self->progress_.wait();
  std::string trouble = co_await self->settle(std::move(message), std::move(bytes), sent.version);
  ++self->done_;
  self->latest_progress_ = self->loop_.now();
  self->progress_.notify_all();
  if (!trouble.empty()) self->client_->end(std::move(trouble));
  co_return std::nullopt;
}

io::Task<std::string> SilentProduces::settle(Message message, Result<Slice> answer,
                                             int16_t version) {
  NodeId asked = sent_to_;
  for (int moves = 0;; ++moves) {
    if (!answer) co_return fmt::format("node {}: {}", asked, answer.error().text);
    auto response = client::decode_response<Response>(std::move(*answer), version);
    if (!response) co_return response.error().text;
    std::string trouble = keep_refused(message, *response);
    if (!trouble.empty() || message.topic_data.empty()) co_return trouble;
    const auto leader = co_await leader_other_than(asked, message);
    if (!leader || moves == most_moves) {
      co_return "produce with acks=0 for a partition that is led elsewhere";
    }
    const bool connected = co_await connect(*leader);
    if (!connected) co_return fmt::format("node {} does not answer", *leader);
    asked = *leader;
    Sent again = send(message);
    answer = co_await again.answer;
    version = again.version;
  }
}

}  // namespace isthmus::router
