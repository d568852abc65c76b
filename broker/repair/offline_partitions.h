// OfflinePartitions: the directories of a broker, while an operator looks at a partition, repairs
// it or gives it up. All reads, but for repair() and forget(), which say so.
//
// A broker that runs keeps its hands off a partition that is marked as damaged (log/quarantine.h)
// and opens it soon after a repair has removed the mark: so those can be worked on. All else is for
// a stopped broker, which a lock keeps from starting. Two of these exclude each other.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "broker/log/assignments.h"
#include "broker/log/checkpoints.h"
#include "broker/repair/diagnosis.h"

namespace isthmus::broker {

// Where a partition is, or ought to be.
struct Whereabouts {
  enum class State : uint8_t {
    there,
    twice,         // in several directories
    no_folder,     // its directory is there, its folder is not
    no_directory,  // nor is its directory
    given_up,      // on an operator's word; it begins anew at the next start
    unknown,       // this broker has no such partition
  };
  State state = State::unknown;
  std::vector<std::string> folders;  // that are there; else one that ought to be
  Uuid directory;                    // that is not there
  RecoveryHints hints;               // what checkpoints say
  std::string to_string() const;     // one line, for all but `there`
};

class OfflinePartitions {
 public:
  // An error if no broker ever ran on them, or somebody else repairs something.
  static Result<OfflinePartitions> open(io::Disk& disk, std::vector<std::string> log_dirs);

  bool broker_runs() const { return broker_runs_; }
  // Those of the directories that are there and in use, by path. What is assigned to another one is
  // not there, and a look into these says nothing of it.
  const std::map<std::string, Uuid>& directories() const { return ids_; }
  const std::optional<Assignments>& assignments() const { return assignments_; }
  // An error if a broker runs that may have, or open, what is there.
  Result<void> may_work_on(const Whereabouts& place) const;
  Result<Whereabouts> find(const TopicPartition& tp) const;
  Result<Diagnosis> diagnose(const Whereabouts& place, const LogConfig& config);
  // Where repair() puts what can be read, unless it is told.
  std::string export_path(const Whereabouts& place, const Diagnosis& found) const;

  // Writes what can be read behind the damage to a file that is not there yet.
  Result<void> save(const Whereabouts& place, const Diagnosis& found, const std::string& path);
  // Cuts the log where the damage begins, and removes its mark. Whatever is to be kept was saved.
  Result<void> repair(const Whereabouts& place, const Diagnosis& found, const LogConfig& config);
  // A partition whose folder is gone begins anew at the broker's next start.
  // REQUIRES: !broker_runs().
  Result<void> forget(const TopicPartition& tp);

 private:
  OfflinePartitions(io::Disk& disk, std::vector<std::string> log_dirs)
      : disk_(&disk),
        files_(std::make_unique<FileCache>(disk, max_files)),
        dirs_(std::move(log_dirs)) {}
  static constexpr size_t max_files = 16;

  Result<void> claim();
  Result<void> read_hints(const TopicPartition& tp, const std::string& dir,
                          RecoveryHints& hints) const;

  io::Disk* disk_;
  std::unique_ptr<FileCache> files_;
  std::vector<std::string> dirs_;
  std::vector<std::shared_ptr<void>> locks_;
  bool broker_runs_ = false;
  std::optional<Assignments> assignments_;
  std::map<std::string, Uuid> ids_;  // of directories that are there, by path
};

// "orders-3"; nothing for other texts.
std::optional<TopicPartition> parse_partition(std::string_view name);

}  // namespace isthmus::broker
