// What connections count, as /metrics tells it.
#include "server/stats.h"

#include <gtest/gtest.h>

#include "kafka/gen/offset_commit.h"
#include "server/reply.h"

namespace isthmus::server {
namespace {

kafka::RequestHeader header_of(kafka::ApiKey key, int16_t version) {
  kafka::RequestHeader header;
  header.api_key = static_cast<int16_t>(key);
  header.api_version = version;
  return header;
}

double number(const Samples& samples, const Metric& metric, const Samples::LabelValues& labels) {
  auto series = samples.all().find(&metric);
  if (series == samples.all().end() || !series->second.contains(labels)) return -1;
  return series->second.at(labels).number;
}

kafka::OffsetCommitResponse answer_with(std::vector<kafka::ErrorCode> errors) {
  kafka::OffsetCommitResponse response;
  auto& topic = response.topics.emplace_back();
  for (const kafka::ErrorCode error : errors) topic.partitions.emplace_back().error_code = error;
  return response;
}

TEST(ServerStats, AnswersAreCountedByApiWithEachErrorInThem) {
  using kafka::ErrorCode;
  ServerStats stats;
  auto header = header_of(kafka::ApiKey::offset_commit, 8);
  ApiStats& api = stats.arrived(header, 100);
  const auto response = answer_with(
      {ErrorCode::none, ErrorCode::not_coordinator, ErrorCode::not_coordinator, ErrorCode::none});
  const Rope reply = encode_response(header, response);
  api.answered(std::chrono::milliseconds(3), reply.size());

  Samples samples;
  stats.add_to(samples);
  EXPECT_EQ(number(samples, metric::requests, {"OffsetCommit"}), 1);
  EXPECT_EQ(number(samples, metric::request_bytes, {"OffsetCommit"}), 100);
  EXPECT_EQ(number(samples, metric::response_bytes, {"OffsetCommit"}), reply.size());
  EXPECT_EQ(number(samples, metric::errors, {"OffsetCommit", "NOT_COORDINATOR"}), 2);
  EXPECT_EQ(number(samples, metric::errors, {"OffsetCommit", "NONE"}), -1);
  const auto& times = samples.all().at(&metric::request_seconds).at({"OffsetCommit"}).histogram;
  EXPECT_EQ(times.count(), 1u);
}

TEST(ServerStats, LoopsAddUpAndUnknownKeysAreOneSeries) {
  ServerStats all, other;
  for (int16_t key : {int16_t{900}, int16_t{901}}) {
    kafka::RequestHeader header;
    header.api_key = key;
    other.arrived(header, 10);
  }
  auto header = header_of(kafka::ApiKey::fetch, 12);
  all.arrived(header, 1);
  other.arrived(header, 2);
  other.opened();
  all.add(other);
  Samples samples;
  all.add_to(samples);
  EXPECT_EQ(number(samples, metric::requests, {"unknown"}), 2);
  EXPECT_EQ(number(samples, metric::requests, {"Fetch"}), 2);
  EXPECT_EQ(number(samples, metric::request_bytes, {"Fetch"}), 3);
  EXPECT_EQ(number(samples, metric::connections_opened, {}), 1);
}

}  // namespace
}  // namespace isthmus::server
