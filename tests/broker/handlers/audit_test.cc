// What the audit says of requests: whatever was refused, and what became of each thing that an
// administrative API was asked for.
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "broker/handlers/audited.h"
#include "kafka/gen/alter_client_quotas.h"
#include "kafka/gen/alter_user_scram_credentials.h"
#include "kafka/gen/delete_acls.h"
#include "kafka/gen/delete_records.h"
#include "kafka/gen/delete_topics.h"
#include "kafka/gen/heartbeat.h"
#include "kafka/gen/impersonate.h"
#include "kafka/gen/incremental_alter_configs.h"
#include "kafka/gen/offset_commit.h"
#include "kafka/gen/offset_delete.h"
#include "kafka/gen/pause_link.h"
#include "kafka/gen/report_mirror.h"
#include "kafka/gen/sasl_authenticate.h"
#include "kafka/gen/sasl_handshake.h"
#include "tests/broker/handlers/authorized_world.h"

namespace isthmus::broker {
namespace {

using nlohmann::json;

class AuditOfRequests : public AuthorizedWorld {
 protected:
  AuditOfRequests() { config.audit.file = "/audit.log"; }

  std::string text() {
    world.run_for(std::chrono::milliseconds(500));
    const auto file = site.disk().find("/audit.log");
    return file ? std::string(file->data().begin(), file->data().end()) : "";
  }
  // What comes from here on is looked at; before, a loss of power may have torn lines.
  void begin() { begin_ = text().size(); }
  // Short forms: "action outcome error type resource,resource detail".
  std::vector<std::string> lines() {
    std::vector<std::string> all;
    std::istringstream in(text().substr(begin_));
    for (std::string line; std::getline(in, line);) {
      parsed_.push_back(json::parse(line));
      const json& each = parsed_.back();
      std::string form =
          each["action"].get<std::string>() + " " + each["outcome"].get<std::string>();
      for (const char* key : {"error", "resource_type"}) {
        if (each.contains(key)) form += " " + each[key].get<std::string>();
      }
      for (const auto& name : each.value("resources", json::array())) {
        form += " " + name.get<std::string>();
      }
      if (each.contains("detail")) form += " (" + each["detail"].get<std::string>() + ")";
      all.push_back(std::move(form));
    }
    begin();
    return all;
  }
  using Lines = std::vector<std::string>;
  const json& last() { return parsed_.back(); }

  size_t begin_ = 0;
  std::vector<json> parsed_;
};
ON_ONE_LOOP_AND_ON_TWO(AuditOfRequests);

TEST_P(AuditOfRequests, SaysWhoWasToldWhat) {
  start();
  begin();
  create("t", 2);
  ASSERT_EQ(lines(), Lines{"CreateTopics allowed topic t"});
  EXPECT_EQ(last()["principal"], "User:ANONYMOUS");
  EXPECT_EQ(last()["listener"], "clients");
  EXPECT_EQ(last()["client_id"], "isthmus");
  EXPECT_EQ(last()["host"].get<std::string>().empty(), false);
  EXPECT_FALSE(last().contains("impersonated_by"));

  kafka::CreateTopicsRequest request;
  for (const char* name : {"t", "u", "v"})
    request.topics.push_back({.name = name, .num_partitions = 1, .replication_factor = 1});
  request.topics[2].replication_factor = 3;
  ask(request);
  EXPECT_EQ(lines(), (Lines{"CreateTopics allowed topic u",
                            "CreateTopics failed TOPIC_ALREADY_EXISTS topic t",
                            "CreateTopics failed INVALID_REPLICATION_FACTOR topic v"}));
  request.topics.resize(2);
  request.topics.erase(request.topics.begin());
  request.topics[0].name = "w";
  request.validate_only = true;
  ask(request);
  EXPECT_EQ(lines(), Lines{"CreateTopics allowed topic w (validate)"});

  kafka::MetadataRequest metadata;
  metadata.topics = {{.name = "t"}, {.name = "used"}};
  ask(metadata);
  EXPECT_EQ(lines(), Lines{"Metadata allowed topic used (create)"});
  EXPECT_EQ(last()["client_id"], "isthmus");
  ask(metadata);
  produce("t", make_batch({{}}));
  fetch("t", {});
  list_offset("t", -1);
  EXPECT_EQ(lines(), Lines{}) << "what is allowed and administers nothing";
}

TEST_P(AuditOfRequests, HasALineForEachOutcomeOfARequest) {
  start();
  create("t", 3);
  begin();
  kafka::DeleteRecordsRequest records;
  records.topics.push_back({"t", {{0, -1}, {1, 7}, {2, -1}}});
  ask(records);
  EXPECT_EQ(lines(), (Lines{"DeleteRecords allowed topic t-0 t-2",
                            "DeleteRecords failed OFFSET_OUT_OF_RANGE topic t-1"}));
  kafka::DeleteTopicsRequest topics;
  topics.topics = {{"t", {}}, {"none", {}}};
  topics.timeout_ms = 5000;
  ask(topics);
  EXPECT_EQ(lines(), (Lines{"DeleteTopics allowed topic t",
                            "DeleteTopics failed UNKNOWN_TOPIC_OR_PARTITION topic none"}));
  create("t");
  lines();
  topics.timeout_ms = 0;
  topics.topics.pop_back();
  ask(topics);
  EXPECT_EQ(lines(), Lines{"DeleteTopics unknown REQUEST_TIMED_OUT topic t"})
      << "it is deleted nevertheless";
  kafka::AlterClientQuotasRequest quotas;
  quotas.entries.push_back(
      {{{"user", "alice"}, {"client-id", std::nullopt}}, {{"producer_byte_rate", 5, false}}});
  ask(quotas);
  EXPECT_EQ(lines(), Lines{"AlterClientQuotas allowed quota user=alice,client-id=<default>"});
  kafka::PauseLinkRequest pause;
  pause.link = "a-b";
  pause.paused = true;
  ask_peers(pause);
  ask_peers(kafka::ReportMirrorRequest{});
  const auto said = lines();
  ASSERT_EQ(said.size(), 1u) << "a mirror's daily work is not noted";
  EXPECT_TRUE(said[0].starts_with("PauseLink failed ")) << said[0];
  EXPECT_TRUE(said[0].ends_with(" link a-b (pause)")) << said[0];
  EXPECT_EQ(last()["listener"], "peers");
}

TEST_P(AuditOfRequests, HasWhatWasRefusedOfAnyApi) {
  start_with({on_cluster(Op::alter)}, [this] { create("t", 3); });
  begin();
  produce("t", make_batch({{}}));
  fetch("t", {});
  list_offset("t", -1);
  EXPECT_EQ(lines(), (Lines{"Produce refused TOPIC_AUTHORIZATION_FAILED topic t",
                            "Fetch refused TOPIC_AUTHORIZATION_FAILED topic t",
                            "ListOffsets refused TOPIC_AUTHORIZATION_FAILED topic t"}));
  run_on(*client(), raw(*connection, produce_request("t", make_batch({{}}), 0)));
  EXPECT_EQ(lines(), Lines{"Produce refused TOPIC_AUTHORIZATION_FAILED topic t"})
      << "also where nobody is answered";
  connect();
  kafka::HeartbeatRequest heartbeat;
  heartbeat.group_id = "g";
  ask(heartbeat);
  kafka::OffsetCommitRequest commit;
  commit.group_id = "g";
  commit.topics.push_back({"t", {{0, 1, -1, std::nullopt}}});
  ask(commit);
  EXPECT_EQ(lines(), (Lines{"Heartbeat refused GROUP_AUTHORIZATION_FAILED group g",
                            "OffsetCommit refused GROUP_AUTHORIZATION_FAILED group g"}));
  kafka::CreateTopicsRequest topics;
  topics.topics.push_back({.name = "u", .num_partitions = 1, .replication_factor = 1});
  ask(topics);
  EXPECT_EQ(lines(), Lines{"CreateTopics refused TOPIC_AUTHORIZATION_FAILED topic u"});
  ask_peers(kafka::ReportMirrorRequest{});
  EXPECT_EQ(lines(), Lines{"ReportMirror refused CLUSTER_AUTHORIZATION_FAILED cluster "
                           "kafka-cluster"});
}

TEST_P(AuditOfRequests, TellsEntriesOfAccessControlInWords) {
  start_with({on_cluster(Op::alter)});
  begin();
  const Acl acl = allow(Op::read, Type::topic, "t", "User:bob");
  kafka::CreateAclsRequest creation_of;
  creation_of.creations = {creation(acl), creation(allow(Op::any, Type::topic, "x"))};
  ask(creation_of);
  EXPECT_EQ(lines(),
            (Lines{"CreateAcls allowed acl allow read on topic t (literal) to User:bob from *",
                   "CreateAcls failed INVALID_REQUEST acl allow any on topic x (literal) to "
                   "User:alice from *"}));
  kafka::DeleteAclsRequest removal;
  auto filter = exactly(acl);
  filter.resource_name_filter = std::nullopt;
  filter.principal_filter = std::nullopt;
  removal.filters = {filter};
  ask(removal);
  EXPECT_EQ(lines(),
            Lines{"DeleteAcls allowed acl allow read on topic t (literal) to User:bob from *"})
      << "what was removed, not what was asked for";
  ask(removal);
  EXPECT_EQ(lines(), Lines{"DeleteAcls allowed acl allow read on topic (any) (literal) to (any) "
                           "from *"});
}

TEST_P(AuditOfRequests, NamesTheRouterThatSpeaksForSomebody) {
  start_with({on_cluster(Op::alter), may(Op::create_tokens, Type::user, "User:alice")},
             [this] { create("t"); });
  begin();
  kafka::ImpersonateRequest request;
  request.principal = "User:bob";
  request.host = "10.0.0.9";
  ask_peers(request);
  EXPECT_EQ(lines(), Lines{"Impersonate refused CLUSTER_AUTHORIZATION_FAILED user User:bob"});
  EXPECT_EQ(last()["principal"], me);
  request.principal = "User:alice";
  ask_peers(request);
  EXPECT_EQ(lines(), Lines{"Impersonate allowed user User:alice"});
  ask_by(*peers, kafka::DeleteTopicsRequest{.topics = {{"t", {}}}});
  EXPECT_EQ(lines(), Lines{"DeleteTopics refused TOPIC_AUTHORIZATION_FAILED topic t"});
  EXPECT_EQ(last()["principal"], "User:alice");
  EXPECT_EQ(last()["impersonated_by"], me);
  EXPECT_EQ(last()["host"], "10.0.0.9");
  ask_peers(request);
  EXPECT_EQ(lines(), Lines{"Impersonate refused ILLEGAL_SASL_STATE user User:alice"});
}

TEST_P(AuditOfRequests, TellsOfLogInsThatWereRefused) {
  config.listeners[0].security.protocol = process::SecurityProtocol::sasl_plaintext;
  config.listeners[0].security.mechanisms = {kafka::Mechanism::plain};
  start();
  begin();
  ask(kafka::SaslHandshakeRequest{.mechanism = "PLAIN"});
  constexpr std::string_view message("\0mallory\0s3cret-of-mallory", 26);
  const auto answer = ask(kafka::SaslAuthenticateRequest{Slice::copy_of(as_bytes(message))});
  EXPECT_EQ(answer.error_code, ErrorCode::sasl_authentication_failed);
  EXPECT_EQ(lines(), Lines{"SaslAuthenticate refused SASL_AUTHENTICATION_FAILED user mallory "
                           "(PLAIN)"});
  EXPECT_EQ(last()["principal"], "User:ANONYMOUS");
  EXPECT_EQ(text().find("s3cret"), std::string::npos);
}

TEST_P(AuditOfRequests, HoldsNoSecrets) {
  start();
  create("t");
  begin();
  kafka::AlterUserScramCredentialsRequest users;
  users.upsertions.push_back(
      {.name = "alice",
       .mechanism = kafka::ScramMechanism::scram_sha_512,
       .iterations = 4096,
       .salt = Slice::copy_of(as_bytes("planted-salt-16b")),
       .salted_password = Slice::copy_of(
           as_bytes("planted-password-of-sixty-four-bytes-planted-password-of-64-byte"))});
  ask(users);
  kafka::IncrementalAlterConfigsRequest configs;
  configs.resources.push_back({kafka::ConfigResource::topic,
                               "t",
                               {{"planted.key", kafka::ConfigOperation::set, "planted-value"}}});
  ask(configs);
  const auto said = lines();
  ASSERT_EQ(said.size(), 2u);
  EXPECT_EQ(said[0], "AlterUserScramCredentials allowed user alice");
  EXPECT_TRUE(said[1].starts_with("IncrementalAlterConfigs failed INVALID_CONFIG topic t"))
      << said[1];
  EXPECT_EQ(text().find("planted"), std::string::npos);
}

// By what its schema says that it needs.
TEST(AuditedApis, AreAllThatChangeTheCluster) {
  const std::set<Op> changing = {Op::create, Op::remove, Op::alter, Op::alter_configs,
                                 Op::create_tokens};
  std::set<std::string_view> not_noted;
  for (const auto& api : kafka::all_apis()) {
    const bool changes = std::ranges::any_of(
        api.needs, [&](kafka::Permission needed) { return changing.contains(needed.operation); });
    if (changes && audited_type(api.key).empty()) not_noted.insert(api.name);
  }
  EXPECT_EQ(not_noted, (std::set<std::string_view>{"Metadata", "ReadAccess"}))
      << "the first notes what it creates; to the second ALTER stands for what reading needs";
}

TEST_P(AuditOfRequests, WithoutAFileNothingIsWritten) {
  config.audit.file.clear();
  start();
  create("t");
  EXPECT_EQ(text(), "");
}

}  // namespace
}  // namespace isthmus::broker
