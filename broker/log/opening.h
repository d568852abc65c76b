// Opening a partition's folder, as far as it needs no loop: claims it for its topic and recovers
// it (recovery.h). A new folder costs some fsyncs, an old one is read; both wait for the disk.
//
// Runs on any thread, with a cache of files of its own: those of the loop are not shared. What
// comes out is taken over by Log::open() on the log's loop.
#pragma once

#include <memory>
#include <string>

#include "broker/log/recovery.h"

namespace isthmus::broker {

struct OpenedFolder {
  std::unique_ptr<FileCache> files;  // what the rest refers to, until it is taken over
  RecoveredLog log;
  SyncedEnd synced_end;
};

// Creates the folder if it is absent, then starting at hints.log_start. A folder of another topic
// id is an error.
Result<OpenedFolder> open_folder(io::Disk& disk, const std::string& folder,
                                 const TopicPartition& tp, Uuid topic_id, const LogConfig& config,
                                 const RecoveryHints& hints);

}  // namespace isthmus::broker
