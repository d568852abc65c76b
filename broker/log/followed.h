// FollowedMetadata: which commit of its cluster's metadata a broker has seen last, kept on its
// disk. A ZooKeeper that was restored from an older copy does not have it, or has another in its
// place: what is said there of replicas that this broker does not have any more is not to be
// believed.
//
// File `followed-metadata` in the first directory, in the text form of Kafka's checkpoints: one
// line `version commit-id`. A value; written when a partition is assigned to a directory, and with
// the checkpoints.
#pragma once

#include <optional>
#include <string>

#include "base/error.h"
#include "base/ids.h"
#include "io/disk.h"

namespace isthmus::broker {

struct FollowedMetadata {
  int64_t version = -1;
  Uuid commit;  // the id that its writer has drawn

  friend bool operator==(const FollowedMetadata&, const FollowedMetadata&) = default;

  // nullopt: none was seen, as where the metadata are in the directory itself.
  static Result<std::optional<FollowedMetadata>> read(io::Disk& disk, const std::string& first_dir);
  Result<void> write(io::Disk& disk, const std::string& first_dir) const;
};

}  // namespace isthmus::broker
