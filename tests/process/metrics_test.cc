#include "process/metrics.h"

#include <gtest/gtest.h>

namespace isthmus::process {
namespace {

bool has_line(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

TEST(Metrics, text_of_each_kind) {
  Samples samples;
  samples.add(metric::requests, 3, {"Fetch"});
  samples.add(metric::link_lag_seconds, 1.5, {"seoul-tokyo"});
  Histogram times;
  for (double seconds : {0.1, 0.3, 99.0}) times.observe(seconds);
  samples.add(metric::fsync_seconds, times);
  const std::string text = render(samples);
  const std::string requests = "kafka_network_requestmetrics_requests_total";
  EXPECT_TRUE(has_line(text, "# TYPE " + requests + " counter")) << text;
  EXPECT_TRUE(has_line(text, requests + "{request=\"Fetch\"} 3")) << text;
  EXPECT_TRUE(has_line(text, "isthmus_link_lag_seconds{link=\"seoul-tokyo\"} 1.5")) << text;
  EXPECT_TRUE(has_line(text, "isthmus_fsync_seconds_bucket{le=\"0.1\"} 1")) << text;
  EXPECT_TRUE(has_line(text, "isthmus_fsync_seconds_bucket{le=\"0.5\"} 2")) << text;
  EXPECT_TRUE(has_line(text, "isthmus_fsync_seconds_bucket{le=\"+Inf\"} 3")) << text;
  EXPECT_TRUE(has_line(text, "isthmus_fsync_seconds_count 3")) << text;
}

TEST(Metrics, only_what_was_counted_is_told) {
  EXPECT_EQ(render(Samples{}), "");
  Samples samples;
  add_process(samples);
  const std::string text = render(samples);
  EXPECT_NE(text.find("\nprocess_open_fds "), std::string::npos) << text;
  EXPECT_GT(samples.all().at(&metric::process_open_fds).at({}).number, 0);
  EXPECT_GE(samples.all().at(&metric::process_cpu_seconds).at({}).number, 0);
}

TEST(Metrics, what_held_a_loop_is_told_by_its_name) {
  io::TurnWatch turns;
  const io::Instant start;
  turns.begin(start);
  turns.doing("CreateTopics", start);
  turns.end(start + std::chrono::seconds(2));
  Samples samples;
  add_turns(samples, turns);
  const std::string text = render(samples);
  EXPECT_TRUE(has_line(text, "isthmus_loop_stalls_total{work=\"CreateTopics\"} 1")) << text;
  EXPECT_TRUE(has_line(text, "isthmus_loop_turn_seconds_bucket{le=\"2.5\"} 1")) << text;
  EXPECT_TRUE(has_line(text, "isthmus_loop_turn_seconds_bucket{le=\"1\"} 0")) << text;
}

TEST(Metrics, a_hostile_label_breaks_no_line) {
  Samples samples;
  samples.add(metric::bytes_in, 1, {"a\"b\\\n\xff"});
  EXPECT_TRUE(has_line(render(samples),
                       "kafka_server_brokertopicmetrics_bytesin_total{topic="
                       "\"a\\\"b\\\\\\\\x0a\\\\xff\"} 1"))
      << render(samples);
}

}  // namespace
}  // namespace isthmus::process
