// Waiting: a join or a sync that waits for its group. It lives in the frame of its coroutine, and
// in a map by which the group finds it when it answers; the map outlives it. On the coordinator's
// loop.
#pragma once

#include <map>
#include <optional>
#include <utility>

#include "broker/group/group_actions.h"
#include "io/event.h"

namespace isthmus::broker {

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
