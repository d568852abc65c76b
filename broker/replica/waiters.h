// Waiters: who waits for a partition's high watermark.
//
// AckQueue: producers with acks=all. Appends come in offset order, so a moving watermark wakes a
// prefix of the queue and touches nobody else. FetchWait: a long poll over many partitions, perhaps
// of several loops; any of them wakes it, once, and is named: who goes on waiting for the others
// need not look at them (broker/handlers/fetch_session.h).
#pragma once

#include <coroutine>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "io/event.h"
#include "io/loop.h"

namespace isthmus::broker {

class AckQueue {
 public:
  explicit AckQueue(io::Loop& loop) : loop_(loop) {}
  ~AckQueue();

  // Wakes all who wait for an end of at most `high_watermark`.
  void advance(Offset high_watermark);
  // Wakes everybody; they find out why by looking at the partition.
  void wake_all();

  enum class Outcome : uint8_t { woken, expired };
  class Wait {
   public:
    Wait(AckQueue& queue, Offset end, io::Instant deadline)
        : queue_(queue), end_(end), deadline_(deadline) {}
    ~Wait();
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> awaiting);
    Outcome await_resume() const noexcept { return outcome_; }

   private:
    friend class AckQueue;
    AckQueue& queue_;
    Offset end_;
    io::Instant deadline_;
    std::coroutine_handle<> awaiting_;
    std::shared_ptr<bool> alive_;
    Outcome outcome_ = Outcome::woken;
    io::Loop::TimerId timer_ = 0;
    bool queued_ = false;
  };
  // Waits until the watermark has reached `end`.
  Wait wait(Offset end, io::Instant deadline) { return {*this, end, deadline}; }

 private:
  void wake(Wait* wait);

  io::Loop& loop_;
  std::deque<Wait*> queue_;  // by end offset; nullptr where a wait has expired
};

// Shared between a Fetch (on its connection's loop) and the partitions that it waits for.
class FetchWait {
 public:
  // A partition, by its topic's id.
  using From = std::pair<Uuid, PartitionIndex>;

  explicit FetchWait(io::Loop& loop) : loop_(loop), event_(loop) {}
  // From any loop. `self` keeps the wait alive until its loop has seen the news. `over`: nothing
  // more is to be waited for here.
  static void notify(std::shared_ptr<FetchWait> self, const From& from, bool over = false);
  io::Event& event() { return event_; }
  bool notified() const { return notified_; }
  bool over() const { return over_; }
  // Who has notified it. It waits again then, for those that are told of it anew.
  std::vector<From> take_news();

 private:
  io::Loop& loop_;
  io::Event event_;
  std::vector<From> news_;
  bool notified_ = false;
  bool over_ = false;
};

class FetchWaiters {
 public:
  explicit FetchWaiters(FetchWait::From whose) : whose_(whose) {}
  void add(std::weak_ptr<FetchWait> wait);
  size_t size() const { return waits_.size(); }
  void notify_all() { tell_all(false); }
  void end_all() { tell_all(true); }

 private:
  void tell_all(bool over);

  const FetchWait::From whose_;
  std::vector<std::weak_ptr<FetchWait>> waits_;
};

}  // namespace isthmus::broker
