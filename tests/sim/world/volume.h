// Volume: the disk of one simulated machine. It outlives the machine's processes, and crash() makes
// of it what a power loss leaves.
//
// Names are as POSIX promises and no more: a created, renamed or removed name is durable only when
// its folder was synced; until then a crash keeps a random prefix of such changes, each whole (file
// systems with a journal never do half a rename). A name whose folder is lost is lost with it.
// Renaming a folder makes the earlier changes inside it durable, which is more than POSIX says.
//
// Faults are planned by the test: `fail_next_*` hit the next matching operation, fail_operation()
// the one of that number, fail_operations_from() all from there on, `*_failures` any; `lying_syncs`
// and `sync_lies` make syncs answer without doing anything, rot() turns a bit of what lies there.
// Against those two no program can keep what it promised: the oracle is then that nothing damaged
// is given out as good, and that what is lost is named. What needs more than `capacity` is answered
// ENOSPC; names cost nothing, so that removing and renaming always work, as they mostly do.
#pragma once

#include <cerrno>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "tests/sim/world/inode.h"
#include "tests/sim/world/schedule.h"

namespace isthmus::sim {

class Volume {
 public:
  explicit Volume(Schedule& schedule) : schedule_(schedule) {}

  // Seen by processes (sim_disk.h); paths are normalised by them. Errors are errno values.
  std::shared_ptr<Inode> find(const std::string& path) const;
  bool exists(const std::string& path) const { return entries_.contains(path) || is_root(path); }
  bool is_folder(const std::string& path) const;
  // That a power loss would leave the name of this file, of whatever is in it.
  bool keeps_name(const std::string& path) const;
  Result<std::shared_ptr<Inode>> create(const std::string& path);
  Result<void> make_folder(const std::string& path);
  std::vector<std::string> list(const std::string& folder) const;
  // Of the files with that suffix in its folder: the last one that is not above `path`, the first
  // one that is; "" where there is none.
  std::string last_up_to(const std::string& path, std::string_view suffix) const;
  std::string first_above(const std::string& path, std::string_view suffix) const;
  Result<void> rename(const std::string& from, const std::string& to);
  Result<void> remove(const std::string& path);
  void remove_folder(const std::string& path);
  void sync_folder(const std::string& path);

  bool lock(const std::string& path) { return locks_.insert(path).second; }
  void unlock(const std::string& path) { locks_.erase(path); }

  // A power loss. What processes held open stays as it was for them; they are dead.
  void crash();

  // Faults. `part` of a path selects files; "" is any. One operation each, in order of asking.
  void fail_next_append(std::string part, int error) { plan_[append_].push_back({part, error}); }
  void fail_next_sync(std::string part, int error) { plan_[sync_].push_back({part, error}); }
  void fail_next_read(std::string part, int error) { plan_[read_].push_back({part, error}); }
  void fail_next_open(std::string part, int error) { plan_[open_].push_back({part, error}); }
  // Whether it exists: no, as the system calls of a disk that errs are understood.
  void fail_next_look(std::string part) { plan_[look_].push_back({part, EIO}); }
  // A creation of a folder, a renaming, a removal, a listing.
  void fail_next_name_change(std::string part, int error) {
    plan_[names_].push_back({part, error});
  }
  // Operations of every kind, numbered from 1 over the life of the volume.
  uint64_t operations() const { return operations_; }
  void fail_operation(uint64_t number, int error) {
    fail_at_ = number;
    fail_with_ = error;
  }
  // That one and all after it: what a process that is killed before it would leave.
  void fail_operations_from(uint64_t number, int error) {
    fail_from_ = number;
    fail_with_ = error;
  }
  void forget_planned_failures() {
    for (auto& plan : plan_) plan.clear();
    fail_at_ = 0;
    fail_from_ = UINT64_MAX;
  }
  // In bytes; files take whole blocks.
  static constexpr uint64_t block = 4096;
  uint64_t capacity = UINT64_MAX;
  uint64_t used() const;
  bool has_room(uint64_t size_before, uint64_t size_after) const;
  // In a million operations, for random plans.
  uint32_t append_failures = 0;
  uint32_t sync_failures = 0;
  uint32_t read_failures = 0;
  uint32_t sync_lies = 0;
  bool lying_syncs = false;
  std::vector<std::string> lies_about;  // parts of the paths, each; all if empty
  // Of syncs, and of work beside the loop (Disk::aside); what goes through the cache takes no time.
  static constexpr Duration least_latency = std::chrono::microseconds(100);
  static constexpr Duration most_latency = std::chrono::milliseconds(5);
  Duration sync_latency_min = least_latency;
  Duration sync_latency_max = most_latency;
  // As a disk that fails slowly, or a cloud's that has used up its credit. Until full_speed().
  void slow_down();
  void full_speed() {
    sync_latency_min = least_latency;
    sync_latency_max = most_latency;
  }
  void flip_bit(const std::string& path, uint64_t position, int bit);
  // One bit of one of the files whose path has all `parts`, at or after `from` bytes; which file
  // and which bit the seed says. Nothing if there is none so long.
  struct Rotten {
    std::string path;
    uint64_t position = 0;
    int bit = 0;
  };
  std::optional<Rotten> rot(const std::vector<std::string>& parts, uint64_t from = 0);

  // Syncs that a loop was held for: all but those of File::sync() and in Disk::aside().
  uint64_t syncs_on_loop() const { return syncs_on_loop_; }
  void sync_holds_caller() { syncs_on_loop_ += is_aside ? 0 : 1; }
  bool is_aside = false;  // while work beside the loop is done

  // 0, or the errno value of a fault that is due.
  int append_fault(const std::string& path) { return fault(append_, append_failures, path); }
  int sync_fault(const std::string& path) { return fault(sync_, sync_failures, path); }
  int read_fault(const std::string& path) { return fault(read_, read_failures, path); }
  int open_fault(const std::string& path) { return fault(open_, 0, path); }
  int names_fault(const std::string& path) { return fault(names_, 0, path); }
  bool look_fails(const std::string& path);
  bool sync_lies_now(const std::string& path);
  Schedule& schedule() { return schedule_; }

 private:
  struct Entry {
    std::shared_ptr<Inode> inode;  // null: a folder
  };
  using Entries = std::map<std::string, Entry>;
  struct NameChange {
    enum class Kind : uint8_t { create, rename, remove } kind;
    std::string path;
    std::string to;  // of a rename
    Entry entry;     // of a creation
  };
  struct Fault {
    std::string part;
    int error;
  };
  enum Operation : uint8_t { append_, sync_, read_, open_, names_, look_, kinds_ };

  static bool is_root(const std::string& path) { return path == "/" || path == "."; }
  static std::string folder_of(const std::string& path);
  static void apply(const NameChange& change, Entries& entries);
  // Everything inside `folder`, at any depth.
  static std::vector<std::string> inside(const Entries& entries, const std::string& folder);
  void change(NameChange change);
  template <typename Match>
  void commit_if(Match match);
  int fault(Operation operation, uint32_t in_a_million, const std::string& path);
  int planned_fault(Operation operation, const std::string& path);

  Schedule& schedule_;
  Entries entries_;  // what processes see
  Entries durable_;
  std::deque<NameChange> unsynced_;  // leads from durable_ to entries_
  std::set<std::string> locks_;
  std::deque<Fault> plan_[kinds_];
  uint64_t operations_ = 0;
  uint64_t syncs_on_loop_ = 0;
  uint64_t fail_at_ = 0;  // 0 = none
  uint64_t fail_from_ = UINT64_MAX;
  int fail_with_ = 0;
};

}  // namespace isthmus::sim
