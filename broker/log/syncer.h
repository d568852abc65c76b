// Syncer: makes a log durable by group commit. Whoever asks while a sync is under way waits for the
// next one, which covers all who wait: one fsync per file, however many ask.
//
// Owned by a Log, on its loop; every fsync of a round, of files and of the folder, waits on the
// pool. The first failure is final: after a failed fsync the kernel may have dropped the dirty
// pages and report success the next time (fsyncgate), so nothing is retried and the log goes
// offline.
//
// Files are synced in the order in which they were written, then the folder if names in it changed,
// and only then does the durable offset move: a sealed segment is safe before what follows it. The
// next start learns of it before any waiter does.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/histogram.h"
#include "base/ids.h"
#include "broker/log/synced_end.h"
#include "io/disk.h"
#include "io/event.h"

namespace isthmus::broker {

class Syncer {
 public:
  // Everything below `durable` is durable already. `synced_end` is told of what becomes so, and
  // outlives this.
  Syncer(io::Loop& loop, io::Disk& disk, std::string folder, Offset durable, SyncedEnd* synced_end)
      : disk_(disk),
        folder_(std::move(folder)),
        synced_end_(synced_end),
        appended_(durable),
        durable_(durable),
        changed_(loop) {}

  // `file` has bytes that must become durable with what the log holds now.
  void touched(std::shared_ptr<io::File> file);
  // `file` is being replaced or removed: nobody needs what it holds.
  void forget(const std::shared_ptr<io::File>& file) { std::erase(dirty_, file); }
  // A file was created, renamed or removed in the folder.
  void folder_touched() { folder_dirty_ = true; }
  // The log now ends at `end`, in files that were touched.
  void appended(Offset end) { appended_ = end; }
  // The log was cut at `end`; a sync under way says nothing about what comes after that.
  void truncated(Offset end);
  // The log is offline for another reason; waiters are told. Lets go of the files.
  void stop(Error reason);

  Offset durable() const { return durable_; }
  const std::optional<Error>& failure() const { return failure_; }
  // It was a sync that failed: of what lies above durable(), the kernel may have dropped anything.
  bool lost() const { return lost_; }

  // Returns the durable end offset when everything appended before the call is durable.
  // REQUIRES: this outlives the call.
  io::Task<Result<Offset>> sync();

  // The same, holding the thread: at rare changes of the log's shape. Where it finds no descriptor
  // for the folder (lacks_descriptor), nothing has changed.
  Result<void> sync_now();

  // What the next start is told of becomes durable too, where names in the folder have since it
  // last did: mostly because a segment was begun, which is seldom enough. After who waits for the
  // records was told. REQUIRES: this outlives the call.
  io::Task<void> keep();

  // Where the time of each fsync is noted; outlives this.
  void measure_in(Histogram* fsyncs) { fsyncs_ = fsyncs; }
  // How many rounds of fsync there have been.
  uint64_t rounds() const { return done_; }

 private:
  bool clean() const { return dirty_.empty() && !folder_dirty_ && durable_ == appended_; }
  io::Task<void> run_round();
  io::Task<Result<void>> sync_folder();
  void lose(Error reason);

  io::Disk& disk_;
  std::string folder_;
  SyncedEnd* synced_end_;
  std::vector<std::shared_ptr<io::File>> dirty_;
  bool folder_dirty_ = false;
  bool keep_due_ = false;
  std::vector<std::shared_ptr<io::File>> syncing_;  // of the round under way
  Offset appended_;
  Offset durable_;
  Offset in_flight_ = 0;  // what the round under way will have made durable
  uint64_t started_ = 0;  // rounds; at most one is under way
  uint64_t done_ = 0;
  std::optional<Error> failure_;
  Histogram* fsyncs_ = nullptr;
  bool lost_ = false;
  io::Event changed_;
};

}  // namespace isthmus::broker
