// Quotas: what users, client ids and addresses may use of a process (KIP-13, 55, 124, 546, 612),
// and what each of them has used.
//
// Measured by token buckets and not by Kafka's eleven samples of a second. Both let through the
// same in the long run, begin to hold back at the same point (quota × 10 s, saved up) and name the
// same time for what is beyond it; but the samples of a burst leave Kafka's window at once, so that
// a client which is held back stands still and runs in turns of ten seconds, while a bucket fills
// evenly. And a bucket is one number: the moment at which its entity will be even. The connections
// of one entity live on several loops and share its bucket by a compare-and-exchange, so the
// measure is exact and nobody waits; who has no quota has no bucket.
//
// The mutex is taken when a connection looks for its buckets: at its first request, when its user
// or client id changes, and when quotas are changed; and for each connection where addresses have
// quotas. Never on the path of a request. One per process, owned by its role; any thread.
#pragma once

#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "io/loop.h"
#include "kafka/quota_entity.h"

namespace isthmus::server {

// `connection` is an address's, the others are a user's and client id's.
enum class QuotaKind : uint8_t { produce, fetch, request, connection };
inline constexpr size_t client_quota_kinds = 3;
inline constexpr size_t quota_kinds = 4;
// As a metric's label says it.
std::string_view name_of(QuotaKind kind);
// The longest that a client is held back at once. Kafka's bounds for time and connections; it has
// none for bytes, so that there a client may wait until it gives up.
io::Duration longest_throttle(QuotaKind kind);

// What one entity may use of one thing. Any thread.
class QuotaBucket {
 public:
  // What is not used for so long is lost; what is owed beyond it is forgotten. Kafka's window:
  // quota.window.num - 1 whole samples of quota.window.size.seconds.
  static constexpr io::Duration window = std::chrono::seconds(10);

  // A full one. `rate` is per second, and above 0.
  explicit QuotaBucket(double rate) : rate_(rate) {}
  // What was used under another rate stays used.
  QuotaBucket(double rate, const QuotaBucket& before, io::Instant now);

  // How long its entity should wait, now that it has used so much more.
  io::Duration charge(double amount, io::Instant now);
  // How long it should wait; zero or less if it need not.
  io::Duration owed(io::Instant now) const;
  double rate() const { return rate_; }
  // As a new one.
  bool is_full(io::Instant now) const { return owed(now) <= -window; }

 private:
  const double rate_;
  std::atomic<io::Instant> even_at_{io::Instant::min()};
};

class Quotas {
 public:
  // What the clients of one connection are measured by; nullptr: no limit.
  using Buckets = std::array<std::shared_ptr<QuotaBucket>, client_quota_kinds>;
  // Beyond it a connection has buckets of its own, and does not share those of its entity.
  static constexpr size_t max_buckets = 100'000;

  void set(const kafka::QuotaTable& table);
  // Of what was set; 0 while nothing ever was. When it changes, buckets are to be looked up again.
  uint64_t version() const { return version_.load(std::memory_order_acquire); }

  Buckets find(const std::string& user, const std::string& client_id, io::Instant now);
  // One more connection of this address: zero if it is let in. One that is not is not counted.
  io::Duration admit(const std::string& ip, io::Instant now);

  // How many buckets are remembered.
  size_t remembered() const;

 private:
  using Key = std::pair<QuotaKind, kafka::QuotaEntity>;

  std::shared_ptr<QuotaBucket> bucket_of(Key key, double rate, io::Instant now);
  void forget_full(io::Instant now);
  // The rate, and into `entity` whose it is, by Kafka's order of precedence; nullptr: no limit.
  const double* rate_of(QuotaKind kind, const std::string& user, const std::string& client_id,
                        kafka::QuotaEntity& entity) const;

  mutable std::mutex mutex_;
  kafka::QuotaTable table_;
  std::map<Key, std::shared_ptr<QuotaBucket>> buckets_;
  size_t sweep_at_ = 1000;  // when there are so many, and not before next_sweep_
  io::Instant next_sweep_{};
  std::atomic<uint64_t> version_{0};
  std::atomic<bool> limits_ips_{false};
};

}  // namespace isthmus::server
