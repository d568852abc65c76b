// GroupLag: how far the groups that this broker coordinates are behind, in each partition that they
// have committed in: in records, and in time, which is the age of the oldest record that is unread.
//
// Records are those between what was committed and the high watermark, as Kafka counts them: holes,
// markers of transactions and what was aborted included. What retention has deleted is not unread:
// the log's start counts instead of an offset below it. The time is the record's own: of the clock
// of who wrote it, unless the topic has the broker's. One that lies ahead is as old as nothing.
//
// Records follow from numbers that are at hand. A record's time has to be looked up in a log, so
// that is done once for each offset, and only so many at a time: due() names those that have waited
// longest, and until its turn comes a partition has the age that it had last. Whoever looks them up
// says what came of it: found(), or failed(), which waits for its next turn.
//
// No I/O and no clock: times are handed in, in milliseconds since 1970. Owned by the LagKeeper, on
// its loop.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"

namespace isthmus::broker {

class GroupLag {
 public:
  // What of a log may be read.
  struct Readable {
    Offset start = 0;
    Offset high_watermark = 0;
  };
  struct Position {
    TopicPartition partition;
    Uuid topic_id;  // another one is another log
    Offset committed = 0;
    std::optional<Readable> log;  // nothing: it is not known here
  };
  // Ask the log for the time of the first record from here on.
  struct Lookup {
    std::string group;
    TopicPartition partition;
    Uuid topic_id;
    Offset from = 0;
    Offset high_watermark = 0;
  };
  // -1 = unknown.
  struct Lag {
    Offset records = -1;
    int64_t ms = -1;
    friend bool operator==(const Lag&, const Lag&) = default;
  };
  struct PartitionLag {
    TopicPartition partition;
    Offset committed = 0;
    Lag lag;
  };
  // The sum of records and the greatest age of what is known of its partitions.
  struct Total {
    Lag lag;
    // Of all of them; false, too, where nothing is committed.
    bool knows_records = false, knows_ms = false;
  };

  // All that the group has committed, in any order, and how the logs stand now.
  void note(const std::string& group, std::vector<Position> positions, int64_t now_ms);
  // Forgets the others. REQUIRES: in ascending order.
  void keep_only(const std::vector<std::string>& groups);

  std::vector<Lookup> due(size_t at_most) const;
  // -1: the record has no time. Nothing: there is none that anybody will be given.
  void found(const Lookup& lookup, std::optional<int64_t> time_ms, int64_t now_ms);
  void failed(const Lookup& lookup);

  // In order of the partitions.
  std::vector<PartitionLag> of(const std::string& group, int64_t now_ms) const;
  Total total_of(const std::string& group, int64_t now_ms) const;

 private:
  struct Found {
    Offset from = -1;
    Offset high_watermark = -1;      // at that time
    std::optional<int64_t> time_ms;  // as in found()
  };
  struct Entry {
    Uuid topic_id;
    Offset committed = 0;
    std::optional<Readable> log;
    int64_t noted_ms = 0;
    std::optional<Found> last_found;
    int64_t held_ms = -1;  // the age that it had last
    uint64_t turn = 0;     // of its last lookup; 0 = none yet
  };
  using Partitions = std::map<TopicPartition, Entry>;

  static Offset unread_from(const Entry& entry);
  static Offset unread_records(const Entry& entry);
  static bool is_current(const Entry& entry);
  static Lag lag_of(const Entry& entry, int64_t now_ms);
  Entry* find(const Lookup& lookup);

  std::map<std::string, Partitions> groups_;
  uint64_t turns_ = 0;
};

}  // namespace isthmus::broker
