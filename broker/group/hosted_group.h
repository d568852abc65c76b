// The parts of the coordinator: a group with all that belongs to it, a request that waits for its
// group, and a count of what is under way. All on the coordinator's loop.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "broker/group/group.h"
#include "broker/group/offsets.h"
#include "io/event.h"

namespace isthmus::broker {

// How many of something are under way, and a way to wait until none is.
class InFlight {
 public:
  explicit InFlight(io::Loop& loop) : none_(loop) {}

  class Hold {
   public:
    explicit Hold(InFlight& count) : count_(count) { ++count_.running_; }
    ~Hold() {
      if (--count_.running_ == 0) count_.none_.notify_all();
    }
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;

   private:
    InFlight& count_;
  };

  size_t running() const { return running_; }
  io::Task<void> ended() {
    while (running_ > 0) co_await none_.wait();
  }

 private:
  size_t running_ = 0;
  io::Event none_;
};

// Shared by the coordinator and by the requests that are under way for it.
struct HostedGroup {
  HostedGroup(Group g, PartitionIndex p, io::Loop& loop)
      : group(std::move(g)), partition(p), appends(loop) {}

  Group group;
  PartitionIndex partition;  // of __consumer_offsets
  Offsets offsets;
  std::optional<std::string> link;       // that owns it
  std::optional<std::string> wanted_by;  // a link that cannot take it: it has a life of its own
  std::optional<MovedGroup> moved;       // the members that its link has brought
  bool releasing = false;                // its ownership is about to end
  bool removing = false;                 // its tombstones are being written
  bool dropped = false;                  // not served here any more
  size_t bytes = 0;                      // of the coordinator's total
  InFlight appends;                      // to the journal, of its offsets
  io::Loop::TimerId timer = 0;
  io::Instant timer_at;
};
using HostedGroupPtr = std::shared_ptr<HostedGroup>;

// A join or sync that waits: lives in the frame of its coroutine, and in a map by which the
// coordinator finds it when the group answers.
template <typename Response>
class Waiting {
 public:
  using Map = std::map<RequestId, Waiting*>;

  Waiting(io::Loop& loop, Map& map, RequestId id) : arrived_(loop), map_(map), id_(id) {
    map_.emplace(id, this);
  }
  ~Waiting() { map_.erase(id_); }
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;

  RequestId id() const { return id_; }
  io::Task<Response> response() {
    while (!response_) co_await arrived_.wait();
    co_return std::move(*response_);
  }
  static void answer(Map& map, RequestId id, Response response) {
    const auto it = map.find(id);
    if (it == map.end()) return;
    it->second->response_ = std::move(response);
    it->second->arrived_.notify_all();
  }

 private:
  std::optional<Response> response_;
  io::Event arrived_;
  Map& map_;
  RequestId id_;
};

}  // namespace isthmus::broker
