#include "broker/log/index.h"

namespace isthmus::broker {

template <typename Entry>
Result<void> Index<Entry>::load() {
  tail_.clear();
  in_file_ = 0;
  auto file = files_->open(path_);
  if (!file) return fail(file.error());
  const uint64_t bytes = (*file)->size();
  if (bytes % Entry::size != 0) {
    return fail(Error::corrupt(path_ + ": " + std::to_string(bytes) +
                               " bytes are not whole index entries"));
  }
  in_file_ = bytes / Entry::size;
  // An unused entry is never below a used one, and never the first of a file that has more.
  uint64_t used = in_file_;
  while (used > 0) {
    auto entry = read(used - 1);
    if (!entry) return fail(entry.error());
    if (!entry->unused()) break;
    --used;
  }
  return used == in_file_ ? Result<void>{} : cut_file(used);
}

template <typename Entry>
Result<void> Index<Entry>::reset() {
  tail_.clear();
  in_file_ = 0;
  auto file = files_->create(path_);
  if (!file) return fail(file.error());
  return (*file)->truncate(0);
}

template <typename Entry>
Result<void> Index<Entry>::append(Entry entry) {
  tail_.push_back(entry);
  return tail_.size() < max_tail ? Result<void>{} : flush();
}

template <typename Entry>
Result<void> Index<Entry>::flush() {
  if (tail_.empty()) return {};
  auto file = files_->open(path_);
  if (!file && io::lacks_room(file.error())) return {};
  if (!file) return fail(file.error());
  std::vector<uint8_t> bytes(tail_.size() * Entry::size);
  for (size_t i = 0; i < tail_.size(); ++i) tail_[i].encode(bytes.data() + i * Entry::size);
  auto done = (*file)->append(bytes);
  if (!done && io::lacks_room(done.error())) return {};
  if (!done) return done;
  in_file_ += tail_.size();
  tail_.clear();
  return {};
}

template <typename Entry>
Result<std::shared_ptr<io::File>> Index<Entry>::flushed_file() {
  if (auto done = flush(); !done) return fail(done.error());
  if (!flushed()) return nullptr;
  auto file = files_->open(path_);
  if (!file && io::lacks_room(file.error())) return nullptr;
  return file;
}

template <typename Entry>
Result<std::optional<Entry>> Index<Entry>::last() const {
  if (!tail_.empty()) return tail_.back();
  if (in_file_ == 0) return std::nullopt;
  auto entry = read(in_file_ - 1);
  if (!entry) return fail(entry.error());
  return *entry;
}

template <typename Entry>
Result<IndexFile<Entry>> Index<Entry>::in_file() const {
  if (in_file_ == 0) return IndexFile<Entry>{};
  auto file = files_->open(path_);
  if (!file) return fail(file.error());
  return IndexFile<Entry>{*file, in_file_};
}

template <typename Entry>
Result<Entry> IndexFile<Entry>::read(uint64_t index) const {
  uint8_t bytes[Entry::size];
  auto n = file->read_at(index * Entry::size, bytes);
  if (!n) return fail(n.error());
  if (*n != Entry::size) return fail(Error::corrupt("an index was cut while it was searched"));
  return Entry::decode(bytes);
}

template <typename Entry>
Result<Entry> Index<Entry>::read(uint64_t index) const {
  auto file = files_->open(path_);
  if (!file) return fail(file.error());
  uint8_t bytes[Entry::size];
  auto n = (*file)->read_at(index * Entry::size, bytes);
  if (!n) return fail(n.error());
  if (*n != Entry::size) return fail(Error::corrupt(path_ + ": shorter than it was when opened"));
  return Entry::decode(bytes);
}

template <typename Entry>
Result<void> Index<Entry>::cut_file(uint64_t entries) {
  auto file = files_->open(path_);
  if (!file) return fail(file.error());
  if (auto done = (*file)->truncate(entries * Entry::size); !done) return done;
  in_file_ = entries;
  return {};
}

template struct IndexFile<OffsetEntry>;
template struct IndexFile<TimeEntry>;
template class Index<OffsetEntry>;
template class Index<TimeEntry>;

}  // namespace isthmus::broker
