// Cluster: one Kafka cluster, spoken to: a connection to each broker when it is needed, the
// metadata that says which broker that is, and the coordinators of groups.
//
// Requests to one broker share a connection, except that long polls and bulk would hold up what is
// behind them: whoever sends those uses a lane of its own. A broker that does not answer is dialled
// again with growing pauses, and the log says once that it is away and once that it is back.
//
// A call is sent once. A transport error means that its effect is unknown; only when nothing was
// sent yet does the cluster itself try again, until the deadline.
//
// Owned by its user, on one loop. Before it is destroyed it is closed, and all who called it have
// had their answers.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <tuple>

#include "base/log.h"
#include "client/backoff.h"
#include "client/connection.h"
#include "client/metadata.h"
#include "io/event.h"
#include "kafka/gen/coordinator_type.h"

namespace isthmus::client {

struct ClusterOptions {
  std::string name;                    // in logs: "source", "kyoto"
  std::vector<io::Address> bootstrap;  // at least one
  bool all_topics = false;             // metadata of all topics, or of those asked for only
  io::Duration dial_timeout = std::chrono::seconds(5);
  io::Duration least_backoff = io::milliseconds(50);
  io::Duration most_backoff = std::chrono::seconds(2);
  ConnectionOptions connection;
};

using kafka::CoordinatorType;

class Cluster {
 public:
  using Lane = int;
  static constexpr Lane shared_lane = 0;
  using ConnectionResult = Result<std::shared_ptr<Connection>>;

  // REQUIRES: `loop` is one of env's; all members are called on it.
  Cluster(io::Env& env, io::Loop& loop, ClusterOptions options);
  ~Cluster();

  // Asks for the metadata of the topics of interest, from any broker. One request serves all who
  // ask at the same time.
  io::Task<Result<void>> refresh(io::Instant deadline);
  // As refresh(), after a pause that grows with the number of calls in a row that brought no news:
  // for those who found that a leader has moved.
  io::Task<Result<void>> refresh_after_pause(io::Instant deadline);
  // From now on refresh() asks for this topic too.
  void add_interest(const std::string& topic) { interest_.insert(topic); }
  Metadata& metadata() { return metadata_; }
  const Metadata& metadata() const { return metadata_; }

  io::Task<ConnectionResult> node(NodeId id, io::Instant deadline, Lane lane = shared_lane);
  // As node(), but tries once and leaves it to the caller to look for another broker.
  io::Task<ConnectionResult> try_node(NodeId id, io::Instant deadline, Lane lane = shared_lane);
  io::Task<ConnectionResult> any(io::Instant deadline, Lane lane = shared_lane);
  // As any(), but dials each address once and leaves it at that.
  io::Task<ConnectionResult> try_any(io::Instant deadline, Lane lane = shared_lane);
  io::Task<ConnectionResult> controller(io::Instant deadline);
  // Waits until the partition has a leader that answers; so do the others for their broker.
  io::Task<ConnectionResult> leader(TopicPartition partition, io::Instant deadline,
                                    Lane lane = shared_lane);
  io::Task<ConnectionResult> coordinator(CoordinatorType type, std::string key,
                                         io::Instant deadline);
  // The answer said NOT_COORDINATOR, or nothing.
  void forget_coordinator(CoordinatorType type, const std::string& key);

  template <typename Request>
  using Answer = io::Task<Result<typename Request::Response>>;

  template <typename Request>
  Answer<Request> call_any(Request request, io::Instant deadline, Lane lane = shared_lane) {
    return call_through<Request>(any(deadline, lane), std::move(request), deadline);
  }
  template <typename Request>
  Answer<Request> call_controller(Request request, io::Instant deadline) {
    return call_through<Request>(controller(deadline), std::move(request), deadline);
  }
  template <typename Request>
  Answer<Request> call_node(NodeId id, Request request, io::Instant deadline,
                            Lane lane = shared_lane) {
    return call_through<Request>(node(id, deadline, lane), std::move(request), deadline);
  }
  template <typename Request>
  Answer<Request> call_leader(TopicPartition partition, Request request, io::Instant deadline,
                              Lane lane = shared_lane) {
    return call_through<Request>(leader(std::move(partition), deadline, lane), std::move(request),
                                 deadline);
  }
  template <typename Request>
  Answer<Request> call_coordinator(CoordinatorType type, std::string key, Request request,
                                   io::Instant deadline) {
    return call_through<Request>(coordinator(type, std::move(key), deadline), std::move(request),
                                 deadline);
  }

  // Closes all connections; calls under way end with Error::closed.
  io::Task<void> close();
  bool closing() const { return gate_.closing(); }

  io::Loop& loop() const { return loop_; }
  io::Random& random() const { return env_.random; }
  const std::string& name() const { return options_.name; }

 private:
  // Where a connection leads, and what became of it.
  struct Peer {
    Peer(io::Loop& loop, io::Address a, Backoff b)
        : address(std::move(a)), dialled(loop), backoff(b) {}
    const io::Address address;
    std::shared_ptr<Connection> connection;
    bool dialling = false;
    io::Event dialled;
    Backoff backoff;
    io::Instant next_attempt{};
    Error latest_error;
  };
  using PeerKey = std::tuple<io::Address, Lane>;
  struct Refresh {
    explicit Refresh(io::Loop& loop) : done(loop) {}
    io::Event done;
    Result<void> result;
  };

  template <typename Request>
  static Answer<Request> call_through(io::Task<ConnectionResult> connecting, Request request,
                                      io::Instant deadline) {
    auto connection = co_await connecting;
    if (!connection) co_return fail(connection.error());
    co_return co_await (*connection)->call(std::move(request), deadline);
  }

  std::shared_ptr<Peer> peer_at(const io::Address& address, Lane lane);
  using Where = std::function<const BrokerInfo*()>;
  // A connection to the broker that `where` finds in the metadata, which are asked for until then.
  io::Task<ConnectionResult> reach(std::string what, Where where, io::Instant deadline, Lane lane);
  // The connection to an address. One that is not there is dialled once, unless the pause after
  // the last attempt is not over.
  io::Task<ConnectionResult> connect(io::Address address, io::Instant deadline, Lane lane);
  io::Task<void> dial(std::shared_ptr<Peer> peer);
  void note_dialled(Peer& peer, const Error* failure);
  // All addresses at which the cluster may answer, those with an open connection first.
  std::vector<io::Address> candidates(Lane lane) const;
  // False when there is no time left, or the cluster is closing.
  io::Task<bool> pause(io::Duration duration, io::Instant deadline);
  io::Task<Result<void>> ask_metadata(io::Instant deadline);
  io::Task<void> run_refresh(std::shared_ptr<Refresh> refresh, io::Instant deadline);
  io::Task<Result<NodeId>> find_coordinator(CoordinatorType type, std::string key,
                                            io::Instant deadline);
  Backoff new_backoff() const;
  Error gave_up(const std::string& what, const Error& latest) const;

  io::Env& env_;
  io::Loop& loop_;
  const ClusterOptions options_;
  Logger log_;
  io::Gate gate_;
  io::Event closing_;
  Metadata metadata_;
  std::set<std::string> interest_;
  std::map<PeerKey, std::shared_ptr<Peer>> peers_;
  // Replaced before their session ends, while calls are under way there.
  std::vector<std::weak_ptr<Connection>> stale_;
  std::set<io::Address> away_;  // the log has said so
  std::map<std::pair<CoordinatorType, std::string>, NodeId> coordinators_;
  std::shared_ptr<Refresh> refreshing_;
  size_t pausing_ = 0;  // calls that wait for their next attempt
  Backoff refresh_backoff_;
};

}  // namespace isthmus::client
