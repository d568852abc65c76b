// AllowedStart: how late the log of a partition may begin, from what the run itself has asked for.
//
// A site's word about where its log begins proves nothing: a head that was lost would look like one
// that was deleted. So every DeleteRecords is told here before it is sent, and so is the retention
// in force. What retention explains is a bound, not the exact offset: it counts bytes that were
// never acknowledged, and goes by the site's calendar, which jumps.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "base/ids.h"
#include "tests/sim/judge.h"

namespace isthmus::sim {

// -1: nothing goes by itself.
struct Retention {
  int64_t bytes = -1;
  int64_t ms = -1;
};

class AllowedStart {
 public:
  explicit AllowedStart(Judge& judge) : judge_(judge) {}

  // `clock` is the calendar by which producers stamp their records.
  void retains(Retention retention, std::function<int64_t()> clock);
  // A site's calendar is, or was, so far ahead of the producers'.
  void calendar_ahead(int64_t ms);
  // From now on the log may begin there, at every site.
  void deletion_asked(const TopicPartition& partition, Offset before);
  void promised(const TopicPartition& partition, Offset offset, int64_t made_ms);

  // Reports a log that begins too late. `bytes`: what is left of it, if that is known.
  void check(const std::string& where, const TopicPartition& partition, Offset start,
             std::optional<size_t> bytes);

 private:
  struct Known {
    Offset deleted_to = 0;
    std::map<Offset, int64_t> made_ms;  // of what was promised
  };
  bool is_too_much(std::optional<size_t> bytes) const;
  bool is_old(const Known& known, Offset start) const;

  Judge& judge_;
  Retention retention_;
  std::function<int64_t()> clock_;
  int64_t ahead_ms_ = 0;
  std::map<TopicPartition, Known> known_;
};

}  // namespace isthmus::sim
