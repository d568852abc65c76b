// What a site tells of itself in numbers.
#include "kafka/gen/describe_site.h"
#include "kafka/gen/find_coordinator.h"
#include "kafka/gen/offset_commit.h"
#include "tests/broker/handlers/broker_world.h"

namespace isthmus::broker {
namespace {

class Measure : public BrokerWorld {
 protected:
  static double number(const Samples& samples, const Metric& metric,
                       const Samples::LabelValues& labels = {}) {
    auto series = samples.all().find(&metric);
    if (series == samples.all().end() || !series->second.contains(labels)) return -1;
    return series->second.at(labels).number;
  }
  void commit(const std::string& group, const std::string& topic, Offset offset) {
    kafka::FindCoordinatorRequest find;
    find.coordinator_keys = {group};
    ask(std::move(find));
    kafka::OffsetCommitRequest request;
    request.group_id = group;
    auto& t = request.topics.emplace_back();
    t.name = topic;
    auto& p = t.partitions.emplace_back();
    p.committed_offset = offset;
    EXPECT_EQ(ask(std::move(request), 8).topics.at(0).partitions.at(0).error_code, ErrorCode::none);
  }
};
ON_ONE_LOOP_AND_ON_TWO(Measure);

TEST_P(Measure, WhatWasWrittenReadAndCommittedIsCounted) {
  start();
  create("t", 2);
  const Slice batch = make_batch({{}, {}, {}});
  const double size = static_cast<double>(batch.size());
  produce("t", batch);
  produce("t", make_batch({{}, {}, {}}), -1, 1);
  const auto fetched = fetch("t", {.offset = 0});
  commit("billing", "t", 1);
  EXPECT_EQ(fetch("none", {}).error_code, ErrorCode::unknown_topic_or_partition);

  const Samples samples = measure();
  EXPECT_EQ(number(samples, metric::bytes_in, {"t"}), 2 * size);
  EXPECT_EQ(number(samples, metric::messages_in, {"t"}), 6);
  EXPECT_EQ(number(samples, metric::bytes_out, {"t"}), static_cast<double>(fetched.records.size()));
  EXPECT_EQ(number(samples, metric::log_end, {"t", "1"}), 3);
  EXPECT_EQ(number(samples, metric::log_start, {"t", "1"}), 0);
  EXPECT_EQ(number(samples, metric::log_size, {"t", "1"}), size);
  EXPECT_EQ(number(samples, metric::partitions), 4);  // two of __consumer_offsets
  EXPECT_EQ(number(samples, metric::partitions_offline), 0);
  EXPECT_EQ(number(samples, metric::leaders), 4);
  EXPECT_EQ(number(samples, metric::under_replicated), 0);
  EXPECT_EQ(number(samples, metric::under_min_isr), 0);
  EXPECT_EQ(number(samples, metric::isr_shrinks), 0);
  EXPECT_EQ(number(samples, metric::isr_expands), 0);
  EXPECT_EQ(number(samples, metric::active_controller), 1);
  EXPECT_EQ(number(samples, metric::leaderless), 0);
  EXPECT_EQ(number(samples, metric::groups), 1);
  EXPECT_EQ(number(samples, metric::group_offset, {"billing", "t", "0"}), 1);
  EXPECT_EQ(number(samples, metric::group_lag, {"billing", "t", "0"}), 2);
  EXPECT_EQ(number(samples, metric::requests, {"Produce"}), 2);
  EXPECT_EQ(number(samples, metric::errors, {"Fetch", "UNKNOWN_TOPIC_OR_PARTITION"}), 1);
  EXPECT_EQ(number(samples, metric::connections), 2);
  EXPECT_GT(samples.all().at(&metric::fsync_seconds).at({}).histogram.count(), 0u);
}

// A group's name is the client's; a scrape with it is one that Prometheus can read.
TEST_P(Measure, AGroupWhoseNameIsNoTextIsShownAsOneThatIs) {
  start();
  create("t");
  produce("t", make_batch({{}}));
  commit("\xff\n", "t", 0);
  EXPECT_EQ(number(measure(), metric::group_lag, {"\\xff\\x0a", "t", "0"}), 1);
}

// By the records' own time; a moment passes until the answer.
TEST_P(Measure, HowFarAGroupIsBehindIsToldInRecordsAndInTime) {
  start();
  create("t");
  const int64_t now = site_ms();
  produce("t", make_batch({{now - 90'000}, {now - 90'000}}));
  produce("t", make_batch({{now - 30'000}}));
  commit("billing", "t", 0);
  Samples samples = measure();
  EXPECT_EQ(number(samples, metric::group_lag, {"billing", "t", "0"}), 3);
  EXPECT_EQ(number(samples, metric::group_sum_lag_records, {"billing"}), 3);
  EXPECT_NEAR(number(samples, metric::group_lag_seconds, {"billing", "t", "0"}), 90, 2);
  EXPECT_NEAR(number(samples, metric::group_max_lag_seconds, {"billing"}), 90, 2);

  commit("billing", "t", 2);
  world.run_for(std::chrono::seconds(1));
  kafka::DescribeSiteRequest request;
  request.include_groups = request.include_lags = true;
  request.partitions_of = {"billing"};
  const auto group = ask_peers(request).groups.at(0);
  EXPECT_EQ(group.lag_records, 1);
  EXPECT_NEAR(static_cast<double>(group.lag_ms), 31'000, 2'000);
  EXPECT_EQ(group.partitions.at(0).topic, "t");
  EXPECT_EQ(group.partitions.at(0).lag_records, 1);
  EXPECT_EQ(group.partitions.at(0).lag_ms, group.lag_ms);
  request.include_lags = false;
  EXPECT_EQ(ask_peers(request).groups.at(0).lag_records, -1) << "who does not ask";

  commit("billing", "t", 3);
  world.run_for(std::chrono::seconds(1));
  samples = measure();
  EXPECT_EQ(number(samples, metric::group_lag, {"billing", "t", "0"}), 0);
  EXPECT_EQ(number(samples, metric::group_lag_seconds, {"billing", "t", "0"}), 0);
  EXPECT_EQ(number(samples, metric::group_sum_lag_records, {"billing"}), 0);
  EXPECT_EQ(number(samples, metric::group_max_lag_seconds, {"billing"}), 0);
}

TEST_P(Measure, OfManyGroupsTheWorstAreToldEachAndTimesAreLookedUpInTurn) {
  start();
  create("t");
  produce("t", make_batch({{}, {}, {}}));
  commit("zz", "t", 0);
  kafka::OffsetCommitRequest request;
  request.topics.emplace_back().name = "t";
  request.topics[0].partitions.emplace_back().committed_offset = 2;
  constexpr int others = 1004;
  for (int i = 0; i < others; ++i) {
    request.group_id = "group-" + std::to_string(i);
    ASSERT_EQ(ask(request, 8).topics.at(0).partitions.at(0).error_code, ErrorCode::none);
  }
  world.run_for(std::chrono::seconds(1));
  Samples samples = measure();
  EXPECT_EQ(number(samples, metric::group_lag, {"zz", "t", "0"}), 3);
  EXPECT_EQ(number(samples, metric::group_lag, {"(other)", "(other)", "(other)"}),
            others + 1 - static_cast<int>(Samples::max_series));
  EXPECT_EQ(number(samples, metric::group_sum_lag_records, {"zz"}), 3);
  EXPECT_EQ(samples.all().at(&metric::group_lag_seconds).size(), 256u);
  world.run_for(std::chrono::seconds(1));
  samples = measure();
  EXPECT_EQ(samples.all().at(&metric::group_lag_seconds).size(), 512u);
}

// Of each directory, because any may be the full one. The reserve is at most a tenth of the disk.
TEST_P(Measure, WhatIsFreeStandsBesideTheReserve) {
  site.disk().capacity = 1'000'000'000;
  start();
  const Samples samples = measure();
  const double used = static_cast<double>(site.disk().used());
  for (const char* directory : {"/data/1", "/data/2"}) {
    EXPECT_EQ(number(samples, metric::storage_free, {directory}), 1e9 - used);
    EXPECT_EQ(number(samples, metric::storage_reserve, {directory}), 1e8);
  }
}

}  // namespace
}  // namespace isthmus::broker
