#include "router/refusals.h"

#include <gtest/gtest.h>

#include "client/connection.h"
#include "kafka/gen/delete_records.h"
#include "kafka/gen/describe_groups.h"
#include "kafka/gen/fetch.h"
#include "kafka/gen/heartbeat.h"
#include "kafka/gen/list_offsets.h"
#include "kafka/gen/metadata.h"
#include "kafka/gen/offset_commit.h"
#include "kafka/gen/offset_fetch.h"
#include "kafka/gen/produce.h"

namespace isthmus::router {
namespace {

using kafka::ErrorCode;

template <typename Request>
server::Request wire(const Request& message, int16_t version) {
  kafka::Writer writer;
  message.encode(writer, version);
  server::Request request;
  request.header = {static_cast<int16_t>(Request::api_key), version, 7, "test"};
  request.body = *std::move(writer).finish().flatten();
  return request;
}

template <typename Request>
typename Request::Response refused(const Request& message, int16_t version) {
  auto rope = refuse(wire(message, version));
  EXPECT_TRUE(rope.has_value());
  const Slice bytes = *rope->flatten();
  EXPECT_EQ(load_be<int32_t>(bytes.data()), 7);
  auto response =
      client::decode_response<typename Request::Response>(bytes.sub(4, bytes.size() - 4), version);
  EXPECT_TRUE(response.has_value()) << response.error().text;
  return *response;
}

kafka::ProduceRequest produce_to_third(const std::string& topic) {
  kafka::ProduceRequest request;
  request.acks = -1;
  request.topic_data.push_back({topic, {{3, Rope(Slice::copy_of("records"))}}});
  return request;
}

TEST(Refusals, OfProduceNameEachPartitionInEveryVersion) {
  for (int16_t version = 3; version <= 11; ++version) {
    const auto response = refused(produce_to_third("orders"), version);
    ASSERT_EQ(response.responses.size(), 1u);
    const auto& partition = response.responses[0].partition_responses[0];
    EXPECT_EQ(response.responses[0].name, "orders");
    EXPECT_EQ(partition.index, 3);
    EXPECT_EQ(partition.error_code, ErrorCode::not_leader_or_follower);
    EXPECT_EQ(partition.base_offset, -1);
  }
}

TEST(Refusals, OfAFullFetchNameEachPartition) {
  kafka::FetchRequest request;
  request.topics.push_back({"orders", {}, {{.partition = 2}}});
  const auto response = refused(request, 12);
  EXPECT_EQ(response.error_code, ErrorCode::none);
  EXPECT_EQ(response.responses[0].topic, "orders");
  EXPECT_EQ(response.responses[0].partitions[0].partition_index, 2);
  EXPECT_EQ(response.responses[0].partitions[0].error_code, ErrorCode::not_leader_or_follower);
}

TEST(Refusals, OfAFetchByTopicIdAnswerWithTheId) {
  kafka::FetchRequest request;
  Uuid id;
  id.bytes[0] = 9;
  request.topics.push_back({"", id, {{.partition = 2}}});
  EXPECT_EQ(refused(request, 15).responses[0].topic_id, id);
}

// The partitions of an incremental session are not in the request.
TEST(Refusals, OfAnIncrementalFetchEndTheSession) {
  kafka::FetchRequest request;
  request.session_id = 5;
  request.session_epoch = 17;
  const auto response = refused(request, 12);
  EXPECT_EQ(response.error_code, ErrorCode::fetch_session_id_not_found);
  EXPECT_EQ(response.session_id, 0);
  EXPECT_TRUE(response.responses.empty());
}

template <typename Request>
auto refused_partition(int16_t version) {
  Request request;
  auto& topic = request.topics.emplace_back();
  topic.name = "orders";
  topic.partitions.emplace_back().partition_index = 3;
  const auto response = refused(request, version);
  EXPECT_EQ(response.topics.at(0).name, "orders");
  const auto partition = response.topics[0].partitions.at(0);
  EXPECT_EQ(partition.partition_index, 3);
  return partition;
}

TEST(Refusals, OfEachPartitionSayWhoIsNotTheOneToAsk) {
  const auto listed = refused_partition<kafka::ListOffsetsRequest>(9);
  EXPECT_EQ(listed.error_code, ErrorCode::not_leader_or_follower);
  EXPECT_EQ(listed.offset, -1);
  const auto cut = refused_partition<kafka::DeleteRecordsRequest>(2);
  EXPECT_EQ(cut.error_code, ErrorCode::not_leader_or_follower);
  EXPECT_EQ(cut.low_watermark, -1);
  EXPECT_EQ(refused_partition<kafka::OffsetCommitRequest>(8).error_code,
            ErrorCode::not_coordinator);
}

TEST(Refusals, OfGroupsSayNotCoordinator) {
  EXPECT_EQ(refused(kafka::HeartbeatRequest{}, 4).error_code, ErrorCode::not_coordinator);
  kafka::DescribeGroupsRequest describe;
  describe.groups = {"a", "b"};
  const auto described = refused(describe, 5);
  ASSERT_EQ(described.groups.size(), 2u);
  EXPECT_EQ(described.groups[1].group_id, "b");
  EXPECT_EQ(described.groups[1].error_code, ErrorCode::not_coordinator);
}

TEST(Refusals, OfOffsetFetchAreWhereEachVersionHasThem) {
  kafka::OffsetFetchRequest request;
  request.group_id = "g";
  request.topics->push_back({"orders", {4}});
  request.groups.push_back({.group_id = "g", .member_id = {}});
  EXPECT_EQ(refused(request, 1).topics[0].partitions[0].error_code, ErrorCode::not_coordinator);
  EXPECT_EQ(refused(request, 7).error_code, ErrorCode::not_coordinator);
  EXPECT_EQ(refused(request, 8).groups[0].error_code, ErrorCode::not_coordinator);
}

TEST(Refusals, OfWhatDoesNotDecodeAreErrors) {
  server::Request request = wire(produce_to_third("orders"), 9);
  request.body = request.body.sub(0, request.body.size() - 3);
  EXPECT_FALSE(refuse(request));
}

TEST(Refusals, AreForWhatIsBoundToANodeOnly) {
  EXPECT_TRUE(is_bound_to_a_node(kafka::ApiKey::produce));
  EXPECT_TRUE(is_bound_to_a_node(kafka::ApiKey::offset_commit));
  EXPECT_FALSE(is_bound_to_a_node(kafka::ApiKey::metadata));
  EXPECT_FALSE(is_bound_to_a_node(kafka::ApiKey::mirror_append));
}

}  // namespace
}  // namespace isthmus::router
