// FollowerSession: what a leader remembers of our fetches over one connection (KIP-227;
// broker/handlers/fetch_session.h is its end of it). Pure: told what is to be fetched and what the
// leader says of the session, says what a request names.
//
//   nothing remembered ──► all is named, epoch 0 ──an id comes──► changes are named, epoch 1, 2, …
//          ▲                                                        │
//          └── another connection, or the leader has forgotten ─────┘
//
// Whatever a request does not name is still fetched from where it was: so what is to be fetched no
// more has to be named as forgotten, or the leader would go on counting on it. An answer that is
// lost takes its connection with it, and the session. A leader that gives no id is asked for all
// each time.
//
// One for each connection, used by one request at a time.
#pragma once

#include <optional>
#include <vector>

#include "base/ids.h"
#include "kafka/gen/fetch.h"

namespace isthmus::broker {

class FollowerSession {
 public:
  struct Asked {
    Uuid topic;
    kafka::FetchRequest::FetchPartition partition;
  };
  // Each once, in the order of topics and partitions.
  using All = std::vector<Asked>;

  // Makes of `request` one for `all`, and for nothing else. Each `turn` another is the first where
  // all are named, because a leader fills an answer from there on.
  void name(All all, size_t turn, kafka::FetchRequest& request);

  enum class Outcome : uint8_t {
    goes_on,     // what it does not answer for has no news
    forgotten,   // nothing was read: the next request names all
    is_refused,  // for another reason
  };
  Outcome on_answer(const kafka::FetchResponse& response);
  // What the latest answer said of it could not be made use of: it is named again, and so answered.
  void on_unused(const Uuid& topic, PartitionIndex index);

  // What was named last, all of it.
  const All& asked() const { return asked_; }
  // Where it stands among them.
  std::optional<size_t> place_of(const Uuid& topic, PartitionIndex index) const;

 private:
  void name_all(size_t turn, kafka::FetchRequest& request) const;
  void name_changes(const All& before, kafka::FetchRequest& request) const;

  int32_t id_ = 0;  // 0: none
  int32_t next_epoch_ = 0;
  All asked_;
};

}  // namespace isthmus::broker
