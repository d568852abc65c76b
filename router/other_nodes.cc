#include "router/other_nodes.h"

#include <algorithm>

namespace isthmus::router {

namespace {

constexpr auto dial_for = std::chrono::seconds(3);
// To a site that is believed to be away: long enough to find that it is back.
constexpr auto dial_shortly_for = std::chrono::milliseconds(500);
// A node that takes no bytes for so long is given up.
constexpr auto write_for = std::chrono::seconds(30);
// Of one client; there is one to each node that it needs.
constexpr size_t max_connections = 16;

}  // namespace

void OtherNodes::cut() {
  cut_ = true;
  for (const auto& known : known_) known->connection->close();
  picture_.news.notify_all();
}

void OtherNodes::cut_silent() {
  for (const auto& known : known_) {
    const auto patience = picture_.patience_with(known->node);
    if (!patience || known->owed == 0) continue;
    const io::Instant now = env_.main_loop().now();
    if (known->latest_progress + *patience < now) known->connection->close();
  }
}

size_t OtherNodes::owed_elsewhere(NodeId node) const {
  size_t owed = 0;
  for (const auto& known : known_) owed += known->node == node ? 0 : known->owed;
  return owed;
}

OtherNodes::KnownPtr OtherNodes::find(NodeId node) const {
  const auto is_open = [&](const KnownPtr& known) {
    return known->node == node && !known->connection->closed();
  };
  const auto found = std::ranges::find_if(known_, is_open);
  return found == known_.end() ? nullptr : *found;
}

// nullptr if the node does not answer.
io::Task<OtherNodes::KnownPtr> OtherNodes::connect(NodeId to) {
  auto turn = co_await dialling_.lock();
  if (auto known = find(to)) co_return known;
  std::erase_if(known_, [](const KnownPtr& known) {
    return known->connection->closed() && known->owed == 0;
  });
  const Node* node = picture_.virtual_cluster.node(to);
  if (node == nullptr || cut_ || known_.size() >= max_connections) co_return nullptr;
  const Site* site = picture_.site(node->cluster);
  const bool is_away = site == nullptr || !site->reachable();
  const auto timeout = is_away ? io::Duration(dial_shortly_for) : io::Duration(dial_for);
  client::ConnectionOptions options;
  options.client_id = "isthmus-router";
  if (site == nullptr) co_return nullptr;
  options.security = site->security();
  options.on_behalf_of = site->person(*client_);
  auto opened = co_await client::Connection::open(env_, gate_, node->real.address, options,
                                                  env_.main_loop().now() + timeout);
  if (!opened || cut_) co_return nullptr;
  auto known = std::make_shared<Known>();
  known->node = to;
  known->connection = std::move(*opened);
  known_.push_back(known);
  co_return known;
}

io::Task<Result<void>> OtherNodes::reach(NodeId node, kafka::RequestHeader header) {
  const std::string name = "node " + std::to_string(node);
  const auto known = co_await connect(node);
  if (!known) co_return fail(name + " does not answer");
  const auto key = static_cast<kafka::ApiKey>(header.api_key);
  if (known->connection->version_for(key, header.api_version) != header.api_version) {
    co_return fail(name + " does not speak this version");
  }
  const bool room = co_await known->connection->room(env_.main_loop().now() + write_for);
  if (!room) co_return fail(name + " has closed its connection");
  co_return Result<void>{};
}

OtherNodes::Answer OtherNodes::send(NodeId node, const kafka::RequestHeader& header, Rope body) {
  const auto known = find(node);
  if (!known) return io::ready(Result<Slice>(fail("the connection has ended")));
  if (known->owed++ == 0) known->latest_progress = env_.main_loop().now();
  client::RawRequest raw{header.api_key, header.api_version, header.client_id, std::move(body)};
  return receive(known, known->connection->call_raw(std::move(raw), io::Instant::max()));
}

OtherNodes::Answer OtherNodes::receive(KnownPtr known, Answer answer) {
  auto bytes = co_await answer;
  --known->owed;
  known->latest_progress = env_.main_loop().now();
  co_return bytes;
}

OtherNodes::Answer OtherNodes::ask(NodeId node, kafka::RequestHeader header, Rope body) {
  auto reached = co_await reach(node, header);
  if (!reached) co_return fail(reached.error());
  auto answer = send(node, header, std::move(body));
  auto bytes = co_await answer;
  co_return bytes;
}

}  // namespace isthmus::router
