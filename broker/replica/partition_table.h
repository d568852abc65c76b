// PartitionTable: the partitions of this broker, following the image.
//
// find() may be called from any loop: the table is published whole, like the image. What it gives
// out is a PartitionRef, the only door to a partition. Opening, changing and deleting happen on the
// main loop, one image after the other; each partition is then told on its own loop. A partition
// whose log cannot be opened has an empty ref with the reason: clients are told that the disk is at
// fault, not that it does not exist. One that the image has and the table has not yet is being
// opened: clients ask again. They are told the same of one that has no replica here.
//
// A replica that the image takes away goes like a deleted topic's, and its topic stays.
//
// A topic that goes on under another name is closed, and opened again when its folders have
// followed (renaming.h). What stands beside the logs in each log directory is kept by LogDirs.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/log.h"
#include "base/progress.h"
#include "base/published.h"
#include "broker/image/image.h"
#include "broker/log/file_cache.h"
#include "broker/replica/isr_bell.h"
#include "broker/replica/log_dirs.h"
#include "broker/replica/partition_ref.h"
#include "broker/replica/renaming.h"
#include "broker/replica/storage_rooms.h"
#include "broker/replica/verdicts.h"
#include "io/env.h"
#include "io/event.h"
#include "io/mutex.h"

namespace isthmus::broker {

// Whether no broker has come, gone, started or been fenced between two images: who may be in sync,
// and which epochs are in force, follow from it.
bool have_same_brokers(const Image& a, const Image& b);

class PartitionTable {
 public:
  // `self` is this broker. `config_of` gives a topic's log configuration from its overrides.
  using ConfigOf = std::function<LogConfig(const std::map<std::string, std::string>&)>;
  // `storage_reserve` bytes of each directory's file system are kept free (storage_room.h).
  // `allowed_lag`: see IsrKeeper.
  PartitionTable(io::Env& env, NodeId self, PublishedImage& image,
                 std::vector<std::string> log_dirs, ConfigOf config_of,
                 uint64_t storage_reserve = 0, io::Duration allowed_lag = std::chrono::seconds(10));

  // See LogDirs.
  Result<void> claim() { return dirs_.claim(); }
  Result<void> take_over() { return dirs_.take_over(); }
  const LogDirs& dirs() const { return dirs_; }

  // Tells those that are open of their leaders, their ISRs and what else `image` says of them;
  // waits for no disk, nor for who opens others. One image after the other, none before an earlier
  // one.
  io::Task<void> hear(std::shared_ptr<const Image> image);
  // Before a leader here gives a verdict (verdicts.h). REQUIRES: nothing is open.
  void confirm_by(Confirm confirm) { confirm_ = std::move(confirm); }
  // The commit that was followed last, to be kept on the disk.
  using Position = std::function<std::optional<FollowedMetadata>()>;
  void position_by(Position position) { position_ = std::move(position); }
  // The metadata do not have what the disk says was followed: what the first image does not name is
  // set aside, not removed. REQUIRES: nothing was followed yet.
  void distrust();
  // How far it is with those that it opens, of one image; on the main loop.
  const Progress& opening() const { return opening_; }
  // Called when others have been opened.
  void on_opened(std::function<void()> told) { told_opened_ = std::move(told); }
  // Opens, changes and deletes until the table is what `image` says.
  io::Task<Result<void>> follow(std::shared_ptr<const Image> image);

  // Empty if it is not here; its absence() says why.
  PartitionRef find(const std::string& topic, PartitionIndex index) const;
  // In order of their indexes; without those that are offline.
  std::vector<PartitionRef> all_of(const std::string& topic) const;
  std::vector<PartitionRef> all() const;
  // Those that are not served, or not wholly, by topic and index. Any loop.
  struct Offline {
    TopicPartition name;
    std::shared_ptr<const Outage> outage;
  };
  std::vector<Offline> offline() const;
  // What this broker is not to be counted on for: what is offline, and what was opened and may lack
  // what was acknowledged (RecoveryReport::may_lack), until lack_is_known(). On the main loop.
  struct Lack {
    TopicPartition name;
    Uuid topic_id;     // zero: of what is offline
    bool all = false;  // nothing is left of it
  };
  std::vector<Lack> lacking() const;
  void lack_is_known(const Uuid& topic, PartitionIndex index);
  std::shared_ptr<const Image> image() const { return image_.load(); }
  LogConfig config_of(const TopicImage& topic) const { return config_of_(topic.configs); }
  LogConfig defaults() const { return config_of_({}); }

  struct Cut {
    TopicPartition partition;
    Offset offset = 0;  // where the log ends since
    uint64_t bytes = 0;
    std::string kept_in;  // empty: nowhere
  };
  // Torn tails that were cut, since the start, for /status and metrics. On the main loop.
  const std::vector<Cut>& cuts() const { return cuts_; }

  // Topics that are deleted, while something of them is left to be removed, or to be forgotten by
  // the metadata.
  bool has_deletions() const;
  // Removes it beside the loops, until `stop` is closed; what is left after that, or after an
  // error, is for the next call or the next start.
  io::Task<void> finish_deletions(const io::Event& stop);
  // Those of which nothing is left in any directory.
  std::vector<DeletedTopic> finished_deletions() const;

  // Opens those whose damage was repaired meanwhile: the mark is gone (log/quarantine.h); or which
  // others have all of: they are cut where the damage begins, to be copied again. Tries
  // anew those whose folder, or what stands in its place, could not be renamed.
  io::Task<void> open_repaired();
  // Writes the checkpoints; the recovery points are those at the time of the call.
  io::Task<Result<void>> checkpoint();
  io::Task<void> apply_retention();
  // Partitions that ask for another ISR.
  IsrBell& bell() { return *bell_; }
  // Since the start, of all loops.
  io::Task<Histogram> fsyncs();
  void watch_space() { rooms_.watch(); }
  // Before a stop: nobody waits at a fence any more.
  io::Task<void> end_waits();
  // Before the stop of a broker whose word counts no more: see Partition.
  io::Task<void> refuse_all();
  // A clean stop: everything durable, and marked so.
  io::Task<void> close();
  // After a start that failed: ends what was opened, and writes nothing.
  io::Task<void> abandon();

 private:
  using Topic = std::vector<PartitionRef>;
  using Table = std::unordered_map<std::string, Topic>;
  using Topics = std::vector<std::shared_ptr<const TopicImage>>;
  struct Opening {
    std::shared_ptr<const TopicImage> topic;
    PartitionIndex index = 0;
    PartitionRef* place = nullptr;  // in the next table
  };

  size_t loop_of(const TopicPartition& tp) const;
  void forget_all_beyond(const Image& image);
  void tell(const TopicPartition& tp, const Outage* before, const Outage* now);
  io::Task<PartitionRef> open(std::shared_ptr<const Image> image,
                              std::shared_ptr<const TopicImage> topic, PartitionIndex index);
  // Why a partition is not opened yet, though it could be: others count on what it lacks.
  std::optional<Outage> too_early(const TopicPartition& tp, const LogDirs::Place& place,
                                  const PartitionImage& partition) const;
  struct Quarantined {
    std::string folder;
    // A disk that cannot bear the scan of a whole log is not asked for another at once.
    io::Duration pause{};
    io::Instant again_at{};
  };
  // By the metadata, all that was acknowledged, and nobody counts on this broker for it.
  bool others_have_all(const TopicImage& topic, const PartitionImage& partition) const;
  bool is_to_be_copied_again(const Image& image, const TopicPartition& tp,
                             const Quarantined& known) const;
  // Of one that was opened.
  void note_lack(const TopicPartition& tp, const TopicImage& topic, const RecoveryReport& report,
                 const std::string& folder);
  void forget_cut(const std::string& folder);
  io::Task<void> open_one(std::shared_ptr<const Image> image, const Opening& one);
  io::Task<void> tell_image(std::shared_ptr<const Image> image,
                            std::shared_ptr<const TopicImage> topic, const Topic& partitions);
  io::Task<void> hear_topic(std::shared_ptr<const Image> image,
                            std::shared_ptr<const TopicImage> topic);
  io::Task<void> follow_topics(std::shared_ptr<const Image> image, Topics topics, Table next);
  io::Task<Result<void>> save_assignments();
  io::Task<Result<void>> save_followed();
  io::Task<Result<void>> write_checkpoints();
  bool is_buried(const DeletedTopic& topic) const;
  std::vector<DeletedTopic> to_bury(const Image& image) const;
  io::Task<void> bury(std::shared_ptr<const Image> image);
  io::Task<void> remove(std::vector<std::string> folders, const io::Event* stop);
  bool is_finished(const DeletedTopic& topic, const std::set<Uuid>& removing) const;
  void tell_of_forgotten(std::shared_ptr<const Image> image);
  void tell_of_deletion(const Result<void>& how);
  io::Task<void> drop(std::shared_ptr<const TopicImage> topic, Topic partitions);
  // Replicas that are here, and by the image shall not be (partition_deletions.cc).
  struct Unheld {
    std::shared_ptr<const TopicImage> topic;
    PartitionIndex index = 0;
    PartitionRef partition;  // empty: it is not open
  };
  std::vector<Unheld> take_unheld(const Image& before, const Image& image, Table& next) const;
  // False: what is there has its name still, and the next start tries again.
  io::Task<bool> doom_unheld(const Unheld& one);
  io::Task<Result<void>> remove_unheld(const std::string& folder, const Uuid& id,
                                       PartitionIndex index);
  io::Task<void> close_for_renaming(std::shared_ptr<const TopicImage> topic, Topic partitions);
  Topics to_move(const Image& image) const;
  bool adopt_names(const Image& image);
  io::Task<Topics> move_renamed(std::shared_ptr<const Image> image);

  io::Env& env_;
  const NodeId self_;
  PublishedImage& image_;
  ConfigOf config_of_;
  const io::Duration allowed_lag_;
  std::shared_ptr<IsrBell> bell_;
  Confirm confirm_;
  Position position_;
  Logger log_{LogComponent::partitions};
  std::map<io::Loop*, FileCache> files_;  // one for each loop, used there only
  LogDirs dirs_;
  std::vector<Cut> cuts_;
  Progress opening_;
  std::map<TopicPartition, Quarantined> quarantined_;
  std::map<TopicPartition, Uuid> may_lack_;  // open, and nobody was told
  std::set<TopicPartition> in_the_way_;      // there is another topic's folder in theirs
  std::set<Uuid> moved_;                     // renamed topics whose folders have followed
  NotMoved not_moved_;
  io::Mutex following_;
  io::Mutex writing_;  // checkpoints and assignments
  StorageRooms rooms_;
  // Topics that are gone while the checkpoints on disk still speak of them.
  std::set<std::string> checkpointed_still_;
  std::map<Uuid, int64_t> buried_;  // versions of deleted topics that no folder here is of
  std::string deletion_error_;      // the one that was told last
  Published<Table> table_{std::make_shared<const Table>()};
  std::shared_ptr<const Image> heard_ = std::make_shared<const Image>();
  std::function<void()> told_opened_;
  std::shared_ptr<const Image> followed_ = std::make_shared<const Image>();
  std::shared_ptr<const Image> seen_ = followed_;  // was begun to be followed last
};

}  // namespace isthmus::broker
