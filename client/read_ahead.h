// ReadAhead: where the next fetches of one partition begin while those before them are under way.
// Pure.
//
// A long line holds many times what one fetch brings, so several must be under way at once; but
// where one ends is known only when it is here. So each begins where the one before it probably
// ends: as many offsets further as the least of the latest pieces has brought. What overlaps is for
// the taker to leave out; a hole is asked for when it is met:
//
//        wanted
//          ▼
//          [under way   ][held       ]   [under way   ][ ... ]► cursor
//                                     ▲ asked for once it is wanted
//
// Answers arrive in any order, over connections of their own, and are held until it is their turn.
// Owned by a Fetcher, on its loop.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>

#include "io/loop.h"
#include "kafka/gen/fetch.h"

namespace isthmus::client {

// From where to where the whole batches of a fetch reach; nothing if there is none, or no sense in
// it.
struct Extent {
  Offset begin = -1;
  Offset end = -1;
};
std::optional<Extent> extent_of(const Slice& records);

class ReadAhead {
 public:
  using Answer = kafka::FetchResponse::PartitionData;

  // What lies from `wanted` on, where a fetch of at most `full` bytes has just brought `bytes` and
  // `span` offsets, and the log goes on to `end` at the least.
  ReadAhead(Offset wanted, Offset span, uint64_t bytes, uint64_t full, Offset end);

  Offset wanted() const { return wanted_; }
  struct Ask {
    Offset offset = -1;
    uint64_t max_bytes = 0;
  };
  // The next fetch, with `depth` of them under way at most, and one more piece held.
  std::optional<Ask> next(size_t depth);
  // False if it is nothing to go on with: an error, or not what was asked for.
  bool on_answer(Offset asked, Answer answer);
  // What is wanted, if it is here. From then on what follows it is.
  std::optional<Answer> take();
  // All that is known to be there was taken.
  bool over() const { return under_way_.empty() && held_.empty() && wanted_ >= end_; }
  size_t under_way() const { return under_way_.size(); }
  // All that is known to be there was asked for: what is under way is the last of it.
  bool asked_for_all() const { return cursor_ >= end_; }
  // It ends there, however far the log grows meanwhile.
  void finish() { is_last_ = true; }

 private:
  struct Piece {
    Extent extent;
    Answer answer;
  };
  bool is_covered(Offset offset) const;
  uint64_t bytes_to_next_piece() const;
  void learn(Offset span, uint64_t bytes);
  Offset span() const;

  static constexpr size_t spans_kept = 8;

  const uint64_t full_;
  Offset wanted_;
  Offset cursor_;
  Offset end_;
  bool is_last_ = false;
  std::deque<Offset> spans_;  // of the latest full pieces
  double bytes_per_offset_ = 1;
  std::set<Offset> under_way_;    // as asked
  std::map<Offset, Piece> held_;  // by where they were asked for
};

// Depth: how many pieces are to be under way. It begins with what line and delay seem to need, and
// grows while that makes it faster: a connection that has just begun, or whose buffers are small,
// tells little of the line. Pure.
class Depth {
 public:
  // `rate` is what was reached without reading ahead, in bytes a second.
  Depth(size_t begin, size_t most, double rate, io::Instant now);

  size_t get() const { return depth_; }
  void on_piece(uint64_t bytes, io::Instant now);
  // No more than so many from now on, one at the least.
  void shrink_to(size_t pieces);

 private:
  static constexpr double worth_it = 1.1;

  size_t depth_;
  size_t most_;
  double best_;
  bool settled_ = false;
  io::Instant round_began_;
  uint64_t bytes_ = 0;
  size_t pieces_ = 0;
};

}  // namespace isthmus::client
