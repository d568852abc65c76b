// Who looks at the disk for each log directory's StorageRoom: the owner of the StorageRooms, the
// PartitionTable, about once a second, and in between whoever appends enough. A look is one statfs.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "broker/replica/storage_room.h"

namespace isthmus::broker {

// Of one log directory, shared with its partitions. Any thread.
class StorageWatch {
 public:
  StorageWatch(io::Disk& disk, std::string dir, uint64_t reserve)
      : disk_(disk), dir_(std::move(dir)), room_(reserve) {}

  bool is_low() const { return room_.is_low(); }
  void charge(uint64_t bytes) {
    if (room_.charge(bytes)) look();
  }
  // What cannot be asked stays as it was.
  void look() {
    const std::unique_lock turn(looking_, std::try_to_lock);
    if (!turn) return;
    const uint64_t seen = room_.charged();
    const auto space = disk_.space(dir_);
    if (!space || !room_.note(*space, seen)) return;
    const uint64_t free_mib = space->free >> 20, reserve_mib = room_.reserve_of(*space) >> 20;
    if (room_.is_low()) {
      log_.error(
          "directory={} full: {} MiB are free, the reserve is {} MiB; records of clients and "
          "links are refused until there is more",
          dir_, free_mib, reserve_mib);
    } else {
      log_.info("directory={} has room again: {} MiB are free", dir_, free_mib);
    }
  }

 private:
  io::Disk& disk_;
  const std::string dir_;
  Logger log_{LogComponent::partitions};
  StorageRoom room_;
  std::mutex looking_;
};

// Of all. of() on any thread.
class StorageRooms {
 public:
  StorageRooms(io::Disk& disk, const std::vector<std::string>& dirs, uint64_t reserve) {
    for (const auto& dir : dirs) {
      rooms_.emplace(dir, std::make_shared<StorageWatch>(disk, dir, reserve));
    }
  }

  // Of the directory that a partition's folder is in.
  std::shared_ptr<StorageWatch> of(const std::string& folder) const {
    const auto found = rooms_.find(io::parent_of(folder));
    return found == rooms_.end() ? nullptr : found->second;
  }

  void watch() {
    for (auto& [dir, room] : rooms_) room->look();
  }

 private:
  std::map<std::string, std::shared_ptr<StorageWatch>> rooms_;
};

}  // namespace isthmus::broker
