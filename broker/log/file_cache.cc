#include "broker/log/file_cache.h"

namespace isthmus::broker {

Result<std::shared_ptr<io::File>> FileCache::open(const std::string& path) {
  if (const auto known = by_path_.find(path); known != by_path_.end()) {
    files_.splice(files_.begin(), files_, known->second);
    return known->second->file;
  }
  auto file = disk_.open(path, io::Disk::Open::existing);
  if (!file) return fail(file.error());
  files_.push_front({path, *file});
  by_path_[path] = files_.begin();
  if (files_.size() > capacity_) {
    by_path_.erase(files_.back().path);
    files_.pop_back();
  }
  return *file;
}

void FileCache::forget(const std::string& path) {
  const auto known = by_path_.find(path);
  if (known == by_path_.end()) return;
  files_.erase(known->second);
  by_path_.erase(known);
}

}  // namespace isthmus::broker
