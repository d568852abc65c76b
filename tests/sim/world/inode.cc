#include "tests/sim/world/inode.h"

#include <algorithm>

namespace isthmus::sim {

void Inode::write(uint64_t position, Bytes bytes) {
  uint64_t size = data_.size();
  uint64_t kept_from = std::min(position, size);
  uint64_t kept_to = std::min<uint64_t>(position + bytes.size(), size);
  unsynced_.push_back({kept_from,
                       position + bytes.size() - kept_from,
                       size,
                       {data_.begin() + static_cast<ptrdiff_t>(kept_from),
                        data_.begin() + static_cast<ptrdiff_t>(kept_to)}});
  data_.resize(std::max<uint64_t>(size, position + bytes.size()));
  std::copy(bytes.begin(), bytes.end(), data_.begin() + static_cast<ptrdiff_t>(position));
}

void Inode::truncate(uint64_t size) {
  uint64_t at = std::min<uint64_t>(size, data_.size());
  unsynced_.push_back(
      {at, 0, data_.size(), {data_.begin() + static_cast<ptrdiff_t>(at), data_.end()}});
  data_.resize(size);
}

void Inode::make_durable(uint64_t changes) {
  for (; first_change_ < changes && !unsynced_.empty(); ++first_change_) unsynced_.pop_front();
}

void Inode::crash(Prng& random) {
  // All, nothing, or a prefix: the first two are what machines mostly do.
  uint64_t kept = unsynced_.size();
  if (random.below(3) != 0) kept = random.below(unsynced_.size() + 1);
  if (random.below(3) == 0) kept = 0;
  while (unsynced_.size() > kept) {
    bool first_lost = unsynced_.size() == kept + 1;
    if (first_lost && random.below(2) == 0) {
      tear(unsynced_.back(), random);
    } else {
      undo(unsynced_.back());
    }
    unsynced_.pop_back();
  }
  make_durable(changes());
}

void Inode::undo(const Change& change) {
  data_.resize(change.size_before);
  std::copy(change.before.begin(), change.before.end(),
            data_.begin() + static_cast<ptrdiff_t>(change.position));
}

void Inode::tear(const Change& change, Prng& random) {
  uint64_t written = change.length == 0 ? 0 : random.below(change.length);
  Bytes all(data_);
  if (all.size() < change.position + written) return undo(change);
  Bytes done = all.subspan(change.position, written);
  std::vector<uint8_t> prefix(done.begin(), done.end());
  undo(change);
  uint64_t end = change.position + written;
  // The new length may have reached the disk before the bytes did: then zeros stand there.
  bool zeros = change.length > 0 && random.below(4) == 0;
  uint64_t size = zeros ? change.position + change.length : end;
  if (data_.size() < size) data_.resize(size);
  std::copy(prefix.begin(), prefix.end(), data_.begin() + static_cast<ptrdiff_t>(change.position));
}

}  // namespace isthmus::sim
