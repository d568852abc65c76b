#include "broker/log/file_cache.h"

#include <cerrno>

namespace isthmus::broker {

bool lacks_descriptor(const Error& error) {
  return io::lacks_room(error) && (error.code == EMFILE || error.code == ENFILE);
}

Result<std::shared_ptr<io::File>> FileCache::open(const std::string& path) {
  if (const auto known = by_path_.find(path); known != by_path_.end()) {
    files_.splice(files_.begin(), files_, known->second);
    return known->second->file;
  }
  auto file = find_or_open(path);
  if (!file) return file;
  files_.push_front({path, *file});
  by_path_[path] = files_.begin();
  if (files_.size() > capacity_) {
    by_path_.erase(files_.back().path);
    files_.pop_back();
  }
  return file;
}

Result<std::shared_ptr<io::File>> FileCache::find_or_open(const std::string& path) {
  if (const auto known = in_use_.find(path); known != in_use_.end()) {
    if (auto file = known->second.lock()) return file;
  }
  auto file = open_on_disk(path, io::Disk::Open::existing);
  if (!file) return file;
  // Those that nobody holds any more are swept out when they may be half of all.
  if (in_use_.size() > 2 * (capacity_ + files_in_use_)) {
    std::erase_if(in_use_, [](const auto& entry) { return entry.second.expired(); });
    files_in_use_ = in_use_.size();
  }
  in_use_[path] = *file;
  return file;
}

Result<std::shared_ptr<io::File>> FileCache::create(const std::string& path) {
  forget(path);
  return open_on_disk(path, io::Disk::Open::create);
}

Result<std::shared_ptr<io::File>> FileCache::open_on_disk(const std::string& path,
                                                          io::Disk::Open how) {
  auto file = disk_.open(path, how);
  if (file || files_.empty() || !lacks_descriptor(file.error())) return file;
  by_path_.clear();
  files_.clear();
  return disk_.open(path, how);
}

void FileCache::release(const std::string& path) {
  const auto known = by_path_.find(path);
  if (known == by_path_.end()) return;
  files_.erase(known->second);
  by_path_.erase(known);
}

void FileCache::forget(const std::string& path) {
  release(path);
  in_use_.erase(path);
}

void FileCache::forget_folder(const std::string& folder) {
  const std::string prefix = folder + "/";
  std::erase_if(by_path_, [&](const auto& entry) { return entry.first.starts_with(prefix); });
  std::erase_if(files_, [&](const auto& entry) { return entry.path.starts_with(prefix); });
  std::erase_if(in_use_, [&](const auto& entry) { return entry.first.starts_with(prefix); });
}

}  // namespace isthmus::broker
