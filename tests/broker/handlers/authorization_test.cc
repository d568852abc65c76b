// Who may do what, by Kafka's APIs: each of them, and each permission that it needs.
#include <functional>
#include <set>

#include "broker/handlers/handlers.h"
#include "kafka/gen/alter_client_quotas.h"
#include "kafka/gen/alter_configs.h"
#include "kafka/gen/alter_partition_reassignments.h"
#include "kafka/gen/alter_user_scram_credentials.h"
#include "kafka/gen/create_partitions.h"
#include "kafka/gen/delete_groups.h"
#include "kafka/gen/delete_records.h"
#include "kafka/gen/delete_topics.h"
#include "kafka/gen/describe_acls.h"
#include "kafka/gen/describe_client_quotas.h"
#include "kafka/gen/describe_cluster.h"
#include "kafka/gen/describe_configs.h"
#include "kafka/gen/describe_groups.h"
#include "kafka/gen/describe_user_scram_credentials.h"
#include "kafka/gen/elect_leaders.h"
#include "kafka/gen/find_coordinator.h"
#include "kafka/gen/heartbeat.h"
#include "kafka/gen/incremental_alter_configs.h"
#include "kafka/gen/init_producer_id.h"
#include "kafka/gen/join_group.h"
#include "kafka/gen/leave_group.h"
#include "kafka/gen/list_groups.h"
#include "kafka/gen/list_partition_reassignments.h"
#include "kafka/gen/offset_commit.h"
#include "kafka/gen/offset_delete.h"
#include "kafka/gen/offset_fetch.h"
#include "kafka/gen/offset_for_leader_epoch.h"
#include "kafka/gen/sync_group.h"
#include "kafka/gen/unregister_broker.h"
#include "tests/broker/apply_plan.h"
#include "tests/broker/handlers/authorized_world.h"

namespace isthmus::broker {
namespace {

using kafka::ApiKey;
constexpr auto no_topic = ErrorCode::topic_authorization_failed;
constexpr auto no_group = ErrorCode::group_authorization_failed;
constexpr auto no_cluster = ErrorCode::cluster_authorization_failed;
constexpr auto no_transactions = ErrorCode::transactional_id_authorization_failed;

bool is_unauthorized(ErrorCode code) {
  return code == no_topic || code == no_group || code == no_cluster || code == no_transactions;
}

// A request, the entries that it needs, and what it is told where one of them is missing.
struct Case {
  ApiKey api;
  std::vector<std::pair<Acl, ErrorCode>> needs;
  std::function<ErrorCode()> ask;
};

class Authorization : public AuthorizedWorld {
 protected:
  // Everything of a cluster that a test asks about is there.
  void start_restricted(std::vector<Acl> more = {}) {
    more.push_back(on_cluster(Op::alter));  // for grant(); it lets describe the cluster, too
    start_with(more, [this] {
      create("t");
      create("__consumer_offsets", 2);
    });
  }
  std::vector<Case> cases(const std::string& topic, const std::string& group);
  std::vector<Case> of_records(const std::string& topic);
  std::vector<Case> of_topics(const std::string& topic);
  std::vector<Case> of_configs(const std::string& topic);
  std::vector<Case> of_groups(const std::string& group);
  std::vector<Case> of_offsets(const std::string& topic, const std::string& group);

  kafka::MetadataResponse metadata(kafka::MetadataRequest request, int16_t version = 12) {
    return ask(std::move(request), version);
  }
  static kafka::MetadataRequest naming(const std::string& topic, bool may_create = false) {
    kafka::MetadataRequest request;
    request.topics->push_back({Uuid{}, topic});
    request.allow_auto_topic_creation = may_create;
    return request;
  }
  static kafka::MetadataRequest naming_all() {
    kafka::MetadataRequest request;
    request.topics = std::nullopt;
    return request;
  }
  ErrorCode create_new(const std::string& name) {
    kafka::CreateTopicsRequest request;
    auto& topic = request.topics.emplace_back();
    topic.name = name;
    topic.num_partitions = topic.replication_factor = 1;
    request.validate_only = true;
    return ask(request).topics.at(0).error_code;
  }
  ErrorCode find_group(const std::string& group, int16_t version) {
    kafka::FindCoordinatorRequest request;
    request.key = group;
    request.coordinator_keys = {group};
    auto answer = ask(request, version);
    return version < 4 ? answer.error_code : answer.coordinators.at(0).error_code;
  }
  ErrorCode init_producer(std::optional<std::string> transactional_id = std::nullopt) {
    kafka::InitProducerIdRequest request;
    request.transactional_id = std::move(transactional_id);
    return ask(request).error_code;
  }
  void commit(const std::string& group) {
    kafka::OffsetCommitRequest request;
    request.group_id = group;
    request.topics.push_back({"t", {{0, 5, -1, "note"}}});
    EXPECT_EQ(ask(request).topics.at(0).partitions.at(0).error_code, ErrorCode::none);
  }
};
ON_ONE_LOOP_AND_ON_TWO(Authorization);

std::vector<Case> Authorization::of_records(const std::string& topic) {
  const Acl read = may(Op::read, Type::topic, topic);
  const Acl write = may(Op::write, Type::topic, topic);
  const Acl see = may(Op::describe, Type::topic, topic);
  const auto epoch_end = [=, this] {
    kafka::OffsetForLeaderEpochRequest request;
    request.topics.push_back({topic, {{0, -1, 0}}});
    return ask(request).topics.at(0).partitions.at(0).error_code;
  };
  return {
      {ApiKey::produce,
       {{write, no_topic}},
       [=, this] { return produce(topic, make_batch({{}})).error_code; }},
      {ApiKey::fetch, {{read, no_topic}}, [=, this] { return fetch(topic, {}).error_code; }},
      {ApiKey::list_offsets,
       {{see, no_topic}},
       [=, this] { return list_offset(topic, -1).error_code; }},
      {ApiKey::list_offsets,
       {{see, no_topic}},
       [=, this] { return list_offset(topic, 1000).error_code; }},
      {ApiKey::delete_records,
       {{may(Op::remove, Type::topic, topic), no_topic}},
       [=, this] {
         kafka::DeleteRecordsRequest request;
         request.topics.push_back({topic, {{0, 0}}});
         return ask(request).topics.at(0).partitions.at(0).error_code;
       }},
      {ApiKey::offset_for_leader_epoch, {{see, no_topic}}, epoch_end},
      {ApiKey::offset_for_leader_epoch, {{on_cluster(Op::cluster_action), no_topic}}, epoch_end},
      {ApiKey::init_producer_id, {{write, no_cluster}}, [this] { return init_producer(); }},
      {ApiKey::init_producer_id,
       {{on_cluster(Op::idempotent_write), no_cluster}},
       [this] { return init_producer(); }},
      {ApiKey::init_producer_id,
       {{may(Op::write, Type::transactional_id, "x"), no_transactions}},
       [this] { return init_producer("x"); }},
  };
}

std::vector<Case> Authorization::of_topics(const std::string& topic) {
  const std::string made = topic + "-new";
  const auto delete_one = [=, this] {
    kafka::DeleteTopicsRequest request;
    request.topics.push_back({topic, Uuid{}});
    request.timeout_ms = 10'000;
    return ask(request).responses.at(0).error_code;
  };
  const auto grow = [=, this] {
    kafka::CreatePartitionsRequest request;
    request.topics.push_back({topic, 9, std::nullopt});
    request.timeout_ms = 10'000;
    request.validate_only = true;
    return ask(request).results.at(0).error_code;
  };
  const auto create_it = [=, this] { return create_new(made); };
  return {
      {ApiKey::metadata,
       {{may(Op::describe, Type::topic, topic), no_topic}},
       [=, this] { return metadata(naming(topic)).topics.at(0).error_code; }},
      {ApiKey::create_topics, {{may(Op::create, Type::topic, made), no_topic}}, create_it},
      {ApiKey::create_topics, {{on_cluster(Op::create), no_topic}}, create_it},
      {ApiKey::create_partitions, {{may(Op::alter, Type::topic, topic), no_topic}}, grow},
      {ApiKey::delete_topics, {{may(Op::remove, Type::topic, topic), no_topic}}, delete_one},
  };
}

std::vector<Case> Authorization::of_configs(const std::string& topic) {
  const auto described = [this](kafka::ConfigResource type, const std::string& name) {
    kafka::DescribeConfigsRequest request;
    request.resources.push_back({type, name, std::nullopt});
    return ask(request).results.at(0).error_code;
  };
  const auto altered = [this](kafka::ConfigResource type, const std::string& name) {
    kafka::AlterConfigsRequest request;
    request.resources.push_back({type, name, {}});
    request.validate_only = true;
    return ask(request).responses.at(0).error_code;
  };
  const auto increased = [this](kafka::ConfigResource type, const std::string& name) {
    kafka::IncrementalAlterConfigsRequest request;
    request.resources.push_back({type, name, {}});
    request.validate_only = true;
    return ask(request).responses.at(0).error_code;
  };
  using Resource = kafka::ConfigResource;
  std::vector<Case> all;
  const auto add = [&](ApiKey api, Op operation, auto change) {
    all.push_back({api, {{may(operation, Type::topic, topic), no_topic}}, [=] {
                     return change(Resource::topic, topic);
                   }});
    all.push_back({api, {{may(operation, Type::group, "g"), no_group}}, [=] {
                     return change(Resource::group, "g");
                   }});
    all.push_back({api, {{on_cluster(operation), no_cluster}}, [=] {
                     return change(Resource::broker, "701");
                   }});
  };
  add(ApiKey::describe_configs, Op::describe_configs, described);
  add(ApiKey::alter_configs, Op::alter_configs, altered);
  add(ApiKey::incremental_alter_configs, Op::alter_configs, increased);
  return all;
}

std::vector<Case> Authorization::of_groups(const std::string& group) {
  const auto alone = [](const Acl& acl) {
    return std::vector<std::pair<Acl, ErrorCode>>{{acl, no_group}};
  };
  const auto read = alone(may(Op::read, Type::group, group));
  const auto see = alone(may(Op::describe, Type::group, group));
  return {
      {ApiKey::find_coordinator, see, [=, this] { return find_group(group, 3); }},
      {ApiKey::find_coordinator, see, [=, this] { return find_group(group, 6); }},
      {ApiKey::join_group, read,
       [=, this] {
         kafka::JoinGroupRequest request;
         request.group_id = group;
         request.session_timeout_ms = 30'000;
         request.protocol_type = "consumer";
         request.protocols.push_back({"range", Slice()});
         return ask(request).error_code;
       }},
      {ApiKey::sync_group, read,
       [=, this] {
         kafka::SyncGroupRequest request;
         request.group_id = group;
         return ask(request).error_code;
       }},
      {ApiKey::heartbeat, read,
       [=, this] {
         kafka::HeartbeatRequest request;
         request.group_id = group;
         return ask(request).error_code;
       }},
      {ApiKey::leave_group, read,
       [=, this] {
         kafka::LeaveGroupRequest request;
         request.group_id = group;
         return ask(request).error_code;
       }},
      {ApiKey::describe_groups, see,
       [=, this] {
         kafka::DescribeGroupsRequest request;
         request.groups = {group};
         return ask(request).groups.at(0).error_code;
       }},
      {ApiKey::delete_groups, alone(may(Op::remove, Type::group, group)),
       [=, this] {
         kafka::DeleteGroupsRequest request;
         request.groups_names = {group};
         return ask(request).results.at(0).error_code;
       }},
  };
}

std::vector<Case> Authorization::of_offsets(const std::string& topic, const std::string& group) {
  const std::pair topic_read{may(Op::read, Type::topic, topic), no_topic};
  const std::pair topic_seen{may(Op::describe, Type::topic, topic), no_topic};
  const std::pair group_read{may(Op::read, Type::group, group), no_group};
  const std::pair group_seen{may(Op::describe, Type::group, group), no_group};
  const std::pair group_gone{may(Op::remove, Type::group, group), no_group};
  const auto fetched = [=, this](int16_t version) {
    kafka::OffsetFetchRequest request;
    request.group_id = group;
    request.topics.emplace().push_back({topic, {0}});
    auto& of_group = request.groups.emplace_back();
    of_group.group_id = group;
    of_group.topics.emplace().push_back({topic, {0}});
    const auto answer = ask(request, version);
    if (version < 8) {
      if (answer.error_code != ErrorCode::none) return answer.error_code;
      return answer.topics.at(0).partitions.at(0).error_code;
    }
    const auto& told = answer.groups.at(0);
    if (told.error_code != ErrorCode::none) return told.error_code;
    return told.topics.at(0).partitions.at(0).error_code;
  };
  return {
      {ApiKey::offset_commit,
       {topic_read, group_read},
       [=, this] {
         kafka::OffsetCommitRequest request;
         request.group_id = group;
         request.topics.push_back({topic, {{0, 5, -1, "note"}}});
         return ask(request).topics.at(0).partitions.at(0).error_code;
       }},
      {ApiKey::offset_fetch, {topic_seen, group_seen}, [=] { return fetched(1); }},
      {ApiKey::offset_fetch, {topic_seen, group_seen}, [=] { return fetched(7); }},
      {ApiKey::offset_fetch, {topic_seen, group_seen}, [=] { return fetched(9); }},
      {ApiKey::offset_delete,
       {topic_read, group_gone},
       [=, this] {
         kafka::OffsetDeleteRequest request;
         request.group_id = group;
         request.topics.push_back({topic, {{0}}});
         const auto answer = ask(request);
         if (answer.topics.empty()) return answer.error_code;
         return answer.topics.at(0).partitions.at(0).error_code;
       }},
  };
}

std::vector<Case> Authorization::cases(const std::string& topic, const std::string& group) {
  std::vector<Case> all;
  // The topic is deleted in the end.
  for (auto& some : {of_records(topic), of_configs(topic), of_groups(group),
                     of_offsets(topic, group), of_topics(topic)}) {
    all.insert(all.end(), some.begin(), some.end());
  }
  return all;
}

TEST_P(Authorization, EachPermissionThatIsMissingIsRefusedAndAllTogetherSuffice) {
  start_restricted();
  for (const Case& c : cases("t", "g")) {
    SCOPED_TRACE(kafka::find_api(c.api)->name);
    for (const auto& [missing, refusal] : c.needs) {
      std::vector<Acl> others;
      for (const auto& [acl, code] : c.needs) {
        if (acl != missing) others.push_back(acl);
      }
      grant(others);
      EXPECT_EQ(c.ask(), refusal) << to_string(missing.operation);
    }
    std::vector<Acl> all;
    for (const auto& [acl, code] : c.needs) all.push_back(acl);
    grant(all);
    const ErrorCode answer = c.ask();
    EXPECT_FALSE(is_unauthorized(answer)) << kafka::error_name(answer);
  }
}

// Authorization comes before existence: nobody finds out names by asking.
TEST_P(Authorization, WhatMayNotBeSeenIsAnsweredTheSameWhetherItIsThereOrNot) {
  start_restricted();
  const auto there = cases("t", "g");
  const auto missing = cases("no-such-topic", "no-such-group");
  ASSERT_EQ(there.size(), missing.size());
  for (size_t i = 0; i < there.size(); ++i) {
    SCOPED_TRACE(kafka::find_api(there[i].api)->name);
    const ErrorCode answer = there[i].ask();
    EXPECT_TRUE(is_unauthorized(answer)) << kafka::error_name(answer);
    EXPECT_EQ(missing[i].ask(), answer);
  }
}

// What is added here must be refused to somebody, too.
TEST_P(Authorization, EveryApiOfKafkasHasACase) {
  start();
  // ApiVersions and log-ins ask for nothing; those beside them have tests of their own below.
  std::set<ApiKey> covered = {ApiKey::api_versions,
                              ApiKey::sasl_handshake,
                              ApiKey::sasl_authenticate,
                              ApiKey::describe_cluster,
                              ApiKey::list_groups,
                              ApiKey::describe_acls,
                              ApiKey::create_acls,
                              ApiKey::delete_acls,
                              ApiKey::describe_client_quotas,
                              ApiKey::alter_client_quotas,
                              ApiKey::elect_leaders,
                              ApiKey::alter_partition_reassignments,
                              ApiKey::list_partition_reassignments,
                              ApiKey::unregister_broker,
                              ApiKey::describe_user_scram_credentials,
                              ApiKey::alter_user_scram_credentials};
  for (const Case& c : cases("t", "g")) covered.insert(c.api);
  for (const auto& api : kafka::all_apis()) {
    if (api.is_private || find_handler(api.key) == nullptr) continue;
    EXPECT_TRUE(covered.contains(api.key)) << api.name;
  }
}

TEST_P(Authorization, UsersAndQuotasNeedTheCluster) {
  const auto users = [&] { return ask(kafka::DescribeUserScramCredentialsRequest{}).error_code; };
  const auto alter_user = [&] {
    kafka::AlterUserScramCredentialsRequest request;
    request.deletions.push_back({"alice", kafka::ScramMechanism::scram_sha_256});
    return ask(request).results.at(0).error_code;
  };
  const auto quotas = [&] { return ask(kafka::DescribeClientQuotasRequest{}).error_code; };
  const auto alter_quota = [&] {
    kafka::AlterClientQuotasRequest request;
    auto& entry = request.entries.emplace_back();
    entry.entity.push_back({"user", "alice"});
    entry.ops.push_back({"producer_byte_rate", 1000, false});
    return ask(request).entries.at(0).error_code;
  };
  // What is not refused, in the order of the questions.
  const auto served = [&](std::vector<Acl> acls) {
    start_with(acls);
    constexpr auto refused = ErrorCode::cluster_authorization_failed;
    return std::array{users() != refused, alter_user() != refused, quotas() != refused,
                      alter_quota() != refused};
  };
  EXPECT_EQ(served({on_cluster(Op::create)}), (std::array{false, false, false, false}));
  EXPECT_EQ(served({on_cluster(Op::describe)}), (std::array{true, false, false, false}));
  EXPECT_EQ(served({on_cluster(Op::alter)}), (std::array{true, true, false, false}));
  EXPECT_EQ(served({on_cluster(Op::describe_configs)}), (std::array{false, false, true, false}));
  EXPECT_EQ(served({on_cluster(Op::alter_configs)}), (std::array{false, false, true, true}));
}

TEST_P(Authorization, ReplicasAndLeadersNeedTheCluster) {
  const auto elect = [&] { return ask(kafka::ElectLeadersRequest{}).error_code; };
  const auto move = [&] { return ask(kafka::AlterPartitionReassignmentsRequest{}).error_code; };
  const auto list = [&] { return ask(kafka::ListPartitionReassignmentsRequest{}).error_code; };
  const auto unregister = [&] { return ask(kafka::UnregisterBrokerRequest{}).error_code; };
  const auto served = [&](std::vector<Acl> acls) {
    start_with(acls);
    constexpr auto refused = ErrorCode::cluster_authorization_failed;
    return std::array{elect() != refused, move() != refused, list() != refused,
                      unregister() != refused};
  };
  EXPECT_EQ(served({on_cluster(Op::create)}), (std::array{false, false, false, false}));
  EXPECT_EQ(served({on_cluster(Op::describe)}), (std::array{false, false, true, false}));
  EXPECT_EQ(served({on_cluster(Op::alter)}), (std::array{true, true, true, true}));
}

// As Kafka does: version 0 of ElectLeaders has no other place for the error.
TEST_P(Authorization, WhatWasToMoveIsRefusedByName) {
  start_with({on_cluster(Op::create)});
  constexpr auto refused = ErrorCode::cluster_authorization_failed;
  kafka::ElectLeadersRequest elect;
  elect.topic_partitions.emplace().push_back({"t", {0, 1}});
  const auto elected = ask(elect).replica_election_results;
  ASSERT_EQ(elected.size(), 1u);
  EXPECT_EQ(elected[0].topic, "t");
  ASSERT_EQ(elected[0].partition_result.size(), 2u);
  EXPECT_EQ(elected[0].partition_result[1].partition_id, 1);
  EXPECT_EQ(elected[0].partition_result[1].error_code, refused);
  kafka::AlterPartitionReassignmentsRequest move;
  auto& topic = move.topics.emplace_back();
  topic.name = "t";
  topic.partitions.push_back({1, std::nullopt});
  const auto moved = ask(move).responses;
  ASSERT_EQ(moved.size(), 1u);
  EXPECT_EQ(moved[0].partitions.at(0).partition_index, 1);
  EXPECT_EQ(moved[0].partitions.at(0).error_code, refused);
}

TEST_P(Authorization, AFetchByIdIsRefusedByTheNameBehindIt) {
  Uuid id;
  start_with({on_cluster(Op::alter)}, [&] { id = create("t"); });
  const auto by_id = [&](const Uuid& asked) {
    auto request = fetch_request("", {});
    request.topics.at(0).topic_id = asked;
    return ask(request).responses.at(0).partitions.at(0).error_code;
  };
  EXPECT_EQ(by_id(id), no_topic);
  EXPECT_EQ(by_id(uuid_of(9)), ErrorCode::unknown_topic_id);
  grant({may(Op::read, Type::topic, "t")});
  EXPECT_EQ(by_id(id), ErrorCode::none);
}

TEST_P(Authorization, OneTopicThatIsRefusedKeepsNoOtherFromBeingWritten) {
  start_with({on_cluster(Op::alter)}, [this] {
    create("mine");
    create("theirs");
  });
  grant({may(Op::write, Type::topic, "mine")});
  auto request = produce_request("theirs", make_batch({{}}));
  request.topic_data.push_back(produce_request("mine", make_batch({{}})).topic_data.at(0));
  auto answer = ask(std::move(request));
  ASSERT_EQ(answer.responses.size(), 2u);
  EXPECT_EQ(answer.responses[0].partition_responses.at(0).error_code, no_topic);
  EXPECT_EQ(answer.responses[1].partition_responses.at(0).error_code, ErrorCode::none);
  EXPECT_EQ(list_offset("mine", -1).offset, 1) << "who may write may describe";
  grant({may(Op::describe, Type::topic, "theirs")});
  EXPECT_EQ(list_offset("theirs", -1).offset, 0) << "nothing was written";
}

TEST_P(Authorization, ATransactionsBatchNeedsItsTransactionalId) {
  start_restricted();
  const auto written = [this] {
    kafka::BatchBuilder builder(
        {.producer_id = 5, .producer_epoch = 0, .base_sequence = 0, .transactional = true});
    builder.add(1000, std::nullopt, as_bytes("value"));
    auto request = produce_request("t", std::move(builder).finish());
    request.transactional_id = "x";
    return ask(std::move(request)).responses.at(0).partition_responses.at(0).error_code;
  };
  const Acl write = may(Op::write, Type::topic, "t");
  grant({write});
  EXPECT_EQ(written(), no_transactions);
  grant({write, may(Op::write, Type::transactional_id, "x")});
  EXPECT_EQ(written(), ErrorCode::invalid_txn_state) << "they are not served yet";
}

// There is no answer that could say why.
TEST_P(Authorization, ProducingWithoutAnswersIsRefusedByTheEndOfTheConnection) {
  start_restricted();
  run_on(*client(), raw(*connection, produce_request("t", make_batch({{}}), 0)));
  world.run_for(std::chrono::seconds(1));
  EXPECT_TRUE(connection->closed());
}

TEST_P(Authorization, MetadataOfAllLeavesOutWhatMayNotBeDescribed) {
  start_with({on_cluster(Op::alter)}, [this] {
    for (const char* name : {"app.a", "app.b", "other"}) create(name);
  });
  EXPECT_TRUE(metadata(naming_all()).topics.empty());
  EXPECT_TRUE(ask(kafka::MetadataRequest{}, 0).topics.empty());
  grant({prefixed(may(Op::read, Type::topic, "app."))});
  const auto seen = metadata(naming_all()).topics;
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[0].name, "app.a");
  EXPECT_EQ(seen[1].name, "app.b");
  EXPECT_EQ(metadata(naming_all()).brokers.size(), 1u) << "everyone may find the brokers";
}

TEST_P(Authorization, MetadataByIdDoesNotTellTheName) {
  Uuid id;
  start_with({on_cluster(Op::alter)}, [&] { id = create("t"); });
  kafka::MetadataRequest request;
  request.topics->push_back({id, std::nullopt});
  auto topic = metadata(request).topics.at(0);
  EXPECT_EQ(topic.error_code, no_topic);
  EXPECT_EQ(topic.name, std::nullopt);
  EXPECT_TRUE(topic.partitions.empty());
  EXPECT_TRUE(metadata(naming("t")).topics.at(0).topic_id.is_zero()) << "nor the id behind a name";
  grant({may(Op::describe, Type::topic, "t")});
  EXPECT_EQ(metadata(request).topics.at(0).name, "t");
}

TEST_P(Authorization, MetadataCreatesATopicOnlyForWhoMay) {
  start_with({on_cluster(Op::alter)});
  const Acl see = may(Op::describe, Type::topic, any_resource);
  grant({see});
  EXPECT_EQ(metadata(naming("a")).topics.at(0).error_code, ErrorCode::unknown_topic_or_partition);
  EXPECT_EQ(metadata(naming("a", true)).topics.at(0).error_code, no_topic);
  grant({see, may(Op::create, Type::topic, "a")});
  EXPECT_EQ(metadata(naming("a", true)).topics.at(0).error_code, ErrorCode::none);
  EXPECT_EQ(metadata(naming("b", true)).topics.at(0).error_code, no_topic);
  grant({see, on_cluster(Op::create)});
  EXPECT_EQ(metadata(naming("b", true)).topics.at(0).error_code, ErrorCode::none);
  grant({on_cluster(Op::create)});
  EXPECT_EQ(metadata(naming("c", true)).topics.at(0).error_code, no_topic);
}

TEST_P(Authorization, WhatIsAuthorizedIsToldToWhoAsks) {
  start_restricted();
  grant({may(Op::read, Type::topic, "t"), may(Op::read, Type::group, "g")});
  auto request = naming("t");
  constexpr int32_t unasked = INT32_MIN;
  EXPECT_EQ(metadata(request).topics.at(0).topic_authorized_operations, unasked);
  EXPECT_EQ(metadata(request, 10).cluster_authorized_operations, unasked);
  request.include_topic_authorized_operations = true;
  request.include_cluster_authorized_operations = true;
  EXPECT_EQ(metadata(request).topics.at(0).topic_authorized_operations, 1 << 3 | 1 << 8);
  EXPECT_EQ(metadata(request, 10).cluster_authorized_operations, 1 << 7 | 1 << 8);
  // Of one that is not there, too; not where it may not be described.
  auto absent = naming("not-there");
  absent.include_topic_authorized_operations = true;
  EXPECT_EQ(metadata(absent).topics.at(0).topic_authorized_operations, unasked);
  grant({may(Op::read, Type::topic, "t"), may(Op::read, Type::topic, "not-there"),
         may(Op::read, Type::group, "g")});
  EXPECT_EQ(metadata(absent).topics.at(0).error_code, ErrorCode::unknown_topic_or_partition);
  EXPECT_EQ(metadata(absent).topics.at(0).topic_authorized_operations, 1 << 3 | 1 << 8);
  kafka::DescribeClusterRequest cluster;
  EXPECT_EQ(ask(cluster).cluster_authorized_operations, unasked);
  cluster.include_cluster_authorized_operations = true;
  EXPECT_EQ(ask(cluster).cluster_authorized_operations, 1 << 7 | 1 << 8);
  commit("g");
  kafka::DescribeGroupsRequest groups;
  groups.groups = {"g", "h"};
  EXPECT_EQ(ask(groups).groups.at(0).authorized_operations, unasked);
  groups.include_authorized_operations = true;
  const auto described = ask(groups).groups;
  ASSERT_EQ(described.size(), 2u);
  EXPECT_EQ(described[0].authorized_operations, 1 << 3 | 1 << 8);
  EXPECT_EQ(described[1].error_code, no_group);
  EXPECT_EQ(described[1].authorized_operations, unasked);
}

TEST_P(Authorization, WithoutAnAuthorizerEverythingIsAuthorized) {
  start();
  create("t");
  auto request = naming("t");
  request.include_topic_authorized_operations = true;
  EXPECT_EQ(metadata(request).topics.at(0).topic_authorized_operations, 0xDF8);
}

TEST_P(Authorization, ListGroupsLeavesOutWhatMayNotBeDescribed) {
  start_with({}, [this] {
    create("t");
    create("__consumer_offsets", 2);
    commit("a");
    commit("b");
  });
  EXPECT_TRUE(ask(kafka::ListGroupsRequest{}).groups.empty());
  start_with({may(Op::read, Type::group, "a")});
  const auto some = ask(kafka::ListGroupsRequest{}).groups;
  ASSERT_EQ(some.size(), 1u);
  EXPECT_EQ(some[0].group_id, "a");
  start_with({on_cluster(Op::describe)});
  EXPECT_EQ(ask(kafka::ListGroupsRequest{}).groups.size(), 2u);
}

TEST_P(Authorization, OneGroupOrTopicThatIsRefusedKeepsNoOtherFromBeingAnswered) {
  start_with({on_cluster(Op::alter)}, [this] {
    for (const char* name : {"t", "u"}) create(name);
    create("__consumer_offsets", 2);
    commit("g");
  });
  grant({may(Op::read, Type::group, "g"), may(Op::read, Type::topic, "t")});
  kafka::OffsetCommitRequest commits;
  commits.group_id = "g";
  commits.topics.push_back({"u", {{0, 7, -1, ""}}});
  commits.topics.push_back({"t", {{0, 8, -1, ""}}});
  for (const auto& topic : ask(commits).topics) {
    EXPECT_EQ(topic.partitions.at(0).error_code, topic.name == "t" ? ErrorCode::none : no_topic);
  }
  kafka::OffsetFetchRequest fetches;
  for (const char* group : {"h", "g"}) fetches.groups.push_back({.group_id = group, .topics = {}});
  auto answer = ask(fetches);
  ASSERT_EQ(answer.groups.size(), 2u);
  EXPECT_EQ(answer.groups[0].group_id, "g");
  ASSERT_EQ(answer.groups[0].topics.size(), 1u);
  EXPECT_EQ(answer.groups[0].topics[0].partitions.at(0).committed_offset, 8);
  EXPECT_EQ(answer.groups[1].error_code, no_group);
  // All that a group has, without what may not be described.
  grant({may(Op::read, Type::group, "g")});
  answer = ask(fetches);
  EXPECT_EQ(answer.groups[0].error_code, ErrorCode::none);
  EXPECT_TRUE(answer.groups[0].topics.empty());
}

TEST_P(Authorization, DeletingByIdDoesNotTellTheName) {
  Uuid id;
  start_with({on_cluster(Op::alter)}, [&] { id = create("t"); });
  const auto remove = [&](std::optional<std::string> name) {
    kafka::DeleteTopicsRequest request;
    request.topics.push_back({name, name ? Uuid{} : id});
    request.timeout_ms = 10'000;
    return ask(request).responses.at(0);
  };
  EXPECT_EQ(remove("t").error_code, no_topic);
  EXPECT_EQ(remove("no-such-topic").error_code, no_topic);
  EXPECT_EQ(remove(std::nullopt).error_code, no_topic);
  EXPECT_EQ(remove(std::nullopt).name, std::nullopt);
  grant({may(Op::describe, Type::topic, "t")});
  EXPECT_EQ(remove(std::nullopt).error_code, no_topic);
  EXPECT_EQ(remove(std::nullopt).name, "t");
  grant({may(Op::describe, Type::topic, "no-such-topic")});
  EXPECT_EQ(remove("no-such-topic").error_code, ErrorCode::unknown_topic_or_partition);
  grant({on_cluster(Op::remove)});
  EXPECT_EQ(remove(std::nullopt).error_code, ErrorCode::none);
}

TEST_P(Authorization, ACreatedTopicsConfigurationIsToldToWhoMaySeeIt) {
  start_with({on_cluster(Op::alter)});
  kafka::CreateTopicsRequest request;
  auto& topic = request.topics.emplace_back();
  topic.name = "t";
  topic.num_partitions = topic.replication_factor = 1;
  request.validate_only = true;
  grant({on_cluster(Op::create)});
  auto answer = ask(request).topics.at(0);
  EXPECT_EQ(answer.error_code, ErrorCode::none);
  EXPECT_EQ(answer.topic_config_error_code, no_topic);
  EXPECT_EQ(answer.num_partitions, -1);
  EXPECT_TRUE(!answer.configs || answer.configs->empty());
  grant({on_cluster(Op::create), may(Op::describe_configs, Type::topic, "t")});
  answer = ask(request).topics.at(0);
  EXPECT_EQ(answer.topic_config_error_code, ErrorCode::none);
  EXPECT_EQ(answer.num_partitions, 1);
  EXPECT_FALSE(answer.configs->empty());
}

}  // namespace
}  // namespace isthmus::broker
