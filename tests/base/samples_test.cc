// Numbers as they are put together before they are told.
#include "base/samples.h"

#include <gtest/gtest.h>

#include <set>

namespace isthmus {
namespace {

TEST(Histogram, AValueFallsIntoTheFirstBucketWhoseBoundItDoesNotExceed) {
  Histogram times;
  times.observe(0.0);
  times.observe(0.0001);
  times.observe(0.00010001);
  times.observe(31.0);
  EXPECT_EQ(times.count_in(0), 2u);
  EXPECT_EQ(times.count_in(1), 1u);
  EXPECT_EQ(times.count_in(Histogram::buckets - 1), 1u);
  EXPECT_EQ(times.count(), 4u);
  EXPECT_DOUBLE_EQ(times.sum(), 31.00020001);
}

TEST(Histogram, ThoseOfSeveralLoopsAddUp) {
  Histogram one, other;
  one.observe(std::chrono::milliseconds(3));
  other.observe(std::chrono::milliseconds(3));
  other.observe(std::chrono::seconds(2));
  one.add(other);
  EXPECT_EQ(one.count(), 3u);
  EXPECT_DOUBLE_EQ(one.sum(), 2.006);
}

double number(const Samples& samples, const Metric& metric, const Samples::LabelValues& labels) {
  return samples.all().at(&metric).at(labels).number;
}

TEST(Samples, WhatIsAddedTwiceIsPutTogetherAsTheMetricSays) {
  Samples samples;
  samples.add(metric::bytes_in, 3, {"orders"});
  samples.add(metric::bytes_in, 4, {"orders"});
  samples.add(metric::link_lag_seconds, 7, {"seoul-tokyo"});
  samples.add(metric::link_lag_seconds, 2, {"seoul-tokyo"});
  samples.add(metric::link_lag_seconds, -1, {"tokyo-seoul"});
  EXPECT_EQ(number(samples, metric::bytes_in, {"orders"}), 7);
  EXPECT_EQ(number(samples, metric::link_lag_seconds, {"seoul-tokyo"}), 7);
  EXPECT_EQ(number(samples, metric::link_lag_seconds, {"tokyo-seoul"}), -1);
}

TEST(Samples, SeriesBeyondTheLimitStandInOneSoThatSumsStayRight) {
  Samples samples;
  for (size_t i = 0; i < Samples::max_series + 5; ++i) {
    samples.add(metric::log_size, 10, {"topic" + std::to_string(i), "0"});
  }
  const std::string other(Samples::other);
  EXPECT_EQ(samples.all().at(&metric::log_size).size(), Samples::max_series + 1);
  EXPECT_EQ(number(samples, metric::log_size, {other, other}), 50);
  EXPECT_EQ(samples.beyond_limit(), 5u);
  samples.add(metric::log_size, 1, {"topic0", "0"});  // one that has its series keeps it
  EXPECT_EQ(number(samples, metric::log_size, {"topic0", "0"}), 11);
}

TEST(Samples, LabelsArePrintableAndNotLong) {
  Samples samples;
  samples.add(metric::bytes_in, 1, {"a\xff\n"});
  samples.add(metric::bytes_in, 2, {std::string(5000, 'x')});
  EXPECT_EQ(number(samples, metric::bytes_in, {"a\\xff\\x0a"}), 1);
  EXPECT_EQ(number(samples, metric::bytes_in, {std::string(Samples::max_label_bytes, 'x') + "…"}),
            2);
}

TEST(Metrics, NamesAreUniqueAndAsPrometheusWantsThem) {
  std::set<std::string> names;
  for (const Metric* metric : all_metrics()) {
    const std::string name = metric->name;
    EXPECT_TRUE(names.insert(name).second) << name;
    EXPECT_EQ(name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_"), std::string::npos) << name;
    EXPECT_EQ(name.ends_with("_total"), metric->type == MetricType::counter) << name;
    EXPECT_NE(std::string(metric->roles), "") << name;
    EXPECT_TRUE(std::string(metric->help).ends_with('.')) << name;
    if (metric->type == MetricType::histogram) EXPECT_TRUE(name.ends_with("_seconds")) << name;
  }
}

}  // namespace
}  // namespace isthmus
