// Samples: what a process tells of itself at one moment, in numbers. Whoever counts keeps plain
// integers on his own loop; when somebody asks (process/admin.h), the role copies them into one of
// these, which process/metrics.h turns into Prometheus' text.
//
// Every metric stands in one table, base/metrics.inc: name, type, labels, roles, help.
//
// Values of labels may be names from outside: they are made printable, and of one metric at most
// max_series are kept. What comes beyond is put together in one series, whose labels are all
// "(other)", so that sums stay right. Plain values; any thread.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/histogram.h"

namespace isthmus {

enum class MetricType : uint8_t { counter, gauge, histogram };
// How the values of series that are put together become one.
enum class Together : uint8_t { sum, highest };

struct Metric {
  const char* name;
  MetricType type;
  Together together;
  const char* labels;  // "topic partition", or ""
  const char* roles;   // which export it: "broker mirror router"
  const char* help;
};

namespace metric {
#define METRIC(id, name, type, together, labels, roles, help) \
  inline constexpr Metric id{name, MetricType::type, Together::together, labels, roles, help};
#include "base/metrics.inc"
#undef METRIC
}  // namespace metric

std::span<const Metric* const> all_metrics();
std::vector<std::string> label_names(const Metric& metric);

class Samples {
 public:
  static constexpr size_t max_series = 1000;
  static constexpr size_t max_label_bytes = 250;
  static constexpr std::string_view other = "(other)";

  using LabelValues = std::vector<std::string>;
  struct Value {
    double number = 0;
    Histogram histogram;  // of a histogram
  };
  using Series = std::map<LabelValues, Value>;

  // REQUIRES: a value for each label of the metric, in its order. What is added twice is put
  // together.
  void add(const Metric& metric, double number, LabelValues labels = {});
  void add(const Metric& metric, const Histogram& histogram, LabelValues labels = {});

  // Only metrics that have a series.
  const std::map<const Metric*, Series>& all() const { return metrics_; }
  // How many series came beyond the limit.
  size_t beyond_limit() const { return beyond_limit_; }

 private:
  Value& value_of(const Metric& metric, LabelValues labels, bool& is_new);

  std::map<const Metric*, Series> metrics_;
  size_t beyond_limit_ = 0;
};

}  // namespace isthmus
