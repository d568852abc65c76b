#include "process/metrics.h"

#include <prometheus/text_serializer.h>

#include <algorithm>
#include <sstream>
#include <variant>

#include "base/check.h"
#include "base/printable.h"

namespace isthmus::process {

using Cell = std::variant<std::weak_ptr<Counter>, std::weak_ptr<Gauge>, std::weak_ptr<Histogram>>;

struct Metrics::Family {
  std::string help;
  std::map<Labels, Cell> series;
};

Histogram::Histogram(std::vector<double> bounds)
    : bounds_(std::move(bounds)), counts_(bounds_.size() + 1) {
  CHECK(std::ranges::is_sorted(bounds_), "the bounds of a histogram rise");
}

void Histogram::observe(double value) {
  const auto bucket = std::ranges::lower_bound(bounds_, value) - bounds_.begin();
  counts_[static_cast<size_t>(bucket)].add();
  sum_.add(value);
}

Metrics::Metrics() = default;
Metrics::~Metrics() = default;

void Metrics::forget_dead_series() {
  series_ = 0;
  for (auto& [name, family] : families_) {
    std::erase_if(family.series, [](const auto& entry) {
      return std::visit([](const auto& cell) { return cell.expired(); }, entry.second);
    });
    series_ += family.series.size();
  }
}

template <typename T>
std::shared_ptr<T> Metrics::find_or_make(const std::string& name, const std::string& help,
                                         Labels labels, auto make) {
  for (auto& [label, value] : labels) value = printable(value);
  std::lock_guard lock(mutex_);
  Family& family = families_[name];
  if (family.help.empty()) family.help = help;
  if (auto found = family.series.find(labels); found != family.series.end()) {
    auto* weak = std::get_if<std::weak_ptr<T>>(&found->second);
    CHECK(weak != nullptr, "a metric is of one kind");
    if (std::shared_ptr<T> cell = weak->lock()) return cell;
    std::shared_ptr<T> cell = make();
    *weak = cell;
    return cell;
  }
  std::shared_ptr<T> cell = make();
  if (series_ >= max_series) forget_dead_series();
  if (series_ >= max_series) {
    ++dropped_;
    return cell;
  }
  family.series.emplace(labels, std::weak_ptr<T>(cell));
  ++series_;
  return cell;
}

std::shared_ptr<Counter> Metrics::counter(const std::string& name, const std::string& help,
                                          const Labels& labels) {
  return find_or_make<Counter>(name, help, labels, [] { return std::make_shared<Counter>(); });
}

std::shared_ptr<Gauge> Metrics::gauge(const std::string& name, const std::string& help,
                                      const Labels& labels) {
  return find_or_make<Gauge>(name, help, labels, [] { return std::make_shared<Gauge>(); });
}

std::shared_ptr<Histogram> Metrics::histogram(const std::string& name, const std::string& help,
                                              const Labels& labels, std::vector<double> bounds) {
  if (bounds.empty())
    bounds = {1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025,
              0.05, 0.1,    0.25, 0.5,  1,      2.5,  5,    10};
  return find_or_make<Histogram>(name, help, labels,
                                 [&] { return std::make_shared<Histogram>(std::move(bounds)); });
}

namespace {

void fill(prometheus::MetricFamily& family, prometheus::ClientMetric& out, const Counter& cell) {
  family.type = prometheus::MetricType::Counter;
  out.counter.value = static_cast<double>(cell.value());
}

void fill(prometheus::MetricFamily& family, prometheus::ClientMetric& out, const Gauge& cell) {
  family.type = prometheus::MetricType::Gauge;
  out.gauge.value = cell.value();
}

void fill(prometheus::MetricFamily& family, prometheus::ClientMetric& out, const Histogram& cell) {
  family.type = prometheus::MetricType::Histogram;
  uint64_t below = 0;
  for (size_t i = 0; i < cell.bounds().size(); ++i) {
    below += cell.count_in(i);
    out.histogram.bucket.push_back({below, cell.bounds()[i]});
  }
  below += cell.count_in(cell.bounds().size());
  out.histogram.bucket.push_back({below, std::numeric_limits<double>::infinity()});
  out.histogram.sample_count = below;
  out.histogram.sample_sum = cell.sum();
}

}  // namespace

std::string Metrics::render() const {
  std::vector<prometheus::MetricFamily> families;
  {
    std::lock_guard lock(mutex_);
    for (const auto& [name, family] : families_) {
      prometheus::MetricFamily out{.name = name, .help = family.help, .type = {}, .metric = {}};
      for (const auto& [labels, weak] : family.series) {
        prometheus::ClientMetric metric;
        for (const auto& [label, value] : labels) metric.label.push_back({label, value});
        const bool alive = std::visit(
            [&](const auto& pointer) {
              auto cell = pointer.lock();
              if (cell) fill(out, metric, *cell);
              return cell != nullptr;
            },
            weak);
        if (alive) out.metric.push_back(std::move(metric));
      }
      if (!out.metric.empty()) families.push_back(std::move(out));
    }
    prometheus::ClientMetric dropped;
    dropped.gauge.value = static_cast<double>(dropped_);
    families.push_back({.name = "isthmus_metrics_dropped",
                        .help = "Series that are not exported because there are too many.",
                        .type = prometheus::MetricType::Gauge,
                        .metric = {dropped}});
  }
  std::ostringstream text;
  prometheus::TextSerializer().Serialize(text, families);
  return std::move(text).str();
}

}  // namespace isthmus::process
