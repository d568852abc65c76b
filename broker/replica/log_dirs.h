// LogDirs: the directories of log.dirs, what stands in them beside the logs, and which partition is
// in which: locks, checkpoints, marks of a clean stop, assignments (log/checkpoints.h,
// log/assignments.h).
//
// What is known of a partition outlives any number of starts at which it cannot be opened: its
// offsets stay in the checkpoints, a clean stop does not cover it, and where it is expected is
// remembered. A folder or a directory that is known and not there is damage, not an empty
// partition.
//
// A deletion is the metadata's; the folders follow, by topic id (Image::deleted). What has the id
// of a deleted topic is renamed at once, before anything is opened, and removed when that is
// durable (log/doomed.h): also by a later start, also in a directory that comes back later. What
// has an id that nobody knows is set aside ("-stray") where it is in the way, and never removed. So
// is what metadata do not name that are older than what was followed here (log/followed.h).
// Nobody waits for a directory whose place a new one has taken when it had nothing but deleted
// topics. Should it come back, nothing of it is used: which of its topics are deleted is forgotten.
//
// Owned by the PartitionTable, on the main loop; holds it for its files at the start and the stop.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/log.h"
#include "broker/image/image.h"
#include "broker/log/assignments.h"
#include "broker/log/checkpoints.h"
#include "broker/log/config.h"
#include "broker/log/followed.h"
#include "broker/replica/burial.h"
#include "broker/replica/source_view.h"
#include "io/disk.h"

namespace isthmus::broker {

class LogDirs {
 public:
  LogDirs(io::Disk& disk, std::vector<std::string> paths);

  // Locks the directories, and makes those that never were. Another process in one of them is an
  // error. One that is gone, though partitions are assigned to it, is left as it is.
  Result<void> claim();
  // Those that are there.
  std::vector<std::string> present() const;
  // Reads their checkpoints and takes their marks of a clean stop. Only once they are known to be
  // this cluster's: a directory given by mistake is left as it was.
  Result<void> take_over();

  // What stands where its folder may be. Any thread, as it waits for whoever makes folders there.
  struct Holders {
    std::vector<size_t> dirs;         // those that have its folder
    std::vector<std::string> doomed;  // folders of deleted topics that were renamed just now
    // Another topic's folder that could not be renamed, or not durably. It may be the next time.
    std::optional<Error> in_the_way;
  };
  Holders holders(const TopicPartition& tp, const Uuid& topic_id, const Image& image) const;
  // Where a partition's log is, or shall begin. An error says what was expected where. `is_mirror`:
  // its records come again from its source.
  struct Place {
    std::string folder;
    RecoveryHints hints;
    std::optional<SourceMark> source;  // if it mirrored one
    Offset high_watermark = 0;         // as the last checkpoint had it
    bool begins_anew = false;          // on an operator's word, with nothing of what was there
  };
  Result<Place> place(const TopicPartition& tp, const Uuid& topic_id, bool is_mirror,
                      const Holders& found);
  // What the metadata say is older than what was followed here, or another history: until that
  // ends, nothing of what they do not name is removed, but set aside.
  void distrust() { distrusts_ = true; }
  void trust() { distrusts_ = false; }
  bool distrusts() const { return distrusts_; }
  // What was followed here as the disk has it.
  const std::optional<FollowedMetadata>& followed() const { return followed_; }
  io::Disk::Work followed_to_save(const FollowedMetadata& now) const;
  void saved_followed(const FollowedMetadata& now) { followed_ = now; }
  // What was renamed for it is to be removed.
  void note_doomed(const Holders& found);
  // Its log is open, and shall be shown when this is saved.
  void assign(const TopicPartition& tp, const Uuid& topic_id);
  // It is shown, so the next checkpoint has it: what the last one said of it is of no more use.
  void opened(const TopicPartition& tp);
  // It is not, and what becomes of its files until it is opened nobody here knows.
  void not_opened(const TopicPartition& tp);
  // Where its log is, if it was placed.
  std::optional<std::string> folder_of(const TopicPartition& tp) const;
  struct Offsets {
    Offset recovery_point = 0, log_start = 0, high_watermark = 0;
    std::optional<SourceMark> source;
  };
  // It is closed, and this is what a checkpoint says of it until it is opened again; nullopt: what
  // was known.
  void closed(const TopicPartition& tp, const std::optional<Offsets>& offsets);
  // A topic was renamed, and `successor` has its old name, if any topic has. True if anything was
  // known of it by that name.
  bool adopt_name(const TopicImage& topic, const TopicImage* successor);
  // Its topic is gone, and what is left of its log is doomed.
  void forget(const TopicPartition& tp, const Uuid& topic_id);
  // A partition that was here and has no replica here any more: where its folder is, if it is
  // assigned to a directory that is there.
  std::optional<std::string> assigned_folder(const TopicPartition& tp, const Uuid& topic_id) const;
  // Its folder, which nobody has open, was renamed to what forget() would have doomed.
  void doomed(const std::string& folder, const Uuid& topic_id, PartitionIndex index);
  // It is expected here no more.
  void unassign(const TopicPartition& tp, const Uuid& topic_id);
  // What files say of topics that are gone must not be believed of their successors.
  using Exists = std::function<bool(const TopicPartition&, const Uuid& topic_id)>;
  void forget_all_but(const Exists& exists);

  // What buries these and what was doomed before (burial.h), beside the loop.
  io::Disk::Work burial(std::vector<DeletedTopic> topics, std::shared_ptr<Burial> how) const;
  void buried(const Burial& how);
  bool has_unburied() const { return !doomed_.empty(); }
  // A directory that is not there has a partition of it.
  bool is_awaited(const Uuid& topic_id) const;
  // That a directory was replaced is written down. Before that no deletion is finished: once it is
  // forgotten, the next start has to know such a directory by its id.
  bool knows_replaced() const { return !given_up_unsaved_; }
  // Topics of which there are doomed folders. One that came again under such an id could doom
  // another folder of the same name while that one is being removed.
  std::set<Uuid> being_removed() const;
  // Folders that are durably doomed. Who takes them removes them, and says of each how it went.
  // None while it is not written down that replicas are expected here no more: what is
  // left of them tells the next start that they went by a record, not by damage.
  bool has_removable() const { return !removable_.empty(); }
  std::vector<std::string> take_removable();
  void removed(const std::string& folder, bool done);

  // What writes the assignments as they are now, beside the loop; empty if they are saved. To be
  // done before a partition is shown to anybody. One of these at a time, and saved() with how it
  // went.
  io::Disk::Work assignments_to_save();
  void saved(const Result<void>& how);
  // What writes those that are open, beside the loop; the others keep what was known.
  io::Disk::Work checkpoints_to_write(const std::map<TopicPartition, Offsets>& open);
  // A clean stop, but for the partitions that were not closed.
  void leave_clean_marks(int64_t broker_epoch, const std::set<std::string>& except);

 private:
  struct Dir {
    std::string path;
    std::shared_ptr<void> lock;
    bool present = true;
    bool is_new = false;  // no start has seen it before
    Uuid id;              // zero: it has none
    CleanShutdownMark::Found clean;
    OffsetCheckpoint::Offsets recovery_points, log_starts, high_watermarks;
    SourceMarks sources;
    size_t partitions = 0;
  };

  Result<void> claim(Dir& dir, bool first);
  Result<void> take_over(Dir& dir);
  void find_doomed(const Dir& dir);
  void give_up_replaced();
  Result<void> refuse_given_up(Dir& dir);
  Result<void> look_at(size_t dir, const TopicPartition& tp, const Uuid& topic_id,
                       const Image& image, Holders& found) const;
  const Dir* find(const Uuid& id) const;
  Error missing_folder(const TopicPartition& tp, const std::string& dir) const;
  Error missing_directory(const TopicPartition& tp, const Uuid& id) const;
  Error in_two_directories(const Holders& found) const;
  bool is_assigned(const Uuid& topic_id, PartitionIndex index, const Dir& dir) const;
  RecoveryHints hints_of(const TopicPartition& tp, const Uuid& topic_id, const Dir& dir) const;
  std::optional<SourceMark> source_of(const TopicPartition& tp) const;
  size_t emptiest() const;

  io::Disk& disk_;
  Logger log_{LogComponent::partitions};
  std::vector<Dir> dirs_;
  Assignments assignments_;
  bool had_assignments_ = false;  // this release, or a later one, has started here before
  std::optional<FollowedMetadata> followed_;
  bool distrusts_ = false;
  bool unsaved_ = false;
  bool given_up_unsaved_ = false;  // that a directory was replaced
  uint64_t unassigned_ = 0;        // how many were, so far
  uint64_t saving_unassigned_ = 0, saved_unassigned_ = 0;
  std::set<Assignments::Key> half_removed_;      // by an earlier start, and not opened anew since
  std::vector<std::string> doomed_, removable_;  // whole paths
  std::set<std::string> taken_;                  // to be removed
  std::unordered_map<TopicPartition, size_t> placed_;
};

}  // namespace isthmus::broker
