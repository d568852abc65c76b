#include "tests/sim/world/inode.h"

#include <algorithm>
#include <map>

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

uint64_t Inode::durable_size() const {
  uint64_t size = data_.size();
  for (const Change& change : unsynced_) size = std::min(size, change.position);
  return size;
}

void Inode::crash(Prng& random) {
  const uint64_t end = changes();
  if (random.below(2) == 0) {
    keep_any_sectors(random);
  } else {
    keep_beginning(random);
  }
  unsynced_.clear();
  first_change_ = end;
}

void Inode::keep_beginning(Prng& random) {
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
}

// Lengths are the journal's, which keeps their order; bytes are not.
void Inode::keep_any_sectors(Prng& random) {
  const uint64_t count = unsynced_.size();
  const uint64_t lengths = random.below(count + 1);
  const uint64_t size = lengths == count ? data_.size() : unsynced_[lengths].size_before;
  std::vector<Redo> again(count);
  for (uint64_t i = count; i-- > 0; unsynced_.pop_back()) {
    again[i].change = std::move(unsynced_.back());
    const Change& change = again[i].change;
    const auto begin = data_.begin() + static_cast<ptrdiff_t>(change.position);
    again[i].after.assign(begin, begin + static_cast<ptrdiff_t>(change.length));
    undo(change);
  }
  std::map<uint64_t, uint64_t> kept;  // by sector: how many of the changes it has seen
  for (uint64_t i = 0; i < count; ++i) {
    const Change& change = again[i].change;
    const bool cut = change.length == 0;
    if (cut && i < lengths) data_.resize(change.position);
    const uint64_t to = cut ? data_.size() : change.position + change.length;
    for (uint64_t at = change.position; at < to;) {
      const uint64_t number = at / sector;
      const auto [known, fresh] = kept.try_emplace(number, 0);
      if (fresh) known->second = random.below(2) == 0 ? count : random.below(count + 1);
      const uint64_t end = std::min(to, (number + 1) * sector);
      if (i < known->second) redo(again[i], at, end);
      at = end;
    }
  }
  data_.resize(size);
}

// Of what the change made of [from, to).
void Inode::redo(const Redo& again, uint64_t from, uint64_t to) {
  if (data_.size() < to) data_.resize(to);
  const auto into = data_.begin() + static_cast<ptrdiff_t>(from);
  if (again.change.length == 0) {
    std::fill(into, data_.begin() + static_cast<ptrdiff_t>(to), 0);
    return;
  }
  const Bytes wrote = Bytes(again.after).subspan(from - again.change.position, to - from);
  std::copy(wrote.begin(), wrote.end(), into);
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
