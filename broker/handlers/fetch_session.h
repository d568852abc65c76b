// FetchSession: what a follower asks for over one connection, remembered from one fetch to the next
// (KIP-227), so that request and answer name only what has changed, and only that is looked at.
//
//   epoch 0, all partitions ──► a session: its id is in the answer; all are answered
//   epoch n, what has changed ► as if all were named; answered is what was named, and what has news
//   epoch -1 ─────────────────► none; the one that was there ends
//
// A fetch reads what it names, what has told the session's wait since (waiters.h), and twice a
// second all: so each fetch counts for all of its session. The leader hears often enough that the
// follower still has what it said last, and whoever is in the session and silent is no laggard; and
// what nobody tells of, a high watermark or a log's start that has moved, is found.
//
// The answer leaves out what the follower knows: where nothing came and no mark has moved since it
// was told. What is named is always answered, and what was answered by an error until that is
// over. News count as told when the answer is made; answers are lost only with their connection,
// and the session goes with it.
//
// Ids carry the cluster's number, and are good on their own connection alone. So there are no more
// sessions than connections of brokers, and none has to be evicted.
//
// Clients are given none: a router could not send on after a move what only one broker remembers
// (router/moved_fetches.h), and they would see an error where they see a pause.
//
// Owned by the connection's context, on its loop.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "broker/replica/waiters.h"
#include "io/loop.h"
#include "kafka/errors.h"
#include "kafka/gen/fetch.h"
#include "server/service.h"

namespace isthmus::broker {

class FetchSession final : public server::Kept {
 public:
  static constexpr int32_t none = -1, begins = 0;  // instead of an epoch
  using Key = FetchWait::From;
  using Asked = std::pair<Key, kafka::FetchRequest::FetchPartition>;

  // Of all that `request` names.
  FetchSession(int32_t id, const kafka::FetchRequest& request,
               std::shared_ptr<FetchWait> wait = nullptr);
  int32_t id() const { return id_; }
  // Told by all partitions that are watched.
  const std::shared_ptr<FetchWait>& wait() const { return wait_; }
  size_t size() const { return partitions_.size(); }

  // Notes what `request` changes, if it is the one that comes next.
  kafka::ErrorCode take(const kafka::FetchRequest& request);
  // Something is new there.
  void on_news(const Key& key);
  // What has to be read now, or all. The first is the one behind the last that was given records.
  std::vector<Asked> to_read(io::Instant now, bool all);
  // Whether the partition that is read for `key` has to be told who waits for its news. It may be
  // another than before: see PartitionRef::identity().
  bool watch(const Key& key, const std::weak_ptr<const void>& partition);
  // What was read. True: it belongs into the answer, and counts as told. `has_more`: there was no
  // room left for its records.
  bool tell(const Key& key, const kafka::FetchResponse::PartitionData& data, bool has_more);

 private:
  struct Partition {
    kafka::FetchRequest::FetchPartition asked;
    bool is_due = true;  // it is answered, whatever there is
    Offset high_watermark = -1, last_stable_offset = -1, log_start = -1;  // as told
    std::weak_ptr<const void> watched = {};
  };

  void name(const std::vector<kafka::FetchRequest::FetchTopic>& topics);

  const int32_t id_;
  const std::shared_ptr<FetchWait> wait_;
  int32_t next_epoch_ = 1;
  std::map<Key, Partition> partitions_;
  std::set<Key> to_read_;
  io::Instant all_at_{};
  std::optional<Key> given_last_;
};

// The id of the `number`-th session of a process: positive, whatever the cluster and the number.
int32_t fetch_session_id(ClusterNumber cluster, uint64_t number);

}  // namespace isthmus::broker
