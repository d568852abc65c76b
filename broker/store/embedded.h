// EmbeddedStore: the metadata of a cluster of one broker, in a log of its own.
//
// File `metadata.log` in the first log directory, a sequence of commits (commit_frame.h). The
// version is that of the commit, and of every key it puts; it grows by one. Once the dead weight
// outgrows the living, the file is replaced by one commit per key that keeps its version.
//
// The file `metadata.synced` beside it knows which version was synced (log/synced_end.h; its ends
// are versions here). What ends below it, or has a later commit behind a broken one, has lost what
// was acknowledged: open() refuses it and changes nothing. A torn commit above it was never
// acknowledged: it is cut, and kept in `metadata.log.cut`.
//
// Commits are serialised: each is synced before the next begins. A failed write or sync is final;
// one that finds no room (io::lacks_room) has changed nothing, and the next may find it. Beside the
// log stands a file of 64 KiB, `metadata.reserve`, that gives up its place then: so that a broker
// starts, and topics are deleted, on a disk that others have filled to the last byte. The next
// commit that finds room without it puts it back.
#pragma once

#include <memory>

#include "base/log.h"
#include "broker/log/synced_end.h"
#include "broker/store/metadata_store.h"
#include "broker/store/stored_table.h"
#include "io/disk.h"
#include "io/mutex.h"

namespace isthmus::broker {

class EmbeddedStore final : public MetadataStore {
 public:
  static Result<std::unique_ptr<EmbeddedStore>> open(io::Disk& disk, io::Loop& loop,
                                                     const std::string& folder);

  io::Task<Result<Outcome>> commit(std::vector<Check> checks, std::vector<Put> puts) override;
  void watch(Watcher watcher) override;
  void on_session_lost(std::function<void()>) override {}

 private:
  EmbeddedStore(io::Disk& disk, io::Loop& loop, std::string path);
  Result<void> load();
  Result<void> cut(Bytes torn);
  Result<void> apply(Bytes body);
  Result<void> rewrite_if_worth_it();
  io::Task<Result<void>> write(Slice frame);
  std::string reserve_path() const { return io::parent_of(path_) + "/metadata.reserve"; }
  void keep_reserve();
  bool use_reserve();  // whether there was one

  io::Disk& disk_;
  std::string path_;
  std::shared_ptr<io::File> file_;
  StoredTable table_;
  bool has_reserve_ = false;
  Logger log_{LogComponent::metadata};
  FileCache slot_files_;
  SyncedEnd synced_;
  io::Mutex committing_;
  std::optional<Error> broken_;
  Watcher watcher_;
};

}  // namespace isthmus::broker
