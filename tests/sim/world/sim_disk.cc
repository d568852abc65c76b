#include "tests/sim/world/sim_disk.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>

namespace isthmus::sim {

namespace {

std::string normal(const std::string& path) {
  std::string text = std::filesystem::path(path).lexically_normal().string();
  while (text.size() > 1 && text.back() == '/') text.pop_back();
  return text;
}

// An open file. The same rules as the real one: after a failure it is not used any more, and an
// append for which there is no room leaves nothing behind, or nothing that the next one does not
// cut.
class SimFile final : public io::File, public std::enable_shared_from_this<SimFile> {
 public:
  SimFile(std::shared_ptr<Volume> volume, std::shared_ptr<Inode> inode, std::string path,
          io::Loop& clock)
      : volume_(std::move(volume)),
        inode_(std::move(inode)),
        path_(std::move(path)),
        clock_(clock) {}

  uint64_t size() const override { return good_end_.value_or(inode_->data().size()); }
  int native_handle() const override { return -1; }

  Result<size_t> read_at(uint64_t position, MutableBytes into) const override {
    if (int error = volume_->read_fault(path_)) {
      return fail(Error::io(error, "cannot read " + path_));
    }
    Bytes data(inode_->data());
    if (position >= data.size()) return 0;
    Bytes found = data.subspan(position, std::min<uint64_t>(into.size(), data.size() - position));
    std::copy(found.begin(), found.end(), into.begin());
    return found.size();
  }

  Result<void> append(std::span<const Bytes> pieces) override {
    if (auto usable = refuse_if_failed(); !usable) return usable;
    std::vector<uint8_t> all;
    for (Bytes piece : pieces) all.insert(all.end(), piece.begin(), piece.end());
    volume_->schedule().note(all.size());
    cut_leftover();
    int error = volume_->append_fault(path_);
    if (error == 0 && !volume_->has_room(size(), size() + all.size())) error = ENOSPC;
    if (error == 0) {
      change(inode_->data().size(), all);
      return {};
    }
    const uint64_t end = size();
    all.resize(volume_->schedule().random().below(all.size() + 1));  // some of it was written
    change(end, all);
    if (!io::lacks_room(Error::io(error, ""))) return failed(error, "append to");
    good_end_ = end;
    // A full disk may not even let the file be cut at once.
    if (volume_->schedule().random().below(2) == 0) cut_leftover();
    return fail(Error::io(error, "cannot append to " + path_));
  }

  Result<void> write_at(uint64_t position, Bytes bytes) override {
    if (auto usable = refuse_if_failed(); !usable) return usable;
    int error = volume_->append_fault(path_);
    if (error == 0 && !volume_->has_room(size(), position + bytes.size())) error = ENOSPC;
    if (error != 0 && io::lacks_room(Error::io(error, ""))) {
      return fail(Error::io(error, "cannot write to " + path_));
    }
    if (error != 0) return failed(error, "write to");
    change(position, bytes);
    return {};
  }

  Result<void> truncate(uint64_t size) override {
    if (auto usable = refuse_if_failed(); !usable) return usable;
    if (int error = volume_->append_fault(path_)) {
      if (io::lacks_room(Error::io(error, ""))) {
        return fail(Error::io(error, "cannot truncate " + path_));
      }
      return failed(error, "truncate");
    }
    good_end_.reset();
    inode_->truncate(size);
    inode_->modified_ms = clock_.wall_ms();
    return {};
  }

  io::Task<Result<void>> sync() override {
    auto self = shared_from_this();
    uint64_t changes = inode_->changes();
    Duration latency = self->volume_->schedule().random().between(self->volume_->sync_latency_min,
                                                                  self->volume_->sync_latency_max);
    co_await io::sleep(*io::Loop::current(), latency);
    auto done = self->finish_sync(changes);
    co_return done;
  }

  Result<void> sync_now() override {
    volume_->sync_holds_caller();
    return finish_sync(inode_->changes());
  }

 private:
  void change(uint64_t position, Bytes bytes) {
    if (!bytes.empty()) inode_->write(position, bytes);
    inode_->modified_ms = clock_.wall_ms();
  }
  void cut_leftover() {
    if (good_end_) inode_->truncate(*good_end_);
    good_end_.reset();
  }
  Result<void> finish_sync(uint64_t changes) {
    if (auto usable = refuse_if_failed(); !usable) return usable;
    if (int error = volume_->sync_fault(path_)) return failed(error, "sync");
    volume_->schedule().note(changes);
    if (!volume_->sync_lies_now(path_)) inode_->make_durable(changes);
    return {};
  }
  Result<void> failed(int error, const char* what) {
    failed_ = true;
    return fail(Error::io(error, std::string("cannot ") + what + " " + path_));
  }
  Result<void> refuse_if_failed() const {
    if (!failed_) return {};
    return fail(Error::io(EIO, path_ + " failed before and is not used any more"));
  }

  std::shared_ptr<Volume> volume_;
  std::shared_ptr<Inode> inode_;
  const std::string path_;
  io::Loop& clock_;
  bool failed_ = false;
  std::optional<uint64_t> good_end_;  // while beyond it lies what was left of a refused append
};

}  // namespace

Result<std::shared_ptr<io::File>> SimDisk::open(const std::string& raw, Open how) {
  const std::string path = normal(raw);
  if (int error = volume_->open_fault(path)) return fail(Error::io(error, "cannot open " + raw));
  if (volume_->is_folder(path)) return fail(Error::io(EISDIR, "cannot open " + raw));
  auto inode = volume_->find(path);
  if (!inode && how == Open::existing) return fail(Error::io(ENOENT, "cannot open " + raw));
  if (!inode) {
    auto created = volume_->create(path);
    if (!created) return fail(created.error());
    inode = *created;
    inode->modified_ms = clock_.wall_ms();
  }
  return std::make_shared<SimFile>(volume_, std::move(inode), path, clock_);
}

bool SimDisk::exists(const std::string& path) const {
  return !volume_->look_fails(normal(path)) && volume_->exists(normal(path));
}

Result<std::vector<std::string>> SimDisk::list(const std::string& folder) const {
  const std::string path = normal(folder);
  if (int error = volume_->names_fault(path)) {
    return fail(Error::io(error, "cannot list " + folder));
  }
  if (!volume_->is_folder(path)) return fail(Error::io(ENOENT, "cannot list " + folder));
  return volume_->list(path);
}

Result<void> SimDisk::make_folders(const std::string& path) {
  if (int error = volume_->names_fault(normal(path))) {
    return fail(Error::io(error, "cannot create folder " + path));
  }
  return volume_->make_folder(normal(path));
}

Result<void> SimDisk::rename(const std::string& from, const std::string& to) {
  if (int error = volume_->names_fault(normal(from))) {
    return fail(Error::io(error, "cannot rename " + from + " to " + to));
  }
  return volume_->rename(normal(from), normal(to));
}

Result<void> SimDisk::remove(const std::string& path) {
  if (int error = volume_->names_fault(normal(path))) {
    return fail(Error::io(error, "cannot remove " + path));
  }
  return volume_->remove(normal(path));
}

Result<void> SimDisk::remove_folder(const std::string& path) {
  if (int error = volume_->names_fault(normal(path))) {
    return fail(Error::io(error, "cannot remove folder " + path));
  }
  volume_->remove_folder(normal(path));
  return {};
}

Result<void> SimDisk::sync_folder(const std::string& folder) {
  const std::string path = normal(folder);
  volume_->sync_holds_caller();
  if (!volume_->is_folder(path)) return fail(Error::io(ENOENT, "cannot open folder " + folder));
  if (int error = volume_->sync_fault(path)) {
    return fail(Error::io(error, "cannot sync folder " + folder));
  }
  volume_->sync_folder(path);
  return {};
}

Result<std::shared_ptr<void>> SimDisk::lock(const std::string& raw) {
  const std::string path = normal(raw);
  if (int error = volume_->open_fault(path)) return fail(Error::io(error, "cannot open " + raw));
  if (!volume_->find(path)) {
    if (auto created = volume_->create(path); !created) return fail(created.error());
  }
  if (!volume_->lock(path)) {
    return fail(raw + " is held by another running process; stop it, or use another folder");
  }
  return std::shared_ptr<void>(nullptr, [volume = volume_, path](void*) { volume->unlock(path); });
}

Result<int64_t> SimDisk::modified_ms(const std::string& path) const {
  auto inode = volume_->find(normal(path));
  if (!inode) return fail(Error::io(ENOENT, "cannot look at " + path));
  return inode->modified_ms;
}

// Done at once, some time later: a crash in between finds it not begun.
io::Task<Result<void>> SimDisk::aside(Work work) {
  const Duration latency =
      volume_->schedule().random().between(volume_->sync_latency_min, volume_->sync_latency_max);
  co_await io::sleep(*io::Loop::current(), latency);
  volume_->is_aside = true;
  auto done = work();
  volume_->is_aside = false;
  co_return done;
}

Result<io::DiskSpace> SimDisk::space(const std::string&) const {
  const uint64_t capacity = volume_->capacity;
  if (capacity == UINT64_MAX) return io::DiskSpace{capacity, capacity};
  return io::DiskSpace{capacity - std::min(volume_->used(), capacity), capacity};
}

}  // namespace isthmus::sim
