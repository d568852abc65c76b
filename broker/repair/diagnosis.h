// Diagnosis: what one partition's folder holds, read from its first byte to its last without
// changing anything: what is good, where damage begins, and what can still be read behind it. The
// rules are recovery's (log/recovery.h); what it would cut without asking is no damage here either.
//
// For `isthmus partition`, while no broker has the partition open.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "broker/log/config.h"
#include "broker/log/file_cache.h"
#include "broker/log/quarantine.h"

namespace isthmus::broker {

// Good batches, one behind the other.
struct Stretch {
  Offset segment = 0;  // base offset of its file
  uint64_t position = 0;
  uint64_t bytes = 0;
  Offset first = 0;
  Offset last = 0;
  int64_t batches = 0;
  int64_t records = 0;
};

struct Diagnosis {
  Offset start = 0;      // of the log
  Offset end = 0;        // of what is good, without a break from the start
  Offset known_end = 0;  // up to where it was synced once
  int64_t records = 0;   // that are good
  std::optional<Quarantine> mark;
  std::optional<Quarantine> damage;  // as it is found now
  std::vector<Stretch> behind;       // what can be read behind the damage
  // Leader epochs: of the last good record, and the highest that anything here speaks of; -1 =
  // none. By the batches, which a killed broker's files of epochs may lag behind.
  LeaderEpoch last_epoch = -1;
  LeaderEpoch highest_epoch = -1;

  bool well() const { return !mark && !damage; }
  // The offsets [end, lost_end()) go with a repair.
  Offset lost_end() const;
  int64_t readable() const;  // records of `behind`
};

Result<Diagnosis> diagnose(FileCache& files, const std::string& folder, const RecoveryHints& hints,
                           Durability durability);

// Writes the batches of `behind`, byte for byte, into a new file; durable when it returns. Its
// format is a segment's: record batches, one behind the other.
Result<void> export_batches(FileCache& files, const std::string& folder, const Diagnosis& found,
                            const std::string& path);

}  // namespace isthmus::broker
