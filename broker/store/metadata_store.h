// MetadataStore: what the cluster must never forget, as versioned keys.
//
// The seam between the controller and what keeps its records: a log in the data directory of a
// cluster's only broker (embedded.h), or one in ZooKeeper for several (zookeeper_store.h). A commit
// is atomic: all checks hold and all puts happen, or nothing does. Every writer names the versions
// that it has seen, so a controller that was replaced cannot overwrite its successor.
//
// Lives on the main loop. Keys are paths ("/topics/orders"), values records of kafka/schema/record.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "broker/log/followed.h"
#include "io/loop.h"
#include "io/task.h"

namespace isthmus::broker {

class MetadataStore {
 public:
  static constexpr int64_t absent = -1;

  struct Check {
    std::string key;
    int64_t version = absent;  // that the key must have now
  };
  struct Put {
    std::string key;
    std::optional<Slice> value;  // nullopt deletes the key
  };
  struct Change {
    std::string key;
    std::optional<Slice> value;
    int64_t version = absent;  // after the change; absent = deleted
  };

  // A check that does not hold, told apart from an error: the caller looks at its picture again.
  enum class Outcome : uint8_t { committed, conflict };

  virtual ~MetadataStore() = default;

  // Whether other brokers write here too: then this one is one of several.
  virtual bool is_shared() const { return false; }

  // Durable when it returns, and the watcher has seen it. It was decided on what the watcher has
  // seen when this is called: of a shared store, whatever came since is a conflict.
  virtual io::Task<Result<Outcome>> commit(std::vector<Check> checks, std::vector<Put> puts) = 0;

  // Whether the watcher has been told of all that anybody had committed by `since`, and this
  // process could commit later than that. False: nobody can say by `deadline`.
  virtual io::Task<bool> confirmed(io::Instant /*since*/, io::Instant /*deadline*/) {
    co_return true;
  }

  // The latest commit that the watcher was told of. Nothing: it is not known, or nobody else can
  // have another.
  virtual std::optional<FollowedMetadata> position() const { return std::nullopt; }
  // Whether that commit is one of those that led to what is there; true also where that is too long
  // ago to be known.
  virtual io::Task<Result<bool>> has(FollowedMetadata) { co_return true; }

  // One watcher: first everything that is there, then each commit in order, as one call.
  using Watcher = std::function<void(const std::vector<Change>&)>;
  virtual void watch(Watcher watcher) = 0;

  // Called when this process may no longer write: never for an embedded store.
  virtual void on_session_lost(std::function<void()> lost) = 0;
};

}  // namespace isthmus::broker
