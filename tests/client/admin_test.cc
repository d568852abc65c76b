#include "client/admin.h"

#include "kafka/gen/list_offsets.h"
#include "kafka/gen/offset_fetch.h"
#include "tests/client/fake_broker.h"

namespace isthmus::client {
namespace {

using kafka::ErrorCode;

io::Task<void> create(FakeCluster& fake) {
  Cluster cluster(fake.world.env(), fake.world.loop(), fake.options());
  Admin admin(cluster);
  kafka::CreateTopicsRequest request;
  request.topics.emplace_back().name = "orders";
  auto created = co_await admin.create_topics(std::move(request), io::soon(50'000));
  EXPECT_TRUE(created.has_value());
  if (created) EXPECT_EQ(created->topics.at(0).error_code, ErrorCode::none);
  co_await cluster.close();
}
TEST(admin, follows_the_controller) {
  FakeCluster fake(2);
  for (NodeId id : {1, 2}) {
    fake.broker(id).on<kafka::CreateTopicsRequest>([&fake, id](const auto& request) {
      kafka::CreateTopicsResponse response;
      auto& topic = response.topics.emplace_back();
      topic.name = request.topics.at(0).name;
      EXPECT_GT(request.timeout_ms, 10'000);
      EXPECT_LE(request.timeout_ms, 50'000) << "what is left, not the protocol's minute";
      if (id != 2) topic.error_code = ErrorCode::not_controller;
      fake.metadata.controller_id = 2;  // has been elected meanwhile
      return response;
    });
  }
  fake.run(create(fake));
  EXPECT_EQ(fake.broker(2).asked[kafka::ApiKey::create_topics], 1);
}

io::Task<void> offsets(FakeCluster& fake) {
  Cluster cluster(fake.world.env(), fake.world.loop(), fake.options());
  Admin admin(cluster);
  ByPartition<int64_t> questions;
  for (PartitionIndex p = 0; p < 4; ++p) questions[{"orders", p}] = latest_offset;
  questions[{"homeless", 0}] = latest_offset;
  auto listed = co_await admin.list_offsets(questions, io::soon(2000));
  EXPECT_TRUE(listed.has_value());
  if (!listed) co_return;
  EXPECT_EQ(listed->size(), 5u);
  for (PartitionIndex p = 0; p < 4; ++p) {
    const auto& one = (*listed)[{"orders", p}];
    EXPECT_EQ(one.error, ErrorCode::none);
    EXPECT_EQ(one.offset, 100 * (p % 2 + 1) + p) << "answered by its leader";
  }
  EXPECT_EQ(((*listed)[{"homeless", 0}].error), ErrorCode::leader_not_available);
  co_await cluster.close();
}
TEST(admin, asks_each_leader_for_its_partitions) {
  FakeCluster fake(2);
  for (PartitionIndex p = 0; p < 4; ++p) fake.lead("orders", p, p % 2 + 1, 3);
  fake.lead("homeless", 0, -1, 3);
  int refused = 0;
  for (NodeId id : {1, 2}) {
    fake.broker(id).on<kafka::ListOffsetsRequest>([id, &refused](const auto& request) {
      kafka::ListOffsetsResponse response;
      for (const auto& topic : request.topics) {
        auto& to = response.topics.emplace_back();
        to.name = topic.name;
        for (const auto& asked : topic.partitions) {
          EXPECT_EQ(asked.current_leader_epoch, 3);
          auto& one = to.partitions.emplace_back();
          one.partition_index = asked.partition_index;
          one.offset = 100 * id + asked.partition_index;
          if (refused++ == 0) one.error_code = ErrorCode::not_leader_or_follower;
        }
      }
      return response;
    });
  }
  fake.run(offsets(fake));
  EXPECT_EQ(refused, 5) << "the one that was refused was asked again, the others not";
}

io::Task<void> committed(FakeCluster& fake) {
  Cluster cluster(fake.world.env(), fake.world.loop(), fake.options());
  Admin admin(cluster);
  auto found = co_await admin.committed_offsets("g", io::soon(5000));
  EXPECT_TRUE(found.has_value()) << found.error().text;
  if (found) {
    const auto& one = (*found)[{"orders", 3}];
    EXPECT_EQ(one.offset, 42);
    EXPECT_EQ(one.leader_epoch, 5);
    EXPECT_EQ(one.metadata, "note");
  }
  co_await cluster.close();
}
// An old broker names one group in the request itself, a new one lists groups.
void committed_with(int16_t max_version) {
  FakeCluster fake(1);
  auto& broker = fake.broker(1);
  broker.apis = [max_version](const kafka::ApiInfo& api) -> std::optional<server::VersionRange> {
    if (api.key != kafka::ApiKey::offset_fetch) return server::public_apis(api);
    return server::VersionRange{api.min_version, max_version};
  };
  broker.on<kafka::FindCoordinatorRequest>([&broker](const auto& request) {
    kafka::FindCoordinatorResponse response;
    response.coordinators.push_back({request.coordinator_keys.at(0), 1, broker.address.host,
                                     broker.address.port, ErrorCode::none, std::nullopt});
    return response;
  });
  int asked = 0;
  broker.on<kafka::OffsetFetchRequest>([&](const kafka::OffsetFetchRequest& request) {
    kafka::OffsetFetchResponse response;
    const ErrorCode loading = ErrorCode::coordinator_load_in_progress;
    const ErrorCode error = asked++ == 0 ? loading : ErrorCode::none;
    if (max_version < 8) {
      EXPECT_EQ(request.group_id, "g");
      response.error_code = error;
      response.topics = {{"orders", {{3, 42, 5, "note", ErrorCode::none}}}};
    } else {
      EXPECT_EQ(request.groups.at(0).group_id, "g");
      auto& group = response.groups.emplace_back();
      group.group_id = "g";
      group.error_code = error;
      group.topics = {{"orders", {{3, 42, 5, "note", ErrorCode::none}}}};
    }
    return response;
  });
  fake.run(committed(fake));
  EXPECT_EQ(asked, 2);
  EXPECT_EQ(broker.latest_version, max_version);
}
TEST(admin, reads_what_a_group_has_committed_in_old_and_new_versions) {
  committed_with(5);
  committed_with(9);
}

io::Task<void> groups(FakeCluster& fake) {
  Cluster cluster(fake.world.env(), fake.world.loop(), fake.options());
  Admin admin(cluster);
  auto listed = co_await admin.list_groups(io::soon(5000));
  EXPECT_TRUE(listed.has_value());
  if (listed) EXPECT_EQ(listed->size(), 3u);
  co_await fake.broker(2).stop();
  auto incomplete = co_await admin.list_groups(io::soon(200));
  EXPECT_FALSE(incomplete.has_value()) << "groups would be missing";
  co_await cluster.close();
}
TEST(admin, lists_the_groups_of_all_brokers_or_none) {
  FakeCluster fake(3);
  for (NodeId id : {1, 2, 3}) {
    fake.broker(id).on<kafka::ListGroupsRequest>([id](const auto&) {
      kafka::ListGroupsResponse response;
      response.groups.emplace_back().group_id = "group " + std::to_string(id);
      return response;
    });
  }
  fake.run(groups(fake));
}

}  // namespace
}  // namespace isthmus::client
