#include "process/metrics.h"

#include <gtest/gtest.h>

namespace isthmus::process {
namespace {

bool has_line(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

TEST(Metrics, text_of_each_kind) {
  Metrics metrics;
  auto requests = metrics.counter("isthmus_requests_total", "Requests.", {{"api", "Fetch"}});
  auto lag = metrics.gauge("isthmus_lag_seconds", "Lag.");
  auto times = metrics.histogram("isthmus_time_seconds", "Times.", {}, {0.5, 1});
  requests->add(3);
  lag->set(1.5);
  for (double seconds : {0.1, 0.5, 0.7, 9.0}) times->observe(seconds);
  const std::string text = metrics.render();
  EXPECT_TRUE(has_line(text, "# TYPE isthmus_requests_total counter")) << text;
  EXPECT_TRUE(has_line(text, "isthmus_requests_total{api=\"Fetch\"} 3")) << text;
  EXPECT_TRUE(has_line(text, "isthmus_lag_seconds 1.5")) << text;
  EXPECT_TRUE(has_line(text, "isthmus_time_seconds_bucket{le=\"0.5\"} 2")) << text;
  EXPECT_TRUE(has_line(text, "isthmus_time_seconds_bucket{le=\"1\"} 3")) << text;
  EXPECT_TRUE(has_line(text, "isthmus_time_seconds_bucket{le=\"+Inf\"} 4")) << text;
  EXPECT_TRUE(has_line(text, "isthmus_time_seconds_count 4")) << text;
}

TEST(Metrics, same_name_and_labels_are_one_cell) {
  Metrics metrics;
  auto one = metrics.counter("n_total", "", {{"topic", "a"}});
  EXPECT_EQ(one, metrics.counter("n_total", "", {{"topic", "a"}}));
  EXPECT_NE(one, metrics.counter("n_total", "", {{"topic", "b"}}));
}

TEST(Metrics, a_series_goes_with_its_owner) {
  Metrics metrics;
  auto cell = metrics.gauge("g", "", {{"partition", "a-1"}});
  EXPECT_NE(metrics.render().find("a-1"), std::string::npos);
  cell.reset();
  EXPECT_EQ(metrics.render().find("a-1"), std::string::npos);
  metrics.gauge("g", "", {{"partition", "a-1"}})->set(7);  // and may come again
}

TEST(Metrics, series_are_limited_and_dead_ones_make_room) {
  Metrics metrics;
  std::vector<std::shared_ptr<Gauge>> cells;
  for (size_t i = 0; i < Metrics::max_series; ++i)
    cells.push_back(metrics.gauge("g", "", {{"i", std::to_string(i)}}));
  auto extra = metrics.gauge("extra", "");
  extra->set(1);
  EXPECT_FALSE(has_line(metrics.render(), "extra 1"));
  EXPECT_TRUE(has_line(metrics.render(), "isthmus_metrics_dropped 1"));
  cells.pop_back();
  auto next = metrics.gauge("next", "");
  next->set(2);
  EXPECT_TRUE(has_line(metrics.render(), "next 2"));
}

}  // namespace
}  // namespace isthmus::process
