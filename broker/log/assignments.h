// Which partition of this broker is in which directory of log.dirs, by the directories' ids
// (KIP-858), and where each directory was last seen. Without it a partition whose folder or
// directory is gone looks like one that was never written.
//
// File `directory-assignments` in the first directory, beside the metadata, in the text form of
// Kafka's checkpoints. Lines of four words: `topic partition topic-id directory-id`, and for each
// directory `. number directory-id path` (no topic is named "."; blanks in the path are "%20", and
// "%" is "%25"). The directory id of zeros says that an operator gave the partition up: it begins
// anew. The topic ".." (none is named so) says that it was deleted while that directory was not
// there. The path "%" (none is written so) says that a new directory has taken its place while it
// was not there, and nobody waits for it: what it has is not used any more.
//
// A value; written by PartitionTable's owner of directories, on the main loop, before a partition
// is shown to anybody; by `isthmus partition forget` while no broker runs.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/ids.h"
#include "io/disk.h"

namespace isthmus::broker {

struct Assignments {
  static constexpr std::string_view deleted = "..";
  struct Partition {
    std::string topic;
    Uuid directory;  // zero: given up
  };
  using Key = std::pair<Uuid, PartitionIndex>;  // topic id
  std::map<Key, Partition> partitions;
  std::map<Uuid, std::string> directories;  // where each was last seen; empty: given up

  const Partition* find(const Uuid& topic_id, PartitionIndex index) const;
  bool is_given_up(const Uuid& directory) const;
  // However they are written.
  static bool is_same(const std::string& path, const std::string& other);
  // The directory that was last seen at `path`, if it has partitions that are missed.
  std::optional<Uuid> held_at(const std::string& path) const;

  // nullopt: no such file, as before the first start of a release that keeps it.
  static Result<std::optional<Assignments>> read(io::Disk& disk, const std::string& first_dir);
  Result<void> write(io::Disk& disk, const std::string& first_dir) const;
};

}  // namespace isthmus::broker
