#include "client/cluster.h"

#include <algorithm>

#include "kafka/gen/find_coordinator.h"

namespace isthmus::client {

namespace {

// A broker that does not answer so small a question in this time is passed over for another.
constexpr auto metadata_timeout = std::chrono::seconds(5);

}  // namespace

Cluster::Cluster(io::Env& env, io::Loop& loop, ClusterOptions options)
    : env_(env),
      loop_(loop),
      options_(std::move(options)),
      log_(LogComponent::client, "cluster " + options_.name),
      gate_(loop),
      closing_(loop),
      refresh_backoff_(new_backoff()) {}

Cluster::~Cluster() = default;

Backoff Cluster::new_backoff() const {
  return {env_.random, options_.least_backoff, options_.most_backoff};
}

Error Cluster::gave_up(const std::string& what, const Error& latest) const {
  if (gate_.closing()) return Error::closed("cluster " + options_.name + ": closing");
  return Error::timeout("cluster " + options_.name + ": " + what +
                        (latest.text.empty() ? "" : "; " + latest.text));
}

io::Task<void> Cluster::close() {
  closing_.close();
  gate_.begin_close();
  for (auto& [key, peer] : peers_) {
    if (peer->connection) peer->connection->close();
  }
  for (auto& stale : stale_) {
    if (auto connection = stale.lock()) connection->close();
  }
  co_await gate_.close();
  while (pausing_ > 0) co_await io::yield(loop_);
}

io::Task<bool> Cluster::pause(io::Duration duration, io::Instant deadline) {
  const io::Instant until = std::min(loop_.now() + duration, deadline);
  ++pausing_;
  co_await closing_.wait_until(until);
  --pausing_;
  co_return !gate_.closing() && loop_.now() < deadline;
}

std::shared_ptr<Cluster::Peer> Cluster::peer_at(const io::Address& address, Lane lane) {
  auto& peer = peers_[{address, lane}];
  if (!peer) peer = std::make_shared<Peer>(loop_, address, new_backoff());
  return peer;
}

io::Task<Cluster::ConnectionResult> Cluster::connect(io::Address address, io::Instant deadline,
                                                     Lane lane) {
  auto peer = peer_at(address, lane);
  if (peer->connection && peer->connection->is_fresh()) co_return peer->connection;
  if (!peer->dialling) {
    if (loop_.now() < peer->next_attempt) {
      // One whose session ends soon is still better than none.
      if (peer->connection && !peer->connection->closed()) co_return peer->connection;
      co_return fail(peer->latest_error);
    }
    peer->dialling = true;
    if (!gate_.spawn("dial", dial(peer))) peer->dialling = false;
  }
  while (peer->dialling) {
    const bool in_time = co_await peer->dialled.wait_until(deadline);
    if (!in_time) co_return fail(gave_up(address.to_string() + " not reached", {}));
  }
  if (gate_.closing()) co_return fail(gave_up("", {}));
  if (!peer->connection || peer->connection->closed()) co_return fail(peer->latest_error);
  co_return peer->connection;
}

io::Task<void> Cluster::dial(std::shared_ptr<Peer> peer) {
  const io::Instant deadline = loop_.now() + options_.dial_timeout;
  auto opened =
      co_await Connection::open(env_, gate_, peer->address, options_.connection, deadline);
  peer->dialling = false;
  if (opened) {
    if (peer->connection && !peer->connection->closed()) {
      std::erase_if(stale_, [](const auto& stale) { return stale.expired(); });
      stale_.push_back(peer->connection);
    }
    peer->connection = std::move(*opened);
    peer->backoff.reset();
    // A broker that accepts and closes at once is not dialled as fast as it closes.
    peer->next_attempt = loop_.now() + options_.least_backoff;
    peer->latest_error = Error::closed(peer->address.to_string() + " has just closed");
    if (gate_.closing()) peer->connection->close();
  } else {
    peer->latest_error = opened.error();
    peer->next_attempt = loop_.now() + peer->backoff.next();
  }
  if (!gate_.closing()) note_dialled(*peer, opened ? nullptr : &opened.error());
  peer->dialled.notify_all();
}

void Cluster::note_dialled(Peer& peer, const Error* failure) {
  if (failure == nullptr) {
    if (away_.erase(peer.address) > 0)
      log_.info("broker={} answers again", peer.address.to_string());
  } else if (away_.insert(peer.address).second) {
    log_.warn("broker={} does not answer: {}", peer.address.to_string(), failure->text);
  }
}

std::vector<io::Address> Cluster::candidates(Lane lane) const {
  std::vector<io::Address> open, others, failing;
  std::set<io::Address> seen;
  const auto add = [&](const io::Address& address) {
    if (!seen.insert(address).second) return;
    const auto found = peers_.find({address, lane});
    const bool is_open =
        found != peers_.end() && found->second->connection && !found->second->connection->closed();
    if (is_open) {
      open.push_back(address);
    } else {
      (away_.contains(address) ? failing : others).push_back(address);
    }
  };
  for (const auto& [id, broker] : metadata_.brokers()) add(broker.address);
  for (const auto& address : options_.bootstrap) add(address);
  open.insert(open.end(), others.begin(), others.end());
  open.insert(open.end(), failing.begin(), failing.end());
  return open;
}

io::Task<Cluster::ConnectionResult> Cluster::any(io::Instant deadline, Lane lane) {
  Backoff backoff = new_backoff();
  for (;;) {
    auto connection = co_await try_any(deadline, lane);
    if (connection) co_return connection;
    const bool go_on = co_await pause(backoff.next(), deadline);
    if (!go_on) co_return connection;
  }
}

io::Task<Cluster::ConnectionResult> Cluster::try_any(io::Instant deadline, Lane lane) {
  Error latest;
  for (const auto& address : candidates(lane)) {
    auto connection = co_await connect(address, deadline, lane);
    if (connection) co_return connection;
    latest = connection.error();
    if (gate_.closing() || loop_.now() >= deadline) break;
  }
  co_return fail(gave_up("no broker answers", latest));
}

io::Task<Cluster::ConnectionResult> Cluster::node(NodeId id, io::Instant deadline, Lane lane) {
  return reach(
      "broker " + std::to_string(id), [this, id] { return metadata_.broker(id); }, deadline, lane);
}

io::Task<Cluster::ConnectionResult> Cluster::try_node(NodeId id, io::Instant deadline, Lane lane) {
  const BrokerInfo* broker = metadata_.broker(id);
  if (broker != nullptr) return connect(broker->address, deadline, lane);
  return io::ready(ConnectionResult(
      fail("broker " + std::to_string(id) + " is not in the metadata of " + options_.name)));
}

io::Task<Cluster::ConnectionResult> Cluster::controller(io::Instant deadline) {
  return reach(
      "controller", [this] { return metadata_.broker(metadata_.controller()); }, deadline,
      shared_lane);
}

io::Task<Cluster::ConnectionResult> Cluster::leader(TopicPartition partition, io::Instant deadline,
                                                    Lane lane) {
  add_interest(partition.topic);
  std::string what = "leader of " + partition.to_string();
  return reach(
      std::move(what),
      [this, wanted = std::move(partition)]() -> const BrokerInfo* {
        const auto leader = metadata_.leader_of(wanted);
        return leader ? metadata_.broker(leader->node) : nullptr;
      },
      deadline, lane);
}

io::Task<Cluster::ConnectionResult> Cluster::reach(std::string what, Where where,
                                                   io::Instant deadline, Lane lane) {
  Error latest = Error::message("the metadata name none");
  for (bool asked = false;; asked = true) {
    if (const BrokerInfo* broker = where()) {
      auto connection = co_await connect(broker->address, deadline, lane);
      if (connection) co_return connection;
      latest = connection.error();
    }
    if (gate_.closing() || loop_.now() >= deadline) {
      co_return fail(gave_up(what + " not reached", latest));
    }
    // Known nowhere: the metadata may be old. Known but not answering: it may have moved.
    auto refreshing = asked ? refresh_after_pause(deadline) : refresh(deadline);
    auto refreshed = co_await refreshing;
    if (!refreshed) latest = refreshed.error();
  }
}

io::Task<Result<void>> Cluster::refresh(io::Instant deadline) {
  auto current = refreshing_;
  if (!current) {
    current = std::make_shared<Refresh>(loop_);
    refreshing_ = current;
    if (!gate_.spawn("metadata", run_refresh(current, deadline))) {
      refreshing_ = nullptr;
      co_return fail(gave_up("", {}));
    }
  }
  const bool in_time = co_await current->done.wait_until(deadline);
  if (!in_time) co_return fail(gave_up("no metadata", {}));
  co_return current->result;
}

io::Task<Result<void>> Cluster::refresh_after_pause(io::Instant deadline) {
  const uint64_t before = metadata_.changes();
  const bool go_on = co_await pause(refresh_backoff_.next(), deadline);
  if (!go_on) co_return fail(gave_up("no news", {}));
  auto refreshed = co_await refresh(deadline);
  if (metadata_.changes() != before) refresh_backoff_.reset();
  co_return refreshed;
}

io::Task<void> Cluster::run_refresh(std::shared_ptr<Refresh> refresh, io::Instant deadline) {
  refresh->result = co_await ask_metadata(deadline);
  refreshing_ = nullptr;
  refresh->done.close();
}

io::Task<Result<void>> Cluster::ask_metadata(io::Instant deadline) {
  kafka::MetadataRequest request;
  request.allow_auto_topic_creation = false;
  if (options_.all_topics) {
    request.topics = std::nullopt;
  } else {
    for (const auto& name : interest_) {
      auto& topic = request.topics->emplace_back();
      topic.name = name;
    }
  }
  for (;;) {
    auto connection = co_await any(deadline);
    if (!connection) co_return fail(connection.error());
    const io::Instant soon = std::min(deadline, loop_.now() + metadata_timeout);
    auto response = co_await (*connection)->call(request, soon);
    if (response) {
      metadata_.update(*response, options_.all_topics);
      co_return Result<void>{};
    }
    const bool go_on = co_await pause(options_.least_backoff, deadline);
    if (!go_on) co_return fail(gave_up("no metadata", response.error()));
  }
}

io::Task<Cluster::ConnectionResult> Cluster::coordinator(CoordinatorType type, std::string key,
                                                         io::Instant deadline) {
  Error latest;
  for (;;) {
    auto known = coordinators_.find({type, key});
    if (known == coordinators_.end()) {
      auto found = co_await find_coordinator(type, key, deadline);
      if (!found) co_return fail(found.error());
      known = coordinators_.insert_or_assign({type, key}, *found).first;
    }
    if (const auto* broker = metadata_.broker(known->second)) {
      auto connection = co_await connect(broker->address, deadline, shared_lane);
      if (connection) co_return connection;
      latest = connection.error();
    }
    forget_coordinator(type, key);
    const bool go_on = co_await pause(options_.least_backoff, deadline);
    if (!go_on) co_return fail(gave_up("no coordinator of " + key, latest));
  }
}

void Cluster::forget_coordinator(CoordinatorType type, const std::string& key) {
  coordinators_.erase({type, key});
}

io::Task<Result<NodeId>> Cluster::find_coordinator(CoordinatorType type, std::string key,
                                                   io::Instant deadline) {
  // Versions before 4 take one key, later ones many; only what a version has is sent.
  kafka::FindCoordinatorRequest request;
  request.key = key;
  request.key_type = type;
  request.coordinator_keys = {key};
  Backoff backoff = new_backoff();
  for (;;) {
    auto response = co_await call_any(request, deadline);
    if (!response) co_return fail(response.error());
    kafka::FindCoordinatorResponse::Coordinator found;
    if (!response->coordinators.empty()) {
      found = response->coordinators[0];
    } else {
      found = {key,
               response->node_id,
               response->host,
               response->port,
               response->error_code,
               response->error_message};
    }
    if (found.error_code == kafka::ErrorCode::none) {
      metadata_.learn_broker(
          {found.node_id, {found.host, static_cast<uint16_t>(found.port)}, std::nullopt});
      co_return found.node_id;
    }
    const auto error =
        kafka::error_of(found.error_code, "no coordinator of " + key + ": " +
                                              std::string(kafka::error_name(found.error_code)));
    if (!kafka::is_retriable(found.error_code)) co_return fail(error);
    const bool go_on = co_await pause(backoff.next(), deadline);
    if (!go_on) co_return fail(gave_up("no coordinator of " + key, error));
  }
}

}  // namespace isthmus::client
