// Service: what a broker or a router answers, as its connections see it.
//
// A connection (server/connection.h) reads requests and gives each to dispatch(), one after the
// other; the second stage, the Reply that dispatch() returns, then runs beside the next requests.
// So what must keep the order of arrival (an append to a log) happens in dispatch(), and what only
// waits (for the disk, for followers, for a long poll) happens in the reply: pipelined produce
// requests share one fsync instead of paying one each. Replies are written in the order of their
// requests, as Kafka's clients require, however they finish.
//
// All of it runs on the connection's loop. A Service is shared by the connections of all loops,
// outlives them, and hops (io::call_on) to what lives elsewhere.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "io/loop.h"
#include "io/stream.h"
#include "io/task.h"
#include "kafka/api.h"
#include "kafka/principal.h"
#include "server/log_in.h"

namespace isthmus::server {

class Complaints;   // server/complaints.h
class ServerStats;  // server/stats.h
class Throttle;     // server/throttle.h

// What a service keeps of a connection. It goes with it.
struct Kept {
  virtual ~Kept() = default;
};

// Who speaks. One per connection, shared with its requests; touched on `loop` only.
struct ConnectionContext {
  uint64_t id = 0;  // counts up, never used twice by a process
  io::Address peer;
  std::string listener;       // its name in the options
  std::string server_name;    // the host that it wants by TLS; empty: it did not say
  bool private_api = false;   // may use the APIs that only our own programs speak
  std::string client_id;      // of the latest request
  std::string software_name;  // set by ApiVersions (KIP-511), empty before
  std::string software_version;
  kafka::Principal principal;  // ANONYMOUS until it is known
  // The router that lends it to the principal, if one does.
  std::optional<kafka::Principal> impersonated_by;
  LogIn log_in;
  io::Instant opened_at;
  io::Loop* loop = nullptr;
  ServerStats* stats = nullptr;        // of that loop; outlives the connection
  Complaints* complaints = nullptr;    // likewise: about who is not known yet
  std::shared_ptr<Throttle> throttle;  // nullptr: quotas say nothing of it
  std::shared_ptr<Kept> kept;          // whatever its service puts there; may be null

  // The peer has gone, or the connection is being closed: a reply will not be delivered.
  bool closed = false;
  // Nothing more is read: the peer has gone, we stop, or end() was called. Who waits long looks
  // here now and then, and answers with what there is.
  bool ending = false;

  // Asks for the end of the connection: nothing more is read, replies to what was read before and
  // to the present request are still written. `why` is the one line of the log.
  void end(std::string why) {
    if (!end_reason) end_reason = std::move(why);
  }
  std::optional<std::string> end_reason;
};

class Charge;  // server/budget.h

struct Request {
  kafka::RequestHeader header;
  Slice frame;  // header and body as they came, without the four bytes of length
  Slice body;   // what follows the header
  std::shared_ptr<ConnectionContext> connection;
  Charge* charge = nullptr;  // what it holds of the loop's budget; until the reply is ready
};

// The complete response with its header, without the length. nullopt sends nothing, which is right
// for produce with acks=0 only. An empty rope stands for a response that is due and will not come
// (lost() in server/reply.h): what was asked before it is still answered, and nothing after it,
// because a client takes the next response for the one that it waits for.
using Reply = io::Task<std::optional<Rope>>;

class Service {
 public:
  virtual ~Service() = default;

  // Called with well-formed headers only; API key and version are as the peer sent them, known to
  // us or not. What cannot be answered ends the connection (ConnectionContext::end), as Kafka does.
  virtual io::Task<Reply> dispatch(Request request) = 0;

  // Nothing more is read from this connection. Replies under way still run to their end.
  virtual void closed(ConnectionContext& connection) {}
};

}  // namespace isthmus::server
