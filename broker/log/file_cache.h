// FileCache: the files of sealed segments and of their indexes, opened when somebody asks, closed
// when many others were asked for since. A process may hold 20,000 descriptors at most, and a
// broker holds more segments than that.
//
// One per loop, shared by its logs; no locks. Eviction drops the cache's share only: whoever still
// reads from a file (a reply under way) keeps it open, and who asks again gets the same one. So
// there is one File per path, and its use count tells whether anybody reads from it.
//
// Where the process has no descriptor left, all that the cache holds for later is given up first.
#pragma once

#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/histogram.h"
#include "io/disk.h"

namespace isthmus::broker {

// Of io::lacks_room(): there is none for one more open file. Syncing a folder may meet it too.
bool lacks_descriptor(const Error& error);

class FileCache {
 public:
  FileCache(io::Disk& disk, size_t capacity) : disk_(disk), capacity_(capacity) {}

  // The existing file at `path`.
  Result<std::shared_ptr<io::File>> open(const std::string& path);
  // A file of its own, made if it is absent, that is not kept here.
  Result<std::shared_ptr<io::File>> create(const std::string& path);
  // Drops the cache's share, as eviction does.
  void release(const std::string& path);
  // Forgets `path`: it is about to be removed, or replaced by another file of that name.
  void forget(const std::string& path);
  // The same for all in `folder`: somebody else may change them now.
  void forget_folder(const std::string& folder);

  size_t size() const { return files_.size(); }
  io::Disk& disk() const { return disk_; }
  // How long the fsyncs of its logs took.
  Histogram& fsyncs() { return fsyncs_; }

 private:
  struct Entry {
    std::string path;
    std::shared_ptr<io::File> file;
  };
  using Entries = std::list<Entry>;  // most recently used first

  Result<std::shared_ptr<io::File>> find_or_open(const std::string& path);
  Result<std::shared_ptr<io::File>> open_on_disk(const std::string& path, io::Disk::Open how);

  io::Disk& disk_;
  Histogram fsyncs_;
  size_t capacity_;
  Entries files_;
  std::unordered_map<std::string, Entries::iterator> by_path_;
  std::unordered_map<std::string, std::weak_ptr<io::File>> in_use_;  // also after eviction
  size_t files_in_use_ = 0;                                          // when in_use_ was last swept
};

}  // namespace isthmus::broker
