// Throttle: what quotas say of one connection. Handlers tell it what a request uses, answers say
// its throttle_time_ms, and the connection does not read while it is muted (KIP-219: the answer
// goes out first, and says how long).
//
// Bytes of produce are those of requests, bytes of fetch those of records. Time is measured on the
// connection's loop, from when a request is taken up until it first waits for something, and of its
// reply from there until that waits: reading, checking and encoding, not what other loops, threads
// or the disk do for it.
//
// What has no quota costs an atomic load for each request, and nothing is allocated: buckets are
// looked up when quotas, user or client id have changed, and nullptr stands for most of them. Time
// is taken only where it is limited.
//
// Owned by the connection's context, on its loop.
#pragma once

#include <coroutine>
#include <limits>
#include <string>

#include "io/task.h"
#include "kafka/api.h"
#include "server/quota.h"
#include "server/stats.h"

namespace isthmus::server {

class Throttle final : public kafka::ThrottleSource {
 public:
  // All of them outlive it.
  Throttle(Quotas& quotas, io::Loop& loop, ServerStats& stats)
      : quotas_(quotas), loop_(loop), stats_(stats) {}

  // Before each request: who asks.
  void follow(const std::string& user, const std::string& client_id);

  // So much was used: from here on the client may be muted.
  void use(QuotaKind kind, double amount);
  // Whether it owes something already, and must not be given more; it is then muted.
  bool refuses(QuotaKind kind);
  // What it may be given at once, so that its rate is even: of a second; Kafka's is of ten.
  uint64_t most_at_once(QuotaKind kind) const;

  // Around what is to be counted as work. Between the two nobody else runs on the loop.
  bool limits_work() const { return bucket_of(QuotaKind::request) != nullptr; }
  void begin_work();
  void end_work();

  bool is_muted() { return muted_ && still_muted(); }
  io::Instant muted_until() const { return muted_until_; }
  // What is left of it; a part of a millisecond is one.
  int32_t throttle_time_ms() override;

 private:
  QuotaBucket* bucket_of(QuotaKind kind) const { return buckets_[static_cast<size_t>(kind)].get(); }
  bool still_muted();
  void mute(QuotaKind kind, io::Duration owed, io::Instant now);

  Quotas& quotas_;
  io::Loop& loop_;
  ServerStats& stats_;
  uint64_t version_ = 0;  // of the quotas, when the buckets were looked up
  std::string user_, client_id_;
  Quotas::Buckets buckets_;
  bool working_ = false;
  io::Instant work_began_;
  bool muted_ = false;
  io::Instant muted_until_;
};

// Awaits a task as ever, and counts as work what it does until it first waits.
// REQUIRES: begin_work() was called; the task ends on the loop that it begins on.
template <typename T>
class CountingFirstPart {
 public:
  CountingFirstPart(const io::Task<T>& task, Throttle& throttle)
      : inner_(task.operator co_await()), throttle_(throttle) {}

  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> awaiting) {
    // Not resumed from inside: it would count the work of its awaiter, too, on a stack that grows.
    inner_.handle.resume();
    throttle_.end_work();
    if (inner_.handle.done()) return false;
    inner_.handle.promise().continuation = awaiting;
    return true;
  }
  T await_resume() { return inner_.await_resume(); }

 private:
  typename io::Task<T>::Awaiter inner_;
  Throttle& throttle_;
};

}  // namespace isthmus::server
