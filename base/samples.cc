#include "base/samples.h"

#include <algorithm>
#include <array>
#include <sstream>

#include "base/check.h"
#include "base/printable.h"

namespace isthmus {
namespace {

constexpr auto table = std::to_array<const Metric*>({
#define METRIC(id, name, type, together, labels, roles, help) &metric::id,
#include "base/metrics.inc"
#undef METRIC
});

size_t label_count(const Metric& metric) {
  const std::string_view labels = metric.labels;
  if (labels.empty()) return 0;
  return 1 + static_cast<size_t>(std::ranges::count(labels, ' '));
}

// Cut between characters.
std::string label_value(const std::string& text) {
  std::string shown = printable(text);
  if (shown.size() <= Samples::max_label_bytes) return shown;
  size_t end = Samples::max_label_bytes;
  while (end > 0 && (static_cast<uint8_t>(shown[end]) & 0xc0) == 0x80) --end;
  return shown.substr(0, end) + "…";
}

}  // namespace

std::span<const Metric* const> all_metrics() { return table; }

std::vector<std::string> label_names(const Metric& metric) {
  std::istringstream text(metric.labels);
  std::vector<std::string> names;
  for (std::string name; text >> name;) names.push_back(std::move(name));
  return names;
}

Samples::Value& Samples::value_of(const Metric& metric, LabelValues labels, bool& is_new) {
  CHECK(labels.size() == label_count(metric), "a value for each label");
  for (std::string& label : labels) label = label_value(label);
  Series& series = metrics_[&metric];
  auto found = series.find(labels);
  if (found == series.end() && series.size() >= max_series) {
    ++beyond_limit_;
    labels.assign(labels.size(), std::string(other));
    found = series.find(labels);
  }
  is_new = found == series.end();
  return is_new ? series[std::move(labels)] : found->second;
}

void Samples::add(const Metric& metric, double number, LabelValues labels) {
  CHECK(metric.type != MetricType::histogram, "a histogram is added whole");
  bool is_new = false;
  Value& value = value_of(metric, std::move(labels), is_new);
  if (metric.together == Together::sum) {
    value.number += number;
  } else {
    value.number = is_new ? number : std::max(value.number, number);
  }
}

void Samples::add(const Metric& metric, const Histogram& histogram, LabelValues labels) {
  CHECK(metric.type == MetricType::histogram, "only a histogram has buckets");
  bool is_new = false;
  value_of(metric, std::move(labels), is_new).histogram.add(histogram);
}

}  // namespace isthmus
