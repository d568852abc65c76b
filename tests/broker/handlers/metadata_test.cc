#include "kafka/gen/describe_cluster.h"
#include "kafka/gen/describe_site.h"
#include "tests/broker/handlers/broker_world.h"

namespace isthmus::broker {
namespace {

class Metadata : public BrokerWorld {
 protected:
  static kafka::MetadataRequest all() {
    kafka::MetadataRequest request;
    request.topics = std::nullopt;
    return request;
  }
  static kafka::MetadataRequest named(const std::string& name, bool may_create = true) {
    kafka::MetadataRequest request;
    request.topics->push_back({Uuid{}, name});
    request.allow_auto_topic_creation = may_create;
    return request;
  }
};
ON_ONE_LOOP_AND_ON_TWO(Metadata);

TEST_P(Metadata, TellsTheAddressOfTheListenerThatWasAsked) {
  start();
  auto response = ask(all());
  ASSERT_EQ(response.brokers.size(), 1u);
  EXPECT_EQ(response.brokers[0].node_id, 701);
  EXPECT_EQ(response.brokers[0].host, "site");
  EXPECT_EQ(response.brokers[0].port, 9092);
  EXPECT_EQ(response.controller_id, 701);
  EXPECT_EQ(ask_peers(all()).brokers[0].port, 9093);
}

// An empty list: everything in version 0, nothing since version 1, where null means everything.
TEST_P(Metadata, AnEmptyListMeansAllTopicsBeforeVersion1AndNoneSince) {
  start();
  create("a");
  create("b");
  EXPECT_EQ(ask(kafka::MetadataRequest{}, 0).topics.size(), 2u);
  EXPECT_EQ(ask(kafka::MetadataRequest{}, 1).topics.size(), 0u);
  EXPECT_EQ(ask(kafka::MetadataRequest{}).topics.size(), 0u);
  EXPECT_EQ(ask(all(), 1).topics.size(), 2u);
  EXPECT_EQ(ask(all()).topics.size(), 2u);
}

TEST_P(Metadata, CreatesAnUnknownTopicWhereClientAndBrokerAllowIt) {
  start();
  EXPECT_EQ(ask(named("t", false)).topics[0].error_code, ErrorCode::unknown_topic_or_partition);
  auto created = ask(named("t"));
  ASSERT_EQ(created.topics[0].error_code, ErrorCode::none);
  EXPECT_EQ(created.topics[0].partitions.size(), 3u) << "num.partitions";
  EXPECT_EQ(created.topics[0].partitions[0].leader_id, 701);
  EXPECT_FALSE(created.topics[0].topic_id.is_zero());
  EXPECT_EQ(ask(named("t", false)).topics[0].topic_id, created.topics[0].topic_id);
  // Clients that cannot say no: the field is there since version 4.
  EXPECT_EQ(ask(named("old"), 3).topics[0].error_code, ErrorCode::none);
}

TEST_P(Metadata, CreatesNothingWhereTheBrokersOptionSaysSo) {
  config.broker.auto_create_topics = false;
  start();
  EXPECT_EQ(ask(named("t")).topics[0].error_code, ErrorCode::unknown_topic_or_partition);
  EXPECT_EQ(ask(all()).topics.size(), 0u);
}

TEST_P(Metadata, CreatesNeitherIllegalNorInternalNames) {
  start();
  EXPECT_EQ(ask(named("a b")).topics[0].error_code, ErrorCode::invalid_topic_exception);
  EXPECT_EQ(ask(named("__transaction_state")).topics[0].error_code,
            ErrorCode::unknown_topic_or_partition);
  EXPECT_EQ(ask(all()).topics.size(), 0u);
}

TEST_P(Metadata, AnUnknownTopicIdIsToldAsSuch) {
  start();
  Uuid id = create("t");
  kafka::MetadataRequest request;
  request.topics->push_back({id, std::nullopt});
  Uuid unknown;
  unknown.bytes.fill(9);
  request.topics->push_back({unknown, std::nullopt});
  auto response = ask(std::move(request));
  ASSERT_EQ(response.topics.size(), 2u);
  EXPECT_EQ(response.topics[0].name, "t");
  EXPECT_EQ(response.topics[1].error_code, ErrorCode::unknown_topic_id);
  EXPECT_EQ(response.topics[1].topic_id, unknown);
}

// A start is an election: clients see that what they knew of the leader is old.
TEST_P(Metadata, TheLeaderEpochRisesWithEveryStart) {
  start();
  create("t");
  auto before = ask(named("t")).topics[0].partitions[0].leader_epoch;
  lose_power();
  EXPECT_EQ(ask(named("t")).topics[0].partitions[0].leader_epoch, before + 1);
}

// As Kafka tells of a failed disk. Everyone who looks after the site sees it too.
TEST_P(Metadata, APartitionThatIsOfflineHasNoLeader) {
  start();
  create("t", 2);
  EXPECT_TRUE(status().degraded.empty());
  site.disk().fail_next_sync("t-1", EIO);
  EXPECT_EQ(produce("t", make_batch({{}}), -1, 1).error_code, ErrorCode::kafka_storage_error);
  const auto partitions = ask(named("t")).topics.at(0).partitions;
  EXPECT_EQ(partitions.at(0).leader_id, 701);
  EXPECT_EQ(partitions.at(0).error_code, ErrorCode::none);
  EXPECT_EQ(partitions.at(1).leader_id, -1);
  EXPECT_EQ(partitions.at(1).error_code, ErrorCode::leader_not_available);
  EXPECT_EQ(partitions.at(1).offline_replicas, std::vector<NodeId>{701});
  const process::Status now = status();
  EXPECT_TRUE(now.ready) << "the other partition is served";
  EXPECT_TRUE(now.degraded.starts_with("1 partition is offline, see /status: t-1: "));
  EXPECT_NE(now.json.find("\"partitions_offline\":1"), std::string::npos) << now.json;
  kafka::DescribeSiteRequest request;
  request.include_topics = true;
  const auto described = ask_peers(request).topics.at(0).partitions;
  EXPECT_EQ(described.at(0).offline, "");
  EXPECT_NE(described.at(1).offline.find("cannot sync"), std::string::npos);
  EXPECT_EQ(produce("t", make_batch({{}})).error_code, ErrorCode::none);
}

TEST_P(Metadata, ASiteTellsOfItsBrokersWhereItIsAsked) {
  start();
  create("t");
  kafka::DescribeSiteRequest request;
  EXPECT_TRUE(ask_peers(request).brokers.empty());
  request.include_brokers = request.include_topics = true;
  const auto described = ask_peers(request);
  EXPECT_EQ(described.controller_id, 701);
  ASSERT_EQ(described.brokers.size(), 1u);
  const auto& broker = described.brokers[0];
  EXPECT_EQ(broker.node_id, 701);
  EXPECT_EQ(broker.starts, 1);
  EXPECT_FALSE(broker.fenced);
  EXPECT_TRUE(broker.running);
  EXPECT_NE(broker.host, "");
  EXPECT_EQ(described.topics.at(0).partitions.at(0).min_insync_replicas, 1);
  EXPECT_TRUE(described.topics.at(0).partitions.at(0).elr.empty());
  EXPECT_TRUE(ask_by(*peers, request, 2).brokers.empty());
}

// Consumers go on reading what was safe; producers are told when they ask.
TEST_P(Metadata, APartitionThatFailedLaterKeepsItsLeaderForWhatIsSafe) {
  start();
  create("t");
  ASSERT_EQ(produce("t", make_batch({{}})).error_code, ErrorCode::none);
  site.disk().fail_next_append("t-0/", EIO);
  EXPECT_EQ(produce("t", make_batch({{}})).error_code, ErrorCode::kafka_storage_error);
  const auto partition = ask(named("t")).topics.at(0).partitions.at(0);
  EXPECT_EQ(partition.leader_id, 701);
  EXPECT_EQ(partition.error_code, ErrorCode::none);
  EXPECT_EQ(partition.offline_replicas, std::vector<NodeId>{701});
  EXPECT_NE(status().json.find("\"readable\":true"), std::string::npos);
  EXPECT_EQ(fetch("t", {.offset = 0}).records.empty(), false);
}

TEST_P(Metadata, TheClusterIdStaysOverARestart) {
  start();
  auto before = ask(all()).cluster_id;
  EXPECT_EQ(ask(kafka::DescribeClusterRequest{}).cluster_id, before);
  lose_power();
  EXPECT_EQ(ask(all()).cluster_id, before);
}

}  // namespace
}  // namespace isthmus::broker
