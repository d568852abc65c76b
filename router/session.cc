#include "router/session.h"

#include <fmt/core.h>

#include "kafka/gen/fetch.h"
#include "kafka/gen/produce.h"
#include "router/leader_hints.h"
#include "router/reading.h"
#include "router/refusals.h"
#include "server/budget.h"
#include "server/reply.h"

namespace isthmus::router {

namespace {

using kafka::ApiKey;
using kafka::ErrorCode;

// Each may bring an answer of tens of megabytes, which waits here for a slow client. Clients send
// one at a time to a node.
constexpr size_t max_fetches_under_way = 2;
// Of a request that waits for its answer: what is kept of it here.
constexpr size_t waiting_request_bytes = 512;
// Larger ones, of groups, are refused where a group has moved: their clients ask again.
constexpr size_t max_kept_group_request = size_t{16} << 10;
constexpr auto dial_timeout = std::chrono::seconds(3);
// Of a site that is believed to be away: long enough to find that it is back.
constexpr auto short_dial_timeout = std::chrono::milliseconds(500);
// A node that takes no bytes for so long is given up.
constexpr auto write_timeout = std::chrono::seconds(30);

ApiKey key_of(const server::Request& request) {
  return static_cast<ApiKey>(request.header.api_key);
}

// Whether answers to it may name leaders with their addresses (KIP-951).
bool has_hints(const server::Request& request) {
  const int16_t version = request.header.api_version;
  const ApiKey key = key_of(request);
  return (key == ApiKey::produce && version >= first_produce_with_hints) ||
         (key == ApiKey::fetch && version >= first_fetch_with_hints);
}

// The same bytes, which count for the budget until the last reference to them is gone.
Slice charged(server::Budget& budget, Slice bytes) {
  struct Charge {
    Charge(server::Budget& b, Slice s) : budget(b), bytes(std::move(s)) {
      budget.take(bytes.size());
    }
    ~Charge() { budget.give_back(bytes.size()); }
    server::Budget& budget;
    const Slice bytes;
  };
  const auto charge = std::make_shared<Charge>(budget, std::move(bytes));
  return {charge, charge->bytes.view()};
}

Rope with_correlation_id(int32_t id, Slice rest) {
  std::vector<uint8_t> bytes(sizeof id);
  store_be(bytes.data(), id);
  Rope rope(Slice::take(std::move(bytes)));
  rope.append(std::move(rest));
  return rope;
}

}  // namespace

Session::Session(io::Env& env, io::Gate& gate, Picture& picture, NodeId node, Traffic& traffic,
                 std::shared_ptr<server::ConnectionContext> client)
    : env_(env),
      loop_(*client->loop),
      gate_(gate),
      picture_(picture),
      node_(node),
      traffic_(traffic),
      client_(std::move(client)),
      fewer_fetches_(loop_),
      groups_(env, gate, picture, client_) {}

void Session::finish() {
  finishing_ = true;
  if (client_->closed || is_idle()) cut();
}

void Session::cut() {
  fewer_fetches_.close();
  if (behind_) behind_->close();
  if (silent_) silent_->cut();
  groups_.cut();
}

bool Session::cut_if_unheard() {
  if (client_->closed) cut();
  return client_->closed;
}

void Session::cut_if_silent(io::Duration limit) {
  if (under_way_ > 0 && latest_progress_ + limit < loop_.now()) cut();
  if (silent_) silent_->cut_if_silent(limit);
}

server::Reply Session::end(std::string why) {
  client_->end(std::move(why));
  return server::no_reply();
}

io::Task<bool> Session::connect() {
  const Node* node = picture_.virtual_cluster.node(node_);
  if (behind_ && !behind_->closed()) co_return true;
  // What was lost with it is not asked again here: only the client knows whether it may be.
  if (behind_ && under_way_ > 0) co_return false;
  Site* site = picture_.site(node->cluster);
  const bool is_away = site == nullptr || !site->reachable();
  const auto timeout = is_away ? io::Duration(short_dial_timeout) : io::Duration(dial_timeout);
  client::ConnectionOptions options;
  options.client_id = "isthmus-router";
  auto opened = co_await client::Connection::open(env_, gate_, node->real.address, options,
                                                  loop_.now() + timeout);
  if (!opened) co_return false;
  behind_ = std::move(*opened);
  if (finishing_) behind_->close();
  co_return !finishing_;
}

io::Task<bool> Session::room_for(const server::Request& request) {
  if (key_of(request) == ApiKey::fetch) {
    while (picture_.waiting.exhausted() && !client_->closed) {
      co_await picture_.waiting.room().wait();
    }
    while (fetches_under_way_ >= max_fetches_under_way && !fewer_fetches_.closed()) {
      co_await fewer_fetches_.wait();
    }
  }
  co_return co_await behind_->room(loop_.now() + write_timeout);
}

Result<bool> Session::comes_too_early(const server::Request& request) {
  RefusedBatches& refused = picture_.refused_batches;
  if (key_of(request) != ApiKey::produce || refused.empty()) return false;
  auto message = server::decode_request<kafka::ProduceRequest>(request);
  if (!message) return fail(message.error());
  return refused.come_before(*message, loop_.now());
}

// A site that has lost its topics to another may not know it yet (it was cut off), and a mirror
// would serve them to readers: so requests for them are kept from its nodes. The broker remembers
// the partitions of a fetch session, so one from before a change of the routes begins anew.
Result<bool> Session::is_elsewhere(const server::Request& request) {
  const std::string& cluster = picture_.virtual_cluster.node(node_)->cluster;
  auto where = whereabouts(request, picture_, cluster);
  if (!where) return fail(where.error());
  if (*where == Whereabouts::elsewhere) return true;
  if (key_of(request) != ApiKey::fetch) return false;
  const uint64_t now = picture_.routes.changes();
  if (routes_of_fetch_session_ == now) return false;
  auto epoch = fetch_session_epoch(request);
  if (!epoch) return fail(epoch.error());
  if (*epoch > 0 && !picture_.routes.everything_is_at(cluster)) return true;
  if (*epoch <= 0) routes_of_fetch_session_ = now;
  return false;
}

server::Reply Session::refuse(const server::Request& request) {
  auto refusal = router::refuse(request);
  if (!refusal) return end(refusal.error().text);
  if (key_of(request) == ApiKey::produce) {
    auto message = server::decode_request<kafka::ProduceRequest>(request);
    if (!message) return end(message.error().text);
    picture_.refused_batches.note(*message, loop_.now());
  }
  if (!has_hints(request)) return io::ready(std::optional(std::move(*refusal)));
  auto bytes = refusal->flatten();
  if (!bytes) return end(bytes.error().text);
  auto hinted = add_hints(request, bytes->sub(sizeof(int32_t), bytes->size() - sizeof(int32_t)));
  if (!hinted) return end(hinted.error().text);
  return io::ready(
      std::optional(with_correlation_id(request.header.correlation_id, std::move(*hinted))));
}

// The node is away, and has not got the request. The end of a connection that has just begun is
// taken for a refused login by some libraries (franz-go names SASL), which then try it for long; a
// refusal leads to the metadata, which name no leader until there is one. Where answers are owed
// they are lost with the node, and only the end of the connection says so.
server::Reply Session::cannot_pass(const server::Request& request) {
  if (finishing_ || under_way_ > 0) return end(fmt::format("node {} does not answer", node_));
  return refuse(request);
}

io::Task<server::Reply> Session::forward(server::Request request) {
  if (key_of(request) == ApiKey::produce) {
    auto expected = expects_reply(request);
    if (!expected) co_return end(expected.error().text);
    if (!*expected) {
      if (!silent_) {
        silent_ = std::make_shared<SilentProduces>(env_, gate_, picture_, node_, traffic_, client_);
      }
      auto reply = co_await silent_->forward(std::move(request));
      co_return reply;
    }
  }
  auto elsewhere = is_elsewhere(request);
  if (!elsewhere) co_return end(elsewhere.error().text);
  auto too_early = *elsewhere ? Result<bool>(false) : comes_too_early(request);
  if (!too_early) co_return end(too_early.error().text);
  auto group = group_request(request);
  if (*elsewhere && group) {
    co_return ask_at_home(shared_from_this(), std::move(request), std::move(*group));
  }
  if (*elsewhere || *too_early) co_return refuse(request);

  const bool connected = co_await connect();
  const bool room = connected && co_await room_for(request);
  if (!room) co_return cannot_pass(request);

  ++traffic_.requests;
  traffic_.bytes_to_node += request.body.size();
  if (under_way_ == 0) latest_progress_ = loop_.now();
  ++under_way_;
  if (key_of(request) == ApiKey::fetch) ++fetches_under_way_;
  // Its bytes count until the node has taken them, not until it answers: a join may wait for long.
  Slice body = charged(picture_.requests, std::move(request.body));
  client::RawRequest raw{request.header.api_key, request.header.api_version,
                         request.header.client_id, Rope(std::move(body))};
  Answer answer = behind_->call_raw(std::move(raw), io::Instant::max());
  request.body = request.frame = {};
  request.charge->park(waiting_request_bytes + (group ? group->body.size() : 0));
  co_return pass(shared_from_this(), std::move(request), std::move(group), std::move(answer));
}

std::optional<GroupRequest> Session::group_request(const server::Request& request) const {
  if (request.body.size() > max_kept_group_request) return std::nullopt;
  auto group = only_group(request);
  if (!group) return std::nullopt;
  return GroupRequest{request.header, request.body, std::move(*group)};
}

server::Reply Session::ask_at_home(std::shared_ptr<Session> self, server::Request request,
                                   GroupRequest group) {
  ++self->away_;
  auto bytes = co_await self->groups_.ask(std::move(group), std::nullopt);
  --self->away_;
  if (self->finishing_ && self->is_idle()) self->cut();
  if (!bytes) {
    auto refusal = self->refuse(request);
    auto answer = co_await refusal;
    co_return answer;
  }
  self->traffic_.bytes_to_clients += bytes->size();
  co_return with_correlation_id(request.header.correlation_id, std::move(*bytes));
}

server::Reply Session::pass(std::shared_ptr<Session> self, server::Request request,
                            std::optional<GroupRequest> group, Answer answer) {
  auto bytes = co_await answer;
  if (bytes && group && is_not_coordinator(request.header, *bytes)) {
    ++self->away_;
    auto moved = co_await self->groups_.ask(std::move(*group), self->node_);
    --self->away_;
    if (moved) bytes = std::move(*moved);
  }
  self->answered(key_of(request));
  if (bytes && self->may_be_hinted(request)) {
    bytes = self->add_hints(request, std::move(*bytes));
  }
  if (bytes && key_of(request) == ApiKey::fetch) {
    bytes = charged(self->picture_.waiting, std::move(*bytes));
  }
  if (!bytes) {
    co_return server::lost(request, fmt::format("node {}: {}", self->node_, bytes.error().text));
  }
  self->traffic_.bytes_to_clients += bytes->size();
  co_return with_correlation_id(request.header.correlation_id, std::move(*bytes));
}

void Session::answered(ApiKey key) {
  --under_way_;
  latest_progress_ = loop_.now();
  if (key == ApiKey::fetch) {
    --fetches_under_way_;
    fewer_fetches_.notify_all();
  }
  if (finishing_ && is_idle()) cut();
}

// Leads to the new leaders where the version has hints for that. Of an answer to a fetch the
// records are not looked at, nor copied unless there is something to say.
template <typename Response>
Result<Slice> Session::hinted(const server::Request& request, Slice answer) {
  auto response = client::decode_response<Response>(answer, request.header.api_version);
  if (!response) return fail(response.error());
  if (!wants_hints(*response)) return answer;
  lead_hints(picture_, picture_.virtual_cluster.node(node_)->cluster, *response);
  auto rewritten = server::encode_response(request.header, *response).flatten();
  if (!rewritten) return fail(rewritten.error());
  return rewritten->sub(sizeof(int32_t), rewritten->size() - sizeof(int32_t));
}

Result<Slice> Session::add_hints(const server::Request& request, Slice answer) {
  if (key_of(request) == ApiKey::produce) {
    return hinted<kafka::ProduceResponse>(request, std::move(answer));
  }
  return hinted<kafka::FetchResponse>(request, std::move(answer));
}

// Where all is at home at this node's cluster, its brokers have nobody else to name: a fetch passes
// as bytes. One that is not Isthmus names addresses of its own.
bool Session::may_be_hinted(const server::Request& request) const {
  if (!has_hints(request)) return false;
  if (key_of(request) == ApiKey::produce) return true;
  const std::string& cluster = picture_.virtual_cluster.node(node_)->cluster;
  const Site* site = picture_.site(cluster);
  return site == nullptr || !site->is_isthmus() || !picture_.routes.everything_is_at(cluster);
}

}  // namespace isthmus::router
