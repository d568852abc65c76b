#include "server/quota.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "io/stream.h"

namespace isthmus::server {

namespace {

using kafka::QuotaEntity;
namespace quota = kafka::quota;

// A sweep looks at all buckets, with the mutex held.
constexpr auto sweep_interval = std::chrono::seconds(1);
constexpr size_t few_buckets = 1000;

std::string_view key_of(QuotaKind kind) {
  switch (kind) {
    case QuotaKind::produce: return quota::producer_byte_rate;
    case QuotaKind::fetch: return quota::consumer_byte_rate;
    case QuotaKind::request: return quota::request_percentage;
    case QuotaKind::connection: return quota::connection_creation_rate;
  }
  std::abort();
}

// Time is used in seconds, and limited in percent of one thread.
double per_second(QuotaKind kind, double value) {
  return kind == QuotaKind::request ? value / 100 : value;
}

// The time in which `amount` is granted; no more than matters.
io::Duration time_of(double amount, double rate) {
  constexpr double most = 3 * std::chrono::duration<double>(QuotaBucket::window).count();
  const std::chrono::duration<double> seconds(std::clamp(amount / rate, -most, most));
  return std::chrono::duration_cast<io::Duration>(seconds);
}

const double* value_in(const kafka::QuotaTable& table, const QuotaEntity& entity, QuotaKind kind) {
  const auto values = table.find(entity);
  if (values == table.end()) return nullptr;
  const auto value = values->second.find(key_of(kind));
  return value == values->second.end() ? nullptr : &value->second;
}

}  // namespace

std::string_view name_of(QuotaKind kind) {
  switch (kind) {
    case QuotaKind::produce: return "produce";
    case QuotaKind::fetch: return "fetch";
    case QuotaKind::request: return "request";
    case QuotaKind::connection: return "connection";
  }
  std::abort();
}

io::Duration longest_throttle(QuotaKind kind) {
  const bool is_bytes = kind == QuotaKind::produce || kind == QuotaKind::fetch;
  return is_bytes ? QuotaBucket::window : io::Duration(std::chrono::seconds(1));
}

QuotaBucket::QuotaBucket(double rate, const QuotaBucket& before, io::Instant now) : rate_(rate) {
  const io::Duration owed = std::max(before.owed(now), -window);
  const double used = std::chrono::duration<double>(owed).count() * before.rate_;
  even_at_ = now + std::clamp(time_of(used, rate), -window, window);
}

io::Duration QuotaBucket::charge(double amount, io::Instant now) {
  const io::Duration cost = time_of(amount, rate_);
  io::Instant before = even_at_.load(std::memory_order_relaxed);
  io::Instant after;
  do {
    after = std::min(std::max(before, now - window) + cost, now + window);
  } while (!even_at_.compare_exchange_weak(before, after, std::memory_order_relaxed));
  return after - now;
}

io::Duration QuotaBucket::owed(io::Instant now) const {
  return std::max(even_at_.load(std::memory_order_relaxed), now - window) - now;
}

void Quotas::set(const kafka::QuotaTable& table) {
  const std::lock_guard lock(mutex_);
  table_.clear();
  bool limits_ips = false;
  for (const auto& [as_set, values] : table) {
    QuotaEntity entity = as_set;
    if (entity.ip) {
      limits_ips = true;
      if (auto canonical = io::canonical_ip(*entity.ip)) entity.ip = std::move(*canonical);
    }
    table_[std::move(entity)] = values;
  }
  limits_ips_.store(limits_ips, std::memory_order_release);
  version_.fetch_add(1, std::memory_order_release);
}

// user and client id, user and any client id, user; the same of any user; client id, any client id.
const double* Quotas::rate_of(QuotaKind kind, const std::string& user, const std::string& client_id,
                              QuotaEntity& entity) const {
  const std::string of_default;
  for (const std::string* u : {&user, &of_default, static_cast<const std::string*>(nullptr)}) {
    for (const std::string* c :
         {&client_id, &of_default, static_cast<const std::string*>(nullptr)}) {
      QuotaEntity level;
      if (u != nullptr) level.user = *u;
      if (c != nullptr) level.client_id = *c;
      const double* rate = value_in(table_, level, kind);
      if (rate == nullptr) continue;
      // Each user, or client id, that a default is about has what the default says.
      if (level.user) entity.user = user;
      if (level.client_id) entity.client_id = client_id;
      return rate;
    }
  }
  return nullptr;
}

Quotas::Buckets Quotas::find(const std::string& user, const std::string& client_id,
                             io::Instant now) {
  const std::lock_guard lock(mutex_);
  Buckets buckets;
  for (size_t i = 0; i < client_quota_kinds; ++i) {
    const auto kind = static_cast<QuotaKind>(i);
    QuotaEntity entity;
    const double* rate = rate_of(kind, user, client_id, entity);
    if (rate == nullptr) continue;
    buckets[i] = bucket_of({kind, std::move(entity)}, per_second(kind, *rate), now);
  }
  return buckets;
}

io::Duration Quotas::admit(const std::string& ip, io::Instant now) {
  if (!limits_ips_.load(std::memory_order_acquire)) return {};
  const std::lock_guard lock(mutex_);
  QuotaEntity entity;
  entity.ip = ip;
  const double* rate = value_in(table_, entity, QuotaKind::connection);
  if (rate == nullptr) {
    QuotaEntity of_default;
    of_default.ip = "";
    rate = value_in(table_, of_default, QuotaKind::connection);
  }
  if (rate == nullptr) return {};
  const auto bucket = bucket_of({QuotaKind::connection, std::move(entity)}, *rate, now);
  const io::Duration owed = bucket->owed(now);
  if (owed > io::Duration::zero()) return std::min(owed, longest_throttle(QuotaKind::connection));
  bucket->charge(1, now);
  return {};
}

std::shared_ptr<QuotaBucket> Quotas::bucket_of(Key key, double rate, io::Instant now) {
  const auto known = buckets_.find(key);
  if (known != buckets_.end()) {
    if (known->second->rate() != rate) {
      known->second = std::make_shared<QuotaBucket>(rate, *known->second, now);
    }
    return known->second;
  }
  if (buckets_.size() >= sweep_at_ && now >= next_sweep_) forget_full(now);
  auto bucket = std::make_shared<QuotaBucket>(rate);
  if (buckets_.size() < max_buckets) buckets_.emplace(std::move(key), bucket);
  return bucket;
}

// A full bucket that nobody holds is as good as none.
void Quotas::forget_full(io::Instant now) {
  std::erase_if(buckets_, [now](const auto& entry) {
    return entry.second.use_count() == 1 && entry.second->is_full(now);
  });
  next_sweep_ = now + sweep_interval;
  sweep_at_ = std::clamp<size_t>(2 * buckets_.size(), few_buckets, max_buckets);
}

size_t Quotas::remembered() const {
  const std::lock_guard lock(mutex_);
  return buckets_.size();
}

}  // namespace isthmus::server
