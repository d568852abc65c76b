// Client: a session with a ZooKeeper ensemble, as coroutines on one loop. The seam between what
// keeps its records there (broker/store/zookeeper_store.h) and the line: session.h speaks to real
// servers, the simulator has one of its own.
//
// What a server answers about nodes is an Answer; an Error is what came in between:
//   timeout  the line was lost, and nobody knows whether it happened. The session may live on.
//   closed   the session has ended for good, with all that was ephemeral in it.
//   text     the operator has to look: no permission, data too large.
// Requests of one client take effect in their order.
//
// Everything on the client's loop.
// https://zookeeper.apache.org/doc/r3.8.0/zookeeperProgrammers.html
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "io/task.h"

namespace isthmus::zookeeper {

enum class Answer : uint8_t { ok, no_node, node_exists, bad_version, not_empty };

struct Node {
  Slice data;
  int32_t version = 0;  // of the data; counts its changes
};

// A part of a transaction.
struct Op {
  enum class Kind : uint8_t { check, create, create_ephemeral, set, remove };
  static constexpr int32_t any_version = -1;

  Kind kind = Kind::check;
  std::string path;
  Slice data = {};
  int32_t version = any_version;  // that the node must have; check, set and remove
};

struct Outcome {
  Answer answer = Answer::ok;
  size_t at = 0;  // which op did not hold; all the others did nothing either
};

enum class SessionState : uint8_t {
  connecting,  // nobody can be asked now; the session lives until its time-out
  connected,
  lost,  // for good
};

class Client {
 public:
  // A request with its paths and data; servers refuse one of a megabyte (jute.maxbuffer), and drop
  // the connection of who sends it.
  static constexpr size_t max_request_bytes = size_t{900} << 10;

  virtual ~Client() = default;

  // Nothing where there is no such node.
  virtual io::Task<Result<std::optional<Node>>> get(std::string path) = 0;
  // The names of a node's children, in no order; nothing where there is no such node.
  virtual io::Task<Result<std::optional<std::vector<std::string>>>> children(std::string path) = 0;
  // All of it or nothing. REQUIRES: no more than max_request_bytes.
  virtual io::Task<Result<Outcome>> transact(std::vector<Op> ops) = 0;

  // Whether the node is there now. `changed` is called once: when it is made, changed or removed
  // after that, or when the line or the session is lost, since that may have been missed then.
  virtual io::Task<Result<bool>> watch(std::string path, std::function<void()> changed) = 0;

  virtual SessionState state() const = 0;
  // One listener, told of every change.
  virtual void on_state(std::function<void(SessionState)> listener) = 0;
};

}  // namespace isthmus::zookeeper
