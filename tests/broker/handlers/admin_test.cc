// The APIs of operators: topics, partitions, configs, records.
#include "broker/controller/topic_config.h"
#include "kafka/gen/alter_configs.h"
#include "kafka/gen/create_partitions.h"
#include "kafka/gen/delete_records.h"
#include "kafka/gen/delete_topics.h"
#include "kafka/gen/describe_configs.h"
#include "kafka/gen/incremental_alter_configs.h"
#include "tests/broker/handlers/broker_world.h"

namespace isthmus::broker {
namespace {

constexpr auto topic_resource = kafka::ConfigResource::topic;

class Admin : public BrokerWorld {
 protected:
  using Wanted = kafka::CreateTopicsRequest::CreatableTopic;
  static Wanted wanted(const std::string& name, int32_t partitions = 1, int16_t replicas = 1) {
    Wanted topic;
    topic.name = name;
    topic.num_partitions = partitions;
    topic.replication_factor = replicas;
    return topic;
  }
  ErrorCode create_error(Wanted topic, bool only_check = false) {
    kafka::CreateTopicsRequest request;
    request.topics.push_back(std::move(topic));
    request.validate_only = only_check;
    auto answer = ask(std::move(request)).topics.at(0);
    if (answer.error_code != ErrorCode::none) {
      EXPECT_FALSE(answer.error_message.value_or("").empty()) << "an error says why";
    }
    return answer.error_code;
  }
  size_t partitions_of(const std::string& name) {
    kafka::MetadataRequest request;
    request.topics->push_back({Uuid{}, name});
    request.allow_auto_topic_creation = false;
    return ask(std::move(request)).topics.at(0).partitions.size();
  }
  kafka::DescribeConfigsResponse::DescribeConfigsResult configs(
      const std::string& topic, std::optional<std::vector<std::string>> keys = std::nullopt) {
    kafka::DescribeConfigsRequest request;
    request.resources.push_back({topic_resource, topic, std::move(keys)});
    return ask(std::move(request)).results.at(0);
  }
  ErrorCode set(const std::string& topic, const std::string& key, std::optional<std::string> value,
                kafka::ConfigOperation operation = kafka::ConfigOperation::set) {
    kafka::IncrementalAlterConfigsRequest request;
    auto& resource = request.resources.emplace_back();
    resource.resource_type = topic_resource;
    resource.resource_name = topic;
    resource.configs.push_back({key, operation, std::move(value)});
    return ask(std::move(request)).responses.at(0).error_code;
  }
};
ON_ONE_LOOP_AND_ON_TWO(Admin);

TEST_P(Admin, CreateTopicsRefusesWhatCannotBe) {
  start();
  create("t");
  EXPECT_EQ(create_error(wanted("t")), ErrorCode::topic_already_exists);
  EXPECT_EQ(create_error(wanted("a/b")), ErrorCode::invalid_topic_exception);
  EXPECT_EQ(create_error(wanted("__transaction_state")), ErrorCode::invalid_topic_exception);
  EXPECT_EQ(create_error(wanted("__debezium-heartbeat.x")), ErrorCode::none) << "anyone's";
  EXPECT_EQ(create_error(wanted("u", 0)), ErrorCode::invalid_partitions);
  EXPECT_EQ(create_error(wanted("u", 1, 3)), ErrorCode::invalid_replication_factor);
  Wanted bad_config = wanted("u");
  bad_config.configs.push_back({"retention.ms", "soon"});
  EXPECT_EQ(create_error(bad_config), ErrorCode::invalid_config);
  Wanted elsewhere = wanted("u", -1, -1);
  elsewhere.assignments.push_back({0, {1, 2}});
  EXPECT_EQ(create_error(elsewhere), ErrorCode::invalid_replica_assignment);
  EXPECT_EQ(partitions_of("u"), 0u) << "nothing of all this was created";
}

TEST_P(Admin, CreateTopicsKnowsTheDefaultsAndOnlyChecksIfAsked) {
  start();
  EXPECT_EQ(create_error(wanted("t", -1, -1), true), ErrorCode::none);
  EXPECT_EQ(partitions_of("t"), 0u);
  EXPECT_EQ(create_error(wanted("t", -1, -1)), ErrorCode::none);
  EXPECT_EQ(partitions_of("t"), 3u) << "num.partitions";
  Wanted assigned = wanted("u", -1, -1);
  assigned.assignments = {{0, {701}}, {1, {701}}};
  EXPECT_EQ(create_error(assigned), ErrorCode::none);
  EXPECT_EQ(partitions_of("u"), 2u);
}

TEST_P(Admin, ADeletedTopicIsGoneAndItsSuccessorEmpty) {
  start();
  Uuid first = create("t");
  produce("t", make_batch({{}, {}}));
  kafka::DeleteTopicsRequest request;
  request.topics.push_back({std::nullopt, first});
  request.timeout_ms = 10'000;
  EXPECT_EQ(ask(request).responses.at(0).error_code, ErrorCode::none);
  EXPECT_EQ(produce("t", make_batch({{}})).error_code, ErrorCode::unknown_topic_or_partition);
  EXPECT_EQ(ask(request).responses.at(0).error_code, ErrorCode::unknown_topic_id);
  EXPECT_NE(create("t"), first);
  EXPECT_EQ(produce("t", make_batch({{}})).base_offset, 0);
  lose_power();
  EXPECT_EQ(list_offset("t", -1).offset, 1);
}

// Kafka's way: what is not done in time is unknown to the sender, and done all the same.
TEST_P(Admin, AdminRequestsAreAnsweredInTheirTime) {
  start();
  kafka::CreateTopicsRequest topics;
  topics.timeout_ms = 0;
  topics.topics.push_back(wanted("t"));
  topics.topics.push_back(wanted("u"));
  const auto created = ask(topics);
  ASSERT_EQ(created.topics.size(), 2u);
  EXPECT_EQ(created.topics[0].error_code, ErrorCode::request_timed_out);
  EXPECT_EQ(created.topics[1].name, "u");
  EXPECT_EQ(created.topics[1].error_code, ErrorCode::request_timed_out);
  world.run_for(std::chrono::seconds(1));
  EXPECT_EQ(partitions_of("t"), 1u);
  EXPECT_EQ(partitions_of("u"), 1u);

  kafka::CreatePartitionsRequest grow;
  grow.topics.push_back({"t", 4, std::nullopt});
  EXPECT_EQ(ask(grow).results.at(0).error_code, ErrorCode::request_timed_out);
  world.run_for(std::chrono::seconds(1));
  EXPECT_EQ(partitions_of("t"), 4u);

  kafka::DeleteTopicsRequest request;
  request.topics.push_back({"t", Uuid{}});
  EXPECT_EQ(ask(request).responses.at(0).error_code, ErrorCode::request_timed_out);
  world.run_for(std::chrono::seconds(1));
  EXPECT_EQ(partitions_of("t"), 0u);
}

// A broker that answered with an empty list left clients waiting for ever.
TEST_P(Admin, CreatePartitionsAnswersForEveryTopic) {
  start();
  create("t");
  kafka::CreatePartitionsRequest request;
  request.timeout_ms = 10'000;
  request.topics.push_back({"t", 4, std::nullopt});
  request.topics.push_back({"none", 4, std::nullopt});
  auto response = ask(request);
  ASSERT_EQ(response.results.size(), 2u);
  EXPECT_EQ(response.results[0].error_code, ErrorCode::none);
  EXPECT_EQ(response.results[1].name, "none");
  EXPECT_EQ(response.results[1].error_code, ErrorCode::unknown_topic_or_partition);
  EXPECT_EQ(partitions_of("t"), 4u);
  EXPECT_EQ(produce("t", make_batch({{}}), -1, 3).base_offset, 0);
  EXPECT_EQ(ask(request).results[0].error_code, ErrorCode::invalid_partitions);
  request.topics[0].count = 9;
  request.validate_only = true;
  EXPECT_EQ(ask(request).results[0].error_code, ErrorCode::none);
  EXPECT_EQ(partitions_of("t"), 4u);
}

TEST_P(Admin, DescribeConfigsShowsEveryKeyAndEchoesOverrides) {
  start();
  create("t", 1, {{"retention.ms", "12345"}});
  auto all = configs("t");
  ASSERT_EQ(all.error_code, ErrorCode::none);
  EXPECT_EQ(all.configs.size(), topic_config_keys().size());
  for (const auto& entry : all.configs) {
    bool ours = entry.name == "retention.ms";
    EXPECT_EQ(entry.config_source,
              ours ? kafka::ConfigSource::topic : kafka::ConfigSource::default_value)
        << entry.name;
    EXPECT_TRUE(entry.value) << entry.name;
    if (ours) {
      EXPECT_EQ(entry.value, "12345");
    }
  }
  EXPECT_EQ(configs("t", std::vector<std::string>{}).configs.size(), all.configs.size())
      << "an empty list of keys is no list";
  EXPECT_EQ(configs("t", std::vector<std::string>{"segment.ms"}).configs.size(), 1u);
  EXPECT_EQ(configs("none").error_code, ErrorCode::unknown_topic_or_partition);
}

TEST_P(Admin, DescribeConfigsSaysWhereAValueComesFrom) {
  config.broker.log_retention_ms = 777;
  start();
  create("t", 1, {{"retention.ms", "12345"}});
  kafka::DescribeConfigsRequest request;
  request.resources.push_back(
      {topic_resource, "t", std::vector<std::string>{"retention.ms", "flush.ms"}});
  request.include_synonyms = true;
  request.include_documentation = true;
  const auto entries = ask(request).results.at(0).configs;
  ASSERT_EQ(entries.size(), 2u);
  const auto& flush = entries[0];
  EXPECT_EQ(flush.value, "9223372036854775807");
  EXPECT_EQ(flush.config_type, kafka::ConfigType::int64);
  ASSERT_EQ(flush.synonyms.size(), 1u);
  EXPECT_EQ(flush.synonyms[0].name, "log.flush.interval.ms");
  EXPECT_TRUE(flush.documentation);
  const auto& retention = entries[1];
  using Synonym = kafka::DescribeConfigsResponse::DescribeConfigsSynonym;
  EXPECT_EQ(retention.synonyms,
            (std::vector<Synonym>{
                {"retention.ms", "12345", kafka::ConfigSource::topic},
                {"log.retention.ms", "777", kafka::ConfigSource::static_broker},
                {"log.retention.ms", "604800000", kafka::ConfigSource::default_value}}));
}

TEST_P(Admin, DescribeConfigsOfABrokerHasWhatFrameworksLookFor) {
  start();
  kafka::DescribeConfigsRequest request;
  for (const char* name : {"701", "702", "", "seoul"}) {
    request.resources.push_back({kafka::ConfigResource::broker, name, std::nullopt});
  }
  request.resources.push_back({static_cast<kafka::ConfigResource>(77), "x", std::nullopt});
  const auto results = ask(request).results;
  std::map<std::string, std::string> own;
  for (const auto& entry : results.at(0).configs) own[entry.name] = entry.value.value_or("");
  const std::map<std::string, std::string> expected = {{"auto.create.topics.enable", "true"},
                                                       {"broker.id", "701"},
                                                       {"default.replication.factor", "1"},
                                                       {"delete.topic.enable", "true"},
                                                       {"log.retention.ms", "604800000"},
                                                       {"message.max.bytes", "1048588"},
                                                       {"min.insync.replicas", "1"},
                                                       {"num.partitions", "3"},
                                                       {"offsets.topic.replication.factor", "1"}};
  for (const auto& [name, value] : expected) EXPECT_EQ(own[name], value) << name;
  EXPECT_TRUE(own.contains("inter.broker.protocol.version"));
  EXPECT_EQ(results.at(1).error_code, ErrorCode::invalid_request);
  EXPECT_TRUE(results.at(2).configs.empty()) << "nothing is set for all brokers at run time";
  EXPECT_EQ(results.at(3).error_code, ErrorCode::invalid_request);
  EXPECT_EQ(results.at(4).error_code, ErrorCode::invalid_request);
}

TEST_P(Admin, MinInsyncReplicasAboveTheReplicasIsKept) {
  start();
  create("t", 1, {{"min.insync.replicas", "2"}});
  EXPECT_EQ(configs("t", std::vector<std::string>{"min.insync.replicas"}).configs[0].value, "2");
  EXPECT_EQ(produce("t", make_batch({{}})).error_code, ErrorCode::none);
}

TEST_P(Admin, ConfigsThatWereChangedAreInForceAndStay) {
  start();
  create("t");
  EXPECT_EQ(set("t", "max.message.bytes", "100"), ErrorCode::none);
  EXPECT_EQ(produce("t", make_batch({{1, std::string(200, 'x')}})).error_code,
            ErrorCode::message_too_large);
  EXPECT_EQ(set("t", "max.message.bytes", "a lot"), ErrorCode::invalid_config);
  EXPECT_EQ(set("t", "cleanup.policy", "compact", kafka::ConfigOperation::append),
            ErrorCode::invalid_request);
  EXPECT_EQ(set("none", "retention.ms", "1"), ErrorCode::unknown_topic_or_partition);
  lose_power();
  EXPECT_EQ(configs("t", std::vector<std::string>{"max.message.bytes"}).configs[0].value, "100");
  EXPECT_EQ(set("t", "max.message.bytes", std::nullopt, kafka::ConfigOperation::remove),
            ErrorCode::none);
  EXPECT_EQ(produce("t", make_batch({{1, std::string(200, 'x')}})).error_code, ErrorCode::none);
}

TEST_P(Admin, AlterConfigsReplacesAllOverrides) {
  start();
  create("t", 1, {{"retention.ms", "5"}, {"segment.ms", "6"}});
  kafka::AlterConfigsRequest request;
  auto& resource = request.resources.emplace_back();
  resource.resource_type = topic_resource;
  resource.resource_name = "t";
  resource.configs.push_back({"segment.ms", "7"});
  EXPECT_EQ(ask(std::move(request)).responses.at(0).error_code, ErrorCode::none);
  std::map<std::string, std::string> overrides;
  for (const auto& entry : configs("t").configs) {
    if (entry.config_source == kafka::ConfigSource::topic)
      overrides[entry.name] = entry.value.value_or("");
  }
  EXPECT_EQ(overrides, (std::map<std::string, std::string>{{"segment.ms", "7"}}));
}

TEST_P(Admin, DeleteRecordsMovesTheStartForwardOnly) {
  start();
  create("t");
  produce("t", make_batch({{}, {}, {}, {}}));
  auto delete_before = [&](Offset offset) {
    kafka::DeleteRecordsRequest request;
    request.topics.push_back({"t", {{0, offset}}});
    return ask(std::move(request)).topics.at(0).partitions.at(0);
  };
  EXPECT_EQ(delete_before(2).low_watermark, 2);
  EXPECT_EQ(list_offset("t", -2).offset, 2);
  EXPECT_EQ(fetch("t", {.offset = 1}).error_code, ErrorCode::offset_out_of_range);
  EXPECT_EQ(fetch("t", {.offset = 2}).log_start_offset, 2);
  EXPECT_EQ(delete_before(1).low_watermark, 2);
  EXPECT_EQ(delete_before(5).error_code, ErrorCode::offset_out_of_range);
  EXPECT_EQ(delete_before(-1).low_watermark, 4) << "-1 is the high watermark";
  EXPECT_EQ(produce("t", make_batch({{}})).base_offset, 4);
}

TEST_P(Admin, RecordsOfTheClustersOwnTopicsAreNotDeleted) {
  start();
  create("__consumer_offsets", 2);
  kafka::DeleteRecordsRequest request;
  request.topics.push_back({"__consumer_offsets", {{0, -1}}});
  EXPECT_EQ(ask(std::move(request)).topics.at(0).partitions.at(0).error_code,
            ErrorCode::invalid_topic_exception);
}

}  // namespace
}  // namespace isthmus::broker
