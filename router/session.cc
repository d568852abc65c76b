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
// Larger ones are refused where what they are about has moved: their clients ask again.
constexpr size_t max_kept_request = size_t{16} << 10;
constexpr auto dial_timeout = std::chrono::seconds(3);
// Of a site that is believed to be away: long enough to find that it is back.
constexpr auto short_dial_timeout = std::chrono::milliseconds(500);
// A client gives up about then, and is not read before: it must be heard again in the end.
constexpr auto commit_turn_comes_within = std::chrono::seconds(30);
// A node that takes no bytes for so long is given up.
constexpr auto write_timeout = std::chrono::seconds(30);

ApiKey key_of(const server::Request& request) {
  return static_cast<ApiKey>(request.header.api_key);
}
bool is_commit(const server::Request& request) { return key_of(request) == ApiKey::offset_commit; }

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
      fewer_commits_(loop_),
      produces_(env, gate, picture, node, traffic, client_),
      groups_(env, gate, picture, client_),
      fetches_(env, gate, picture, node, client_) {}

void Session::finish() {
  finishing_ = true;
  produces_.finish();
  if (client_->closed || is_idle()) leave();
}

// All but what is produced, which ends by itself.
void Session::leave() {
  fewer_fetches_.close();
  fewer_commits_.close();
  if (behind_) behind_->close();
  groups_.cut();
  fetches_.cut();
}

void Session::cut() {
  leave();
  produces_.cut();
}

bool Session::cut_if_unheard() {
  if (client_->closed) cut();
  return client_->closed;
}

void Session::cut_silent() {
  const auto patience = picture_.patience_with(node_);
  const bool is_owed = patience && under_way_ > 0;
  if (is_owed && latest_progress_ + *patience < loop_.now()) leave();
  produces_.cut_silent();
  groups_.cut_silent();
  fetches_.cut_silent();
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
  if (site == nullptr) co_return false;
  options.security = site->security();
  options.on_behalf_of = site->person(*client_);
  auto opened = co_await client::Connection::open(env_, gate_, node->real.address, options,
                                                  loop_.now() + timeout);
  if (!opened) co_return false;
  behind_ = std::move(*opened);
  if (finishing_) behind_->close();
  co_return !finishing_;
}

io::Task<void> Session::room_for_fetch() {
  while (picture_.waiting.exhausted() && !client_->closed) {
    co_await picture_.waiting.room().wait();
  }
  while (fetches_under_way_ >= max_fetches_under_way && !fewer_fetches_.closed()) {
    co_await fewer_fetches_.wait();
  }
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
  auto refusal = refuse_with_hints(picture_, node_, request);
  if (!refusal) return end(refusal.error().text);
  return io::ready(std::optional(std::move(*refusal)));
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
    auto reply = co_await produces_.forward(std::move(request));
    co_return hold(shared_from_this(), std::move(reply));
  }
  auto elsewhere = is_elsewhere(request);
  if (!elsewhere) co_return end(elsewhere.error().text);
  const bool is_fetch = key_of(request) == ApiKey::fetch;
  auto keep = kept(request);
  const bool is_old = is_fetch && keep && fetches_.is_from_before_a_move(request);
  if (keep && (*elsewhere || is_old)) {
    if (is_fetch) co_await room_for_fetch();
    if (is_commit(request)) {
      const bool is_next = co_await turn_of_commit(commits_under_way_);
      if (!is_next) co_return refuse(request);
      ++commits_away_;
    }
    ++away_;
    if (is_fetch) ++fetches_under_way_;
    request.charge->park(request.frame.size());
    co_return pass_elsewhere(shared_from_this(), std::move(request), std::move(*keep));
  }
  if (*elsewhere) co_return refuse(request);

  if (is_commit(request)) {
    const bool is_next = co_await turn_of_commit(commits_away_);
    if (!is_next) co_return refuse(request);
  }
  const bool connected = co_await connect();
  if (connected && is_fetch) co_await room_for_fetch();
  const bool room = connected && co_await behind_->room(loop_.now() + write_timeout);
  if (!room) co_return cannot_pass(request);

  ++traffic_.requests;
  traffic_.bytes_to_node += request.body.size();
  if (under_way_ == 0) latest_progress_ = loop_.now();
  ++under_way_;
  if (is_fetch) ++fetches_under_way_;
  if (is_commit(request)) ++commits_under_way_;
  // Its bytes count until the node has taken them, not until it answers: a join may wait for long.
  Slice body = charged(picture_.requests, std::move(request.body));
  client::RawRequest raw{request.header.api_key, request.header.api_version,
                         request.header.client_id, Rope(std::move(body))};
  Answer answer = behind_->call_raw(std::move(raw), io::Instant::max());
  request.body = request.frame = {};
  request.charge->park(waiting_request_bytes + (keep ? keep->body.size() : 0));
  co_return pass(shared_from_this(), std::move(request), std::move(keep), std::move(answer));
}

// Commits keep their order, wherever they are asked: those at the other place have been answered,
// and what it sends away has gone on. False: they are not answered for long.
io::Task<bool> Session::turn_of_commit(const size_t& others) {
  const io::Instant deadline = loop_.now() + commit_turn_comes_within;
  while (others > 0 && !fewer_commits_.closed() && loop_.now() < deadline) {
    co_await fewer_commits_.wait_until(deadline);
  }
  co_return others == 0;
}

server::Reply Session::hold(std::shared_ptr<Session> self, server::Reply reply) {
  auto answer = co_await reply;
  co_return answer;
}

std::optional<Session::Kept> Session::kept(const server::Request& request) const {
  if (request.body.size() > max_kept_request) return std::nullopt;
  auto group = only_group(request);
  if (!group && !is_fetch_without_session(request)) return std::nullopt;
  return Kept{request.header, request.body, std::move(group)};
}

ErrorCode Session::refusal_in(const Kept& kept, const Slice& answer) const {
  if (!kept.group) return refusal_of_fetch(kept.header, answer);
  const bool is_refused = is_not_coordinator(kept.header, answer);
  return is_refused ? ErrorCode::not_coordinator : ErrorCode::none;
}

io::Task<std::optional<Slice>> Session::ask_elsewhere(Kept kept, ErrorCode refusal) {
  if (!kept.group) {
    auto answer = co_await fetches_.ask(kept.header, std::move(kept.body), {refusal, node_});
    co_return answer;
  }
  GroupRequest request{kept.header, std::move(kept.body), std::move(*kept.group)};
  const auto asked = refusal == ErrorCode::none ? std::nullopt : std::optional(node_);
  auto answer = co_await groups_.ask(std::move(request), asked);
  co_return answer;
}

server::Reply Session::pass_elsewhere(std::shared_ptr<Session> self, server::Request request,
                                      Kept kept) {
  auto bytes = co_await self->ask_elsewhere(std::move(kept), ErrorCode::none);
  --self->away_;
  if (is_commit(request)) {
    --self->commits_away_;
    self->fewer_commits_.notify_all();
  }
  self->answered(key_of(request));
  if (!bytes) {
    auto refusal = self->refuse(request);
    auto answer = co_await refusal;
    co_return answer;
  }
  co_return self->give_back(request, std::move(*bytes));
}

server::Reply Session::pass(std::shared_ptr<Session> self, server::Request request,
                            std::optional<Kept> kept, Answer answer) {
  auto bytes = co_await answer;
  --self->under_way_;
  self->latest_progress_ = self->loop_.now();
  const ErrorCode refusal = bytes && kept ? self->refusal_in(*kept, *bytes) : ErrorCode::none;
  if (refusal != ErrorCode::none) {
    ++self->away_;
    auto moved = co_await self->ask_elsewhere(std::move(*kept), refusal);
    --self->away_;
    if (moved) bytes = std::move(*moved);
  }
  if (is_commit(request)) {
    --self->commits_under_way_;
    self->fewer_commits_.notify_all();
  }
  self->answered(key_of(request));
  co_return self->give_back(request, std::move(bytes));
}

void Session::answered(ApiKey key) {
  if (key == ApiKey::fetch) {
    --fetches_under_way_;
    fewer_fetches_.notify_all();
  }
  if (finishing_ && is_idle()) leave();
}

std::optional<Rope> Session::give_back(const server::Request& request, Result<Slice> bytes) {
  if (bytes && key_of(request) == ApiKey::fetch) {
    bytes = add_hints(request, std::move(*bytes));
    if (bytes) bytes = charged(picture_.waiting, std::move(*bytes));
  }
  if (!bytes) {
    return server::lost(request, fmt::format("node {}: {}", node_, bytes.error().text));
  }
  traffic_.bytes_to_clients += bytes->size();
  return server::with_correlation_id(request.header, std::move(*bytes));
}

// Leads to the new leaders where the version has hints for that. Records are not looked at, nor
// copied unless there is something to say. Where all is at home at this node's cluster, its brokers
// have nobody else to name: the answer passes as bytes. One that is not Isthmus names addresses of
// its own.
Result<Slice> Session::add_hints(const server::Request& request, Slice answer) const {
  const int16_t version = request.header.api_version;
  if (version < first_fetch_with_hints) return answer;
  const std::string& cluster = picture_.virtual_cluster.node(node_)->cluster;
  const Site* site = picture_.site(cluster);
  const bool names_nobody_else = site != nullptr && site->is_isthmus();
  if (names_nobody_else && picture_.routes.everything_is_at(cluster)) return answer;
  auto response = client::decode_response<kafka::FetchResponse>(answer, version);
  if (!response) return fail(response.error());
  if (!wants_hints(*response)) return answer;
  lead_hints(picture_, node_, *response);
  auto rewritten = server::encode_response(request.header, *response).flatten();
  if (!rewritten) return fail(rewritten.error());
  return rewritten->sub(sizeof(int32_t), rewritten->size() - sizeof(int32_t));
}

}  // namespace isthmus::router
