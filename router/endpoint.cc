#include "router/endpoint.h"

#include <fmt/core.h>

#include <algorithm>

#include "router/reading.h"
#include "router/refusals.h"
#include "server/reply.h"

namespace isthmus::router {

namespace {

using kafka::ApiKey;

// Longer than a line that loses packets needs to resend them, short enough for all who wait for the
// room that such a reader takes.
constexpr auto stall_limit = std::chrono::seconds(5);

server::ServerLimits limits() {
  server::ServerLimits limits;
  // Each may be a long poll whose answer waits here: fewer than a broker takes.
  limits.connection.max_requests = 200;
  return limits;
}

}  // namespace

Endpoint::Endpoint(io::Env& env, Picture& picture, Answers& answers, server::Audit& audit,
                   std::optional<NodeId> node, std::vector<kafka::Mechanism> mechanisms)
    : env_(env),
      loop_(env.main_loop()),
      picture_(picture),
      answers_(answers),
      node_(node),
      gate_(loop_),
      log_ins_(env, gate_, picture, audit, std::move(mechanisms)),
      acceptor_(env, *this, limits(), &picture.requests) {
  acceptor_.note_in(audit);
  if (node_) traffic_[*node_];
}

Endpoint::~Endpoint() = default;

Result<std::unique_ptr<Endpoint>> Endpoint::open(io::Env& env, Picture& picture, Answers& answers,
                                                 server::Audit& audit, std::optional<NodeId> node,
                                                 Door door) {
  std::unique_ptr<Endpoint> endpoint(
      new Endpoint(env, picture, answers, audit, node, std::move(door.mechanisms)));
  auto listening = endpoint->acceptor_.listen(door.listener);
  if (!listening) return fail(listening.error());
  endpoint->address_ = std::move(*listening);
  endpoint->acceptor_.start();
  return endpoint;
}

io::Task<void> Endpoint::close(io::Duration grace) {
  // The acceptor waits for replies under way, and those wait for the node.
  const auto cut_all = [this] {
    for (auto& [id, session] : sessions_) session->cut();
    for (auto& ending : ending_) {
      if (auto session = ending.lock()) session->cut();
    }
  };
  const auto timer = loop_.run_at(loop_.now() + grace, cut_all);
  co_await acceptor_.close(grace);
  loop_.cancel(timer);
  cut_all();
  co_await gate_.close();
}

io::Task<void> Endpoint::measure(Samples& samples) {
  co_await acceptor_.measure(samples);
  for (const auto& [id, traffic] : traffic_) {
    const std::string node = std::to_string(id);
    samples.add(metric::node_requests, static_cast<double>(traffic.requests), {node});
    samples.add(metric::node_bytes, static_cast<double>(traffic.bytes_to_node), {node, "node"});
    samples.add(metric::node_bytes, static_cast<double>(traffic.bytes_to_clients),
                {node, "clients"});
  }
}

void Endpoint::cut_silent_sessions() {
  // A client that has ended its side was still owed answers, until its connection ended as well.
  std::erase_if(ending_, [](const auto& ending) {
    const auto session = ending.lock();
    if (!session || session->cut_if_unheard()) return true;
    session->cut_silent();
    return false;
  });
  for (auto& [id, session] : sessions_) session->cut_silent();
}

void Endpoint::close_stalled_readers() {
  if (!sessions_.empty() && picture_.waiting.exhausted()) acceptor_.close_stalled(stall_limit);
}

std::shared_ptr<Session> Endpoint::session_of(const server::Request& request, NodeId node) {
  auto& session = sessions_[request.connection->id];
  if (!session) {
    session =
        std::make_shared<Session>(env_, gate_, picture_, node, traffic_[node], request.connection);
  }
  return session;
}

std::optional<NodeId> Endpoint::node_of(const server::ConnectionContext& client) const {
  return node_ ? node_ : picture_.virtual_cluster.node_named(client.server_name);
}

bool Endpoint::serves(NodeId node) const {
  return node_ == node || picture_.virtual_cluster.has_names();
}

size_t Endpoint::connections(NodeId node) const {
  if (node_) return acceptor_.connections();
  return static_cast<size_t>(std::ranges::count(
      sessions_, node, [](const auto& session) { return session.second->node(); }));
}

uint64_t Endpoint::passed_on(NodeId node) const {
  const auto found = traffic_.find(node);
  return found == traffic_.end() ? 0 : found->second.requests;
}

void Endpoint::closed(server::ConnectionContext& connection) {
  connection.log_in.exchange.reset();
  const auto found = sessions_.find(connection.id);
  if (found == sessions_.end()) return;
  found->second->finish();
  ending_.push_back(found->second);
  sessions_.erase(found);
}

io::Task<server::Reply> Endpoint::dispatch(server::Request request) {
  const auto key = static_cast<ApiKey>(request.header.api_key);
  const int16_t version = request.header.api_version;
  auto& client = *request.connection;
  if (auto why = client.log_in.refusal(key, client.loop->now())) {
    client.end(*why);
    co_return server::no_reply();
  }
  if (key == ApiKey::api_versions) {
    co_return io::ready(std::optional(answers_.api_versions(request)));
  }
  if (!Answers::is_spoken(request.header.api_key, version)) {
    request.connection->end(
        fmt::format("api {} version {} is not spoken here", request.header.api_key, version));
    co_return server::no_reply();
  }
  if (key == ApiKey::sasl_handshake) co_return co_await log_ins_.handshake(std::move(request));
  if (key == ApiKey::sasl_authenticate) {
    co_return co_await log_ins_.authenticate(std::move(request));
  }
  if (!is_bound_to_a_node(key)) co_return answer(std::move(request));
  const auto node = node_of(client);
  if (!node) co_return refuse(request);
  auto session = session_of(request, *node);
  server::Reply reply = co_await session->forward(std::move(request));
  co_return reply;
}

server::Reply Endpoint::answer(server::Request request) {
  switch (static_cast<ApiKey>(request.header.api_key)) {
    case ApiKey::metadata: return answers_.metadata(std::move(request));
    case ApiKey::find_coordinator: return answers_.find_coordinator(std::move(request));
    case ApiKey::describe_cluster: return answers_.describe_cluster(std::move(request));
    case ApiKey::init_producer_id: return answers_.init_producer_id(std::move(request));
    case ApiKey::list_groups: {
      const auto node = node_of(*request.connection);
      return answers_.list_groups(std::move(request), node);
    }
    case ApiKey::create_topics: return answers_.create_topics(std::move(request));
    case ApiKey::delete_topics: return answers_.delete_topics(std::move(request));
    case ApiKey::create_partitions: return answers_.create_partitions(std::move(request));
    case ApiKey::describe_configs: return answers_.describe_configs(std::move(request));
    case ApiKey::alter_configs: return answers_.alter_configs(std::move(request));
    case ApiKey::incremental_alter_configs:
      return answers_.incremental_alter_configs(std::move(request));
    default:
      request.connection->end(
          fmt::format("api {} is not served by a router", request.header.api_key));
      return server::no_reply();
  }
}

// The bootstrap leads nothing and coordinates nothing, as clients that ask it for metadata know.
server::Reply Endpoint::refuse(const server::Request& request) {
  bool replies = true;
  if (static_cast<ApiKey>(request.header.api_key) == ApiKey::produce) {
    auto expected = expects_reply(request);
    replies = expected && *expected;
  }
  auto refusal = router::refuse(request);
  if (refusal && replies) return io::ready(std::optional(std::move(*refusal)));
  request.connection->end(refusal ? "produce with acks=0 at the bootstrap" : refusal.error().text);
  return server::no_reply();
}

}  // namespace isthmus::router
