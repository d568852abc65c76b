#include "process/metrics.h"

#include <fmt/format.h>
#include <prometheus/text_serializer.h>
#include <sys/resource.h>

#include <filesystem>
#include <limits>
#include <sstream>

namespace isthmus::process {
namespace {

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

prometheus::MetricType type_of(const Metric& metric) {
  switch (metric.type) {
    case MetricType::counter: return prometheus::MetricType::Counter;
    case MetricType::gauge: return prometheus::MetricType::Gauge;
    case MetricType::histogram: return prometheus::MetricType::Histogram;
  }
  return prometheus::MetricType::Untyped;
}

std::string_view to_string(MetricType type) {
  switch (type) {
    case MetricType::counter: return "counter";
    case MetricType::gauge: return "gauge";
    case MetricType::histogram: return "histogram";
  }
  return "";
}

void fill(prometheus::ClientMetric& out, const Histogram& histogram) {
  uint64_t below = 0;
  for (size_t i = 0; i < Histogram::buckets; ++i) {
    below += histogram.count_in(i);
    const bool last = i == Histogram::bounds.size();
    out.histogram.bucket.push_back(
        {below, last ? std::numeric_limits<double>::infinity() : Histogram::bounds[i]});
  }
  out.histogram.sample_count = below;
  out.histogram.sample_sum = histogram.sum();
}

prometheus::MetricFamily family_of(const Metric& metric, const Samples::Series& series) {
  prometheus::MetricFamily family{
      .name = metric.name, .help = metric.help, .type = type_of(metric), .metric = {}};
  const std::vector<std::string> names = label_names(metric);
  for (const auto& [values, value] : series) {
    prometheus::ClientMetric out;
    for (size_t i = 0; i < names.size(); ++i) out.label.push_back({names[i], values[i]});
    switch (metric.type) {
      case MetricType::counter: out.counter.value = value.number; break;
      case MetricType::gauge: out.gauge.value = value.number; break;
      case MetricType::histogram: fill(out, value.histogram); break;
    }
    family.metric.push_back(std::move(out));
  }
  return family;
}

}  // namespace

void add_turns(Samples& samples, const io::TurnWatch& turns) {
  samples.add(metric::loop_turn_seconds, turns.turns());
  for (const auto& [what, count] : turns.stalls()) {
    samples.add(metric::loop_stalls, static_cast<double>(count), {std::string(what)});
  }
}

void add_process(Samples& samples) {
  rusage used{};
  if (getrusage(RUSAGE_SELF, &used) == 0) {
    const double cpu = seconds_of(used.ru_utime) + seconds_of(used.ru_stime);
    samples.add(metric::process_cpu_seconds, cpu);
  }
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    samples.add(metric::process_max_fds, static_cast<double>(limit.rlim_cur));
  }
  std::error_code failed;
  const std::filesystem::directory_iterator open("/proc/self/fd", failed);
  if (failed) return;
  // One of them is the folder that is being read.
  const auto count = std::distance(begin(open), end(open)) - 1;
  samples.add(metric::process_open_fds, static_cast<double>(count));
}

std::string render(const Samples& samples) {
  std::vector<prometheus::MetricFamily> families;
  for (const Metric* metric : all_metrics()) {
    auto found = samples.all().find(metric);
    if (found != samples.all().end()) families.push_back(family_of(*metric, found->second));
  }
  std::ostringstream text;
  prometheus::TextSerializer().Serialize(text, families);
  return std::move(text).str();
}

std::string metrics_reference() {
  std::string out =
      "# Metrics\n\n"
      "Every broker, mirror and router tells them at `/metrics` of its admin port, in Prometheus' "
      "text format. This page is made from base/metrics.inc by `isthmus metrics`; a test compares "
      "the two.\n\n"
      "What means the same as in Apache Kafka has the name that Prometheus' JMX exporter gives it "
      "there, and the lag of groups that of kafka_exporter, so that dashboards and alerts for "
      "Kafka read them. What is ours, or measured otherwise, begins with `isthmus_`. Times are "
      "seconds, and histograms from 0.1 ms to 30 s. Counters begin at 0 with the process, those "
      "of a partition when it is opened and those of a link when it is attached: ask for "
      "`rate()`.\n\n";
  out += fmt::format(
      "A label's value may be a name that a client chose: it is shown as in the tables of the "
      "commands, and cut after {} bytes. Of each metric at most {} series are kept; what comes "
      "beyond is put together in one whose labels are all `{}`, so that sums stay right, and "
      "`isthmus_overflowed_series` counts it.\n\n",
      Samples::max_label_bytes, Samples::max_series, Samples::other);
  out += "| Metric | Type | Labels | Told by | Meaning |\n|---|---|---|---|---|\n";
  auto listed = [](std::string_view words) {
    std::string text;
    for (const char c : words) text += c == ' ' ? ", " : std::string(1, c);
    return text;
  };
  for (const Metric* metric : all_metrics()) {
    out += fmt::format("| `{}` | {} | {} | {} | {} |\n", metric->name, to_string(metric->type),
                       listed(metric->labels), listed(metric->roles), metric->help);
  }
  return out;
}

}  // namespace isthmus::process
