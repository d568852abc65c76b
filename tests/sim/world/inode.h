// Inode: the content of one file of a simulated machine, and what of it a power loss may take.
//
// `data` is what processes see (the page cache). Every change since the last sync is remembered
// with what it replaced. A crash leaves one of two things, as the seed says: a beginning of the
// changes, the last of them perhaps torn; or sectors that reached the disk in any order, each as it
// stood after some change or other, and the length of yet another moment.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "base/bytes.h"
#include "tests/sim/world/prng.h"

namespace isthmus::sim {

class Inode {
 public:
  const std::vector<uint8_t>& data() const { return data_; }
  void write(uint64_t position, Bytes bytes);
  void truncate(uint64_t size);

  // All changes made so far; a sync that begins now makes those durable when it ends.
  uint64_t changes() const { return first_change_ + unsynced_.size(); }
  void make_durable(uint64_t changes);
  bool has_unsynced() const { return !unsynced_.empty(); }
  // Up to where a power loss now would leave it as it is.
  uint64_t durable_size() const;

  // What a disk writes whole or not at all.
  static constexpr uint64_t sector = 512;

  // What a power loss leaves.
  void crash(Prng& random);
  void flip_bit(uint64_t position, int bit) {
    if (position < data_.size()) data_[position] ^= static_cast<uint8_t>(1 << bit);
  }

  int64_t modified_ms = 0;

 private:
  // Wrote `length` bytes at `position` over `before` (shorter, if the file ended there), or cut the
  // file there (length 0).
  struct Change {
    uint64_t position;
    uint64_t length;
    uint64_t size_before;
    std::vector<uint8_t> before;
  };
  // A change again, forwards: what it wrote; of a cut nothing.
  struct Redo {
    Change change;
    std::vector<uint8_t> after;
  };
  void keep_beginning(Prng& random);
  void keep_any_sectors(Prng& random);
  void redo(const Redo& again, uint64_t from, uint64_t to);
  void undo(const Change& change);
  void tear(const Change& change, Prng& random);

  std::vector<uint8_t> data_;
  std::deque<Change> unsynced_;
  uint64_t first_change_ = 0;  // the number of unsynced_[0]
};

}  // namespace isthmus::sim
