// Metrics: the numbers that a process exports at /metrics, in Prometheus' text format.
//
// A cell is a few atomics: any thread changes it without a lock, so cells may sit on the request
// path. Making one takes a lock: do it when the thing that it counts begins (a listener, a
// partition, a link), and keep the pointer; when the last pointer goes, the series goes. Asking
// again for the same name and labels gives the same cell.
//
// Names are isthmus_<what>_<unit>, in Prometheus' base units (seconds, bytes); counters end in
// _total. At most max_series cells are exported; what is made beyond counts for its owner only, and
// isthmus_metrics_dropped says how many those are.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace isthmus::process {

class Counter {
 public:
  void add(uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

class Gauge {
 public:
  void set(double value) { value_.store(value, std::memory_order_relaxed); }
  void add(double n) { value_.fetch_add(n, std::memory_order_relaxed); }
  double value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_{0};
};

class Histogram {
 public:
  // Upper bounds, rising; one more bucket takes what is above the last.
  explicit Histogram(std::vector<double> bounds);
  void observe(double value);

  const std::vector<double>& bounds() const { return bounds_; }
  uint64_t count_in(size_t bucket) const { return counts_[bucket].value(); }
  double sum() const { return sum_.value(); }

 private:
  std::vector<double> bounds_;
  std::vector<Counter> counts_;
  Gauge sum_;
};

class Metrics {
 public:
  using Labels = std::vector<std::pair<std::string, std::string>>;
  static constexpr size_t max_series = 20'000;

  Metrics();
  ~Metrics();

  // REQUIRES: one name is always asked for as the same kind, with the same label names.
  std::shared_ptr<Counter> counter(const std::string& name, const std::string& help,
                                   const Labels& labels = {});
  std::shared_ptr<Gauge> gauge(const std::string& name, const std::string& help,
                               const Labels& labels = {});
  // Without bounds: from 0.1 ms to 10 s, for times in seconds.
  std::shared_ptr<Histogram> histogram(const std::string& name, const std::string& help,
                                       const Labels& labels = {}, std::vector<double> bounds = {});

  // The text of /metrics. Any thread.
  std::string render() const;

 private:
  struct Family;
  template <typename Cell>
  std::shared_ptr<Cell> find_or_make(const std::string& name, const std::string& help,
                                     Labels labels, auto make);
  void forget_dead_series();

  mutable std::mutex mutex_;
  std::map<std::string, Family> families_;
  size_t series_ = 0;
  size_t dropped_ = 0;
};

}  // namespace isthmus::process
