#include "server/throttle.h"

#include <algorithm>

namespace isthmus::server {

void Throttle::follow(const std::string& user, const std::string& client_id) {
  const uint64_t version = quotas_.version();
  if (version == 0) return;
  if (version == version_ && user == user_ && client_id == client_id_) return;
  version_ = version;
  user_ = user;
  client_id_ = client_id;
  buckets_ = quotas_.find(user, client_id, loop_.now());
}

void Throttle::use(QuotaKind kind, double amount) {
  QuotaBucket* bucket = bucket_of(kind);
  if (bucket == nullptr) return;
  const io::Instant now = loop_.now();
  mute(kind, bucket->charge(amount, now), now);
}

bool Throttle::refuses(QuotaKind kind) {
  const QuotaBucket* bucket = bucket_of(kind);
  if (bucket == nullptr) return false;
  const io::Instant now = loop_.now();
  const io::Duration owed = bucket->owed(now);
  mute(kind, owed, now);
  return owed > io::Duration::zero();
}

uint64_t Throttle::most_at_once(QuotaKind kind) const {
  const QuotaBucket* bucket = bucket_of(kind);
  constexpr auto most = std::numeric_limits<int64_t>::max();
  if (bucket == nullptr || bucket->rate() >= static_cast<double>(most)) return most;
  return static_cast<uint64_t>(std::max(1.0, bucket->rate()));
}

void Throttle::begin_work() {
  if (!limits_work()) return;
  working_ = true;
  work_began_ = loop_.now();
}

void Throttle::end_work() {
  if (!working_) return;
  working_ = false;
  use(QuotaKind::request, std::chrono::duration<double>(loop_.now() - work_began_).count());
}

int32_t Throttle::throttle_time_ms() {
  if (working_) {  // the answer says what its own request has used
    end_work();
    begin_work();
  }
  if (!is_muted()) return 0;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(muted_until_ - loop_.now());
  return static_cast<int32_t>(std::max<int64_t>(0, left.count()));
}

bool Throttle::still_muted() {
  muted_ = loop_.now() < muted_until_;
  return muted_;
}

void Throttle::mute(QuotaKind kind, io::Duration owed, io::Instant now) {
  if (owed <= io::Duration::zero()) return;
  const io::Instant until = now + std::min(owed, longest_throttle(kind));
  const bool again = is_muted();
  const io::Instant before = again ? muted_until_ : now;
  if (until <= before) return;
  stats_.throttled(kind, until - before, again);
  muted_ = true;
  muted_until_ = until;
}

}  // namespace isthmus::server
