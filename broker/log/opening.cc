#include "broker/log/opening.h"

#include <fmt/format.h>

#include "base/log.h"
#include "broker/log/checkpoints.h"
#include "broker/log/cut_mark.h"

namespace isthmus::broker {

namespace {

constexpr size_t open_files = 64;

// The folder's own mark of whose it is.
Result<void> claim_folder(io::Disk& disk, const std::string& folder, Uuid topic_id) {
  if (!disk.exists(folder)) {
    if (auto made = disk.make_folders(folder); !made) return made;
  }
  auto id = read_partition_topic_id(disk, folder);
  if (!id) return fail(id.error());
  if (!*id) {
    // Also where the folder is older: a sync that failed before is not made up for by a restart.
    if (auto synced = disk.sync_folder(io::parent_of(folder)); !synced) return synced;
    return write_partition_topic_id(disk, folder, topic_id);
  }
  if (**id == topic_id) return {};
  return fail(Error::message(fmt::format(
      "{} belongs to topic id {}, not to {}: an earlier topic of this name left it; move it away",
      folder, (*id)->to_string(), topic_id.to_string())));
}

}  // namespace

Result<OpenedFolder> open_folder(io::Disk& disk, const std::string& folder,
                                 const TopicPartition& tp, Uuid topic_id, const LogConfig& config,
                                 const RecoveryHints& hints) {
  const bool is_new = !disk.exists(folder);
  if (auto claimed = claim_folder(disk, folder, topic_id); !claimed) return fail(claimed.error());
  auto files = std::make_unique<FileCache>(disk, open_files);
  SyncedEnd synced_end(*files, SyncedEnd::path_in(folder));
  auto recovered = recover_log(*files, folder, config, hints, synced_end);
  if (!recovered) {
    Error error = recovered.error();
    error.text = tp.to_string() + ": " + error.text;
    return fail(std::move(error));
  }
  const RecoveryReport& report = recovered->report;
  if (report.bytes_cut > 0) {
    Logger(LogComponent::partitions, tp.to_string())
        .warn("cut a torn tail bytes={} end_offset={} kept={}", report.bytes_cut, report.end_offset,
              report.cut_file.empty() ? "no" : report.cut_file);
  }
  const bool cached = config.durability == Durability::page_cache || !synced_end.in_order();
  recovered->report.may_lack = !is_new && !hints.clean_shutdown && cached;
  if (recovered->report.may_lack && config.durability == Durability::fsync) {
    // The slot says fsync from here on, and the next start is to know.
    if (auto marked = write_cut_mark(disk, folder); !marked) return fail(marked.error());
  }
  synced_end.begin(recovered->end, config.durability == Durability::fsync);
  return OpenedFolder{std::move(files), std::move(*recovered), std::move(synced_end)};
}

}  // namespace isthmus::broker
