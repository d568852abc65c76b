// Acceptor: from listening addresses to connections, spread over the loops in turn.
//
// Owned by the process's role (broker, router), on the main loop; each connection lives on the loop
// that it was given to, where its requests are read, answered and forgotten. Before that comes what
// a listener wants first: of a load balancer for whom it connects, then the handshake of TLS. Both
// have a deadline, and so many may be under way on a loop; beyond that the oldest ends, because one
// that means it takes milliseconds.
#pragma once

#include <atomic>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "base/published.h"
#include "io/env.h"
#include "io/ip_range.h"
#include "io/tls_stream.h"
#include "server/audit.h"
#include "server/complaints.h"
#include "server/connection.h"
#include "server/quota.h"

namespace isthmus::server {

struct ListenerOptions {
  std::string name;
  io::Address bind;
  bool private_api = false;  // whether its clients may use the private APIs
  // nullptr: plain text. Read for each connection, so a new certificate holds from the next one on.
  std::shared_ptr<const Published<io::TlsContext>> tls = nullptr;
  bool wants_log_in = false;  // by SASL, before anything else
  // Load balancers: who connects from there begins with a PROXY header (io/proxy_header.h), and
  // counts as whom it names. Nobody else is believed.
  std::vector<io::IpRange> proxies = {};
  // Who a client is by the subject of its certificate; an error: nobody that is let in.
  std::function<Result<kafka::Principal>(const std::string& subject)> principal_of = nullptr;
};

struct ServerLimits {
  ConnectionLimits connection;
  size_t max_connections = 10'000;               // max.connections, of the process
  size_t max_request_bytes = size_t{256} << 20;  // under way, of the process

  // Connections leave descriptors for files: half of a small number, at most what a broker keeps
  // open of sealed segments (4,096) and as many active ones.
  ServerLimits within(uint64_t descriptors) const;
};

class Acceptor {
 public:
  // `env`, `service` and `shared` outlive it. With `shared` its connections live on that budget, as
  // do those of other acceptors, and not on max_request_bytes. REQUIRES: then `env` has one loop.
  Acceptor(io::Env& env, Service& service, const ServerLimits& limits, Budget* shared = nullptr);
  ~Acceptor();

  // From now on clients have quotas, which outlive this. Listeners for our own programs have none,
  // as Kafka's replication has none. REQUIRES: before start().
  void enforce(Quotas& quotas) { quotas_ = &quotas; }

  // From now on the audit, which outlives this, says whom a listener that asks for certificates has
  // turned away. REQUIRES: before start().
  void note_in(Audit& audit) { audit_ = &audit; }

  // Binds. The address in use: with port 0 asked for, the one that was given.
  // REQUIRES: before start().
  Result<io::Address> listen(const ListenerOptions& options);

  // Begins to accept, at all addresses, on the main loop. After it, close() is required.
  void start();

  // Accepts no more, lets requests under way be answered for `grace`, then closes what is left.
  // The service must end its own long waits: a reply under way is never cut off.
  io::Task<void> close(io::Duration grace);

  // Ends the connections whose client has taken nothing of what is written to it for so long: for
  // an owner who needs the memory that such replies take. On the main loop.
  void close_stalled(io::Duration limit);

  // What connections have counted, on all loops, and what they hold now. On the main loop.
  // REQUIRES: close() has not ended before this has.
  io::Task<void> measure(Samples& samples);

  // Any thread.
  size_t connections() const { return connections_.load(std::memory_order_relaxed); }

 private:
  struct Greeting;
  struct Listening {
    ListenerOptions options;
    std::unique_ptr<io::Listener> listener;
  };
  // What a loop has of us. Touched on that loop only.
  struct Worker {
    Worker(io::Loop& l, size_t budget_bytes, Budget* shared)
        : loop(l), gate(l), own(l, budget_bytes), budget(shared == nullptr ? own : *shared) {}
    io::Loop& loop;
    io::Gate gate;
    Budget own;
    Budget& budget;
    ServerStats stats;
    std::list<Connection*> open;
    std::list<Greeting*> greeting;  // under way, the oldest first
    Complaints complaints;          // about those that fail
  };

  struct Counted;
  struct Membership;
  struct Measure;

  io::Task<void> accept_all(Listening& listening);
  io::Task<void> watch_replies();
  static io::Task<void> end_stalled(Worker& worker);
  void hand_over(std::unique_ptr<io::Stream> stream, const Listening& listening, Worker& worker);
  io::Task<void> serve(std::unique_ptr<io::Stream> stream, const Listening& listening,
                       Worker& worker);
  // As whom it speaks: itself, or the one that a load balancer names. nullptr: it does not say.
  io::Task<std::unique_ptr<io::Stream>> introduce(std::unique_ptr<io::Stream> stream,
                                                  const Listening& listening, Worker& worker);
  // nullptr: no handshake has come about.
  io::Task<std::unique_ptr<io::Stream>> greet(std::unique_ptr<io::Stream> plain,
                                              const Listening& listening, Worker& worker);
  // One line about a peer that was not let in.
  void complain(const Listening& listening, Worker& worker, const io::Address& peer,
                const std::string& why);
  // The same for the audit, where certificates are asked for.
  void note_refused(const Listening& listening, Worker& worker, const io::Address& peer,
                    const std::string& why);
  // By the certificate, if one was shown. Nothing: nobody that is let in.
  std::optional<kafka::Principal> identify(const io::Stream& stream, const Listening& listening,
                                           Worker& worker);
  std::shared_ptr<ConnectionContext> context_of(const io::Stream& stream,
                                                const Listening& listening, Worker& worker);
  // How long a connection of this address is too many.
  io::Duration too_early(const io::Stream& stream, const Listening& listening, Worker& worker);
  static io::Task<Measure> measure_one(const Worker& worker);
  static io::Task<void> drain(Worker& worker, io::Instant deadline);

  io::Env& env_;
  Service& service_;
  Quotas* quotas_ = nullptr;
  Audit* audit_ = nullptr;
  const ServerLimits limits_;
  Logger log_{LogComponent::server};
  io::Gate accepting_;
  io::Event closing_;
  std::vector<std::unique_ptr<Listening>> listeners_;
  std::vector<std::shared_ptr<Worker>> workers_;
  size_t next_worker_ = 0;
  std::atomic<size_t> connections_{0};
  std::atomic<uint64_t> next_id_{1};
  std::atomic<bool> stopping_{false};  // what closing_ says, for the other loops
  std::atomic<bool> full_{false};      // so that refusals are told once per occasion
};

}  // namespace isthmus::server
