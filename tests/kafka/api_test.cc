#include "kafka/api.h"

#include <gtest/gtest.h>

#include "kafka/gen/metadata.h"
#include "kafka/gen/offset_commit_key.h"
#include "kafka/gen/offset_commit_value.h"

namespace isthmus::kafka {
namespace {

TEST(Api, IsFoundByItsKey) {
  const ApiInfo* fetch = find_api(1);
  ASSERT_NE(fetch, nullptr);
  EXPECT_EQ(fetch->key, ApiKey::fetch);
  EXPECT_EQ(fetch->name, "Fetch");
  EXPECT_FALSE(fetch->is_private);
  EXPECT_EQ(find_api(-1), nullptr);
  EXPECT_EQ(find_api(999), nullptr);
  EXPECT_EQ(find_api(32767), nullptr);
}

TEST(Api, TableIsInAscendingOrderAndPrivateKeysStandApart) {
  const auto apis = all_apis();
  for (size_t i = 1; i < apis.size(); ++i) EXPECT_LT(apis[i - 1].key, apis[i].key);
  for (const ApiInfo& api : apis) {
    EXPECT_EQ(api.is_private, static_cast<int>(api.key) >= 10000) << api.name;
    EXPECT_LE(api.advertised_min, api.min_version) << api.name;
    EXPECT_LE(api.min_version, api.max_version) << api.name;
  }
}

// Whoever adds an API says in its schema who may use it; ApiVersions is asked before anybody has
// said who he is.
TEST(Api, SaysWhatItNeeds) {
  for (const ApiInfo& api : all_apis()) {
    const bool comes_first = api.key == ApiKey::api_versions || api.key == ApiKey::sasl_handshake ||
                             api.key == ApiKey::sasl_authenticate;
    EXPECT_EQ(api.needs.empty(), comes_first) << api.name;
    for (const Permission& needed : api.needs) {
      EXPECT_GT(needed.operation, AclOperation::all) << api.name;
      EXPECT_GT(needed.resource, ResourceType::any) << api.name;
      // An ACL on anything else could not be told from one of Kafka's own APIs; to speak for a
      // user, and to read what he logs in by, is what Kafka's make and describe tokens of.
      const bool is_of_users = needed.operation == AclOperation::create_tokens ||
                               needed.operation == AclOperation::describe_tokens;
      const auto of = is_of_users ? ResourceType::user : ResourceType::cluster;
      EXPECT_TRUE(!api.is_private || needed.resource == of) << api.name;
    }
  }
  const ApiInfo* fetch = find_api(ApiKey::fetch);
  ASSERT_EQ(fetch->needs.size(), 2u);
  EXPECT_EQ(fetch->needs[0], (Permission{AclOperation::read, ResourceType::topic}));
  EXPECT_EQ(fetch->needs[1], (Permission{AclOperation::cluster_action, ResourceType::cluster}));
}

// librdkafka up to 2.11 turns features off unless exactly these versions are announced.
TEST(Api, AnnouncesWhatLibrdkafkaProbesFor) {
  struct Probe {
    ApiKey key;
    int16_t version;
  };
  for (auto [key, version] : std::initializer_list<Probe>{{ApiKey::produce, 0},
                                                          {ApiKey::produce, 3},
                                                          {ApiKey::fetch, 4},
                                                          {ApiKey::fetch, 10},
                                                          {ApiKey::list_offsets, 1},
                                                          {ApiKey::find_coordinator, 0},
                                                          {ApiKey::offset_commit, 2},
                                                          {ApiKey::offset_fetch, 1},
                                                          {ApiKey::join_group, 0},
                                                          {ApiKey::sync_group, 0},
                                                          {ApiKey::heartbeat, 0},
                                                          {ApiKey::leave_group, 0},
                                                          {ApiKey::init_producer_id, 0}}) {
    const ApiInfo* api = find_api(key);
    ASSERT_NE(api, nullptr);
    EXPECT_LE(api->advertised_min, version) << api->name;
    EXPECT_GE(api->max_version, version) << api->name;
  }
}

TEST(Api, HeaderVersions) {
  EXPECT_EQ(request_header_version(ApiKey::produce, 8), 1);
  EXPECT_EQ(request_header_version(ApiKey::produce, 9), 2);
  EXPECT_EQ(response_header_version(ApiKey::produce, 8), 0);
  EXPECT_EQ(response_header_version(ApiKey::produce, 9), 1);
  EXPECT_EQ(request_header_version(ApiKey::api_versions, 3), 2);
  EXPECT_EQ(response_header_version(ApiKey::api_versions, 3), 0) << "KIP-511";
  EXPECT_EQ(request_header_version(ApiKey::offset_delete, 0), 1);
}

TEST(RequestHeader, RoundTrip) {
  for (int16_t version : {8, 9}) {
    const RequestHeader header{0, version, 42, "kcat"};
    Writer w;
    header.encode(w);
    w.int8(77);
    Reader r(*std::move(w).finish().flatten());
    const auto back = RequestHeader::decode(r);
    ASSERT_TRUE(back);
    EXPECT_EQ(*back, header);
    EXPECT_EQ(r.int8(), 77);
  }
}

TEST(RequestHeader, OfAnUnknownApiIsReadAllTheSame) {
  Reader r(Slice::take({0x27, 0x0f, 0, 1, 0, 0, 0, 5, 0xff, 0xff}));
  const auto header = RequestHeader::decode(r);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->api_key, 9999);
  EXPECT_EQ(header->client_id, std::nullopt);
}

TEST(RequestHeader, CutOff) {
  Reader r(Slice::take({0, 1, 0, 11, 0, 0, 0, 5, 0, 4, 'k'}));
  EXPECT_FALSE(RequestHeader::decode(r));
}

TEST(ResponseHeader, RoundTrip) {
  for (auto [version, size] : {std::pair<int16_t, size_t>{8, 4}, {9, 5}}) {
    Writer w;
    encode_response_header(w, ApiKey::metadata, version, 4711);
    EXPECT_EQ(w.size(), size);
    Reader r(*std::move(w).finish().flatten());
    EXPECT_EQ(r.int32(), 4711);
    if (size == 5) r.skip_tagged_fields();
    EXPECT_TRUE(r.ok());
    EXPECT_EQ(r.remaining(), 0u);
  }
}

// A field that a version lacks has Kafka's default, not zero.
TEST(Defaults, StandInForWhatAVersionLacks) {
  MetadataRequest old;
  Writer w;
  old.encode(w, 1);
  Reader r(*std::move(w).finish().flatten());
  const auto back = MetadataRequest::decode(r, 1);
  ASSERT_TRUE(back);
  EXPECT_TRUE(back->allow_auto_topic_creation);
  EXPECT_TRUE(back->topics.has_value());
  EXPECT_EQ(MetadataResponse::MetadataResponsePartition().leader_epoch, -1);
  EXPECT_EQ(MetadataResponse().cluster_authorized_operations, std::numeric_limits<int32_t>::min());
}

// Bytes of a Kafka broker's __consumer_offsets: key v1 and value v3 of a commit.
TEST(StoredRecords, BeginWithTheirVersion) {
  OffsetCommitKey key{"g", "t", 2};
  EXPECT_EQ(encode_versioned(key, 1), Slice::take({0, 1, 0, 1, 'g', 0, 1, 't', 0, 0, 0, 2}));
  OffsetCommitValue value;
  value.offset = 7;
  value.leader_epoch = 5;
  value.commit_timestamp = 0x0102;
  EXPECT_EQ(encode_versioned(value, 3),
            Slice::take({0, 3, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2}));
}

}  // namespace
}  // namespace isthmus::kafka
