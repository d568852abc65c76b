#include "broker/image/image.h"

#include <algorithm>
#include <set>
#include <utility>

#include "kafka/gen/acl_record.h"
#include "kafka/gen/broker_record.h"
#include "kafka/gen/routes_record.h"
#include "kafka/gen/switchover_record.h"
#include "kafka/gen/topic_record.h"
#include "tests/broker/apply_plan.h"

namespace isthmus::broker {
namespace {

TopicImage topic_with_everything() {
  TopicImage topic;
  topic.name = "orders";
  topic.id = uuid_of(7);
  topic.configs = {{"cleanup.policy", "compact"}, {"retention.ms", "-1"}};
  topic.writer = TopicWriter::Link{"a-to-b", 3, true};
  topic.promoted_at = 11;
  topic.replication_factor = 2;
  topic.factor_before = 3;
  topic.partitions = {{.leader = 102,
                       .leader_epoch = 5 << election_bits,
                       .recorded_at_start = 4,
                       .replicas = {101, 102, 103},
                       .isr = {102, 103},
                       .mirror_state = MirrorState::failed,
                       .mirror_reason = "diverged: text",
                       .promoted_to = 777,
                       .adding = {103},
                       .removing = {101}},
                      {.leader_epoch = 1,
                       .recorded_at_start = 2,
                       .replicas = {101},
                       .isr = {101},
                       .mirror_state = MirrorState::mirroring}};
  return topic;
}

std::shared_ptr<const Image> written(const Plan& plan) { return after(Image{}, plan, 12); }

TEST(Records, ATopicComesBackAsItWas) {
  TopicImage topic = topic_with_everything();
  Plan plan;
  plan.create(topic);
  ASSERT_EQ(plan.checks.size(), 3u);
  EXPECT_EQ(plan.checks[0].key, "/topics/orders");
  EXPECT_EQ(plan.checks[2].key, "/partitions/" + topic.id.to_string() + "/1");
  for (const auto& check : plan.checks) EXPECT_EQ(check.version, MetadataStore::absent);
  auto image = written(plan);
  const TopicImage* read = image->find("orders");
  ASSERT_NE(read, nullptr);
  EXPECT_EQ(image->find(uuid_of(7)), read);
  EXPECT_EQ(read->id, topic.id);
  EXPECT_EQ(read->configs, topic.configs);
  EXPECT_EQ(read->writer, topic.writer);
  EXPECT_EQ(read->promoted_at, 11);
  EXPECT_EQ(read->replication_factor, 2);
  EXPECT_EQ(read->factor_before, 3);
  EXPECT_EQ(read->version, 12);
  ASSERT_EQ(read->partitions.size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    topic.partitions[i].version = 12;
    EXPECT_EQ(read->partitions[i], topic.partitions[i]) << i;
  }
}

TEST(Records, WhoWritesATopicComesBackAsItWas) {
  for (const TopicWriter& writer : {TopicWriter(), TopicWriter(TopicWriter::Link{"l", 0, false}),
                                    TopicWriter(TopicWriter::Nobody{uuid_of(1), false}),
                                    TopicWriter(TopicWriter::Nobody{uuid_of(1), true})}) {
    TopicImage topic;
    topic.name = "t";
    topic.writer = writer;
    Plan plan;
    plan.create(topic);
    EXPECT_EQ(written(plan)->find("t")->writer, writer) << to_string(writer);
  }
}

// What data directories of version 0 hold: the writer is told by what is not empty, and whether a
// closed topic was handed over by the switchover's own record.
TEST(Records, ATopicOfVersion0IsReadAsItWasMeant) {
  auto value = [](const std::string& link, const Uuid& closed_by, bool moved_away) {
    kafka::TopicRecord record;
    record.topic_id = uuid_of(7);
    record.origin = 3;
    record.link = link;
    record.closed_by = closed_by;
    record.moved_away = moved_away;
    return kafka::encode_versioned(record, 0);
  };
  SwitchoverImage left;
  left.link = "l";
  left.id = uuid_of(2);
  left.phase = SwitchoverImage::Phase::stepped_down;
  Plan plan;
  plan.put(left);
  auto image = apply(Image{}, {{"/switchovers/l", plan.puts[0].value, 1},
                               {"/topics/closed", value("", uuid_of(1), false), 1},
                               {"/topics/left", value("", uuid_of(2), false), 1},
                               {"/topics/mirror", value("m", Uuid{}, true), 1},
                               {"/topics/own", value("", Uuid{}, false), 1}});
  ASSERT_TRUE(image) << image.error().text;
  auto writer = [&](const char* topic) { return (*image)->find(topic)->writer; };
  EXPECT_EQ(writer("own"), TopicWriter());
  EXPECT_EQ(writer("mirror"), TopicWriter(TopicWriter::Link{"m", 3, true}));
  EXPECT_EQ(writer("closed"), TopicWriter(TopicWriter::Nobody{uuid_of(1), false}));
  EXPECT_EQ(writer("left"), TopicWriter(TopicWriter::Nobody{uuid_of(2), true}));
}

// Of a release in which a cluster had one broker: what it says of its starts is the cluster's, and
// each partition is that broker's.
TEST(Records, PartitionsOfVersion2AreReadWithTheirTopicAndGetRecordsOfTheirOwn) {
  kafka::BrokerRecord broker;
  broker.starts = 5;
  broker.start_times = {70, 80};
  kafka::TopicRecord record;
  record.topic_id = uuid_of(7);
  record.partitions = {{3, 2, MirrorState::failed, "why", 9}, {4, 5, MirrorState::none, "", -1}};
  auto image = *apply(Image{}, {{"/brokers/101", kafka::encode_versioned(broker, 1), 3},
                                {"/topics/orders", kafka::encode_versioned(record, 2), 4}});
  EXPECT_EQ(image->starts.number, 5);
  EXPECT_EQ(image->starts.times, (std::vector<int64_t>{70, 80}));
  const TopicImage before = *image->find("orders");
  ASSERT_EQ(before.partitions.size(), 2u);
  const PartitionImage first{101, 3, 2, {101}, {101}, {}, MirrorState::failed, "why", 9, -1};
  EXPECT_EQ(before.partitions[0], first);
  EXPECT_EQ(epoch_in_force(before.partitions[0], *image), 6);

  TopicImage after_change = before;
  after_change.partitions[1].leader_epoch = 8;
  Plan plan;
  plan.change(before, after_change);
  EXPECT_EQ(plan.puts.size(), 3u) << "all of it moves at once";
  EXPECT_EQ(plan.checks[0].version, 4);
  image = after(*image, plan, 6);
  EXPECT_EQ(image->find("orders")->partitions[0].leader_epoch, 3);
  EXPECT_EQ(image->find("orders")->partitions[1].leader_epoch, 8);
  EXPECT_EQ(image->find("orders")->partitions[0].version, 6);
}

TEST(Records, AChangeOfOnePartitionWritesThatOneAlone) {
  Plan plan, change;
  plan.create(topic_with_everything());
  auto image = written(plan);
  TopicImage topic = *image->find("orders");
  topic.partitions[1].isr = {};
  change.change(*image->find("orders"), topic);
  ASSERT_EQ(change.puts.size(), 1u);
  EXPECT_EQ(change.puts[0].key, "/partitions/" + topic.id.to_string() + "/1");
  ASSERT_EQ(change.checks.size(), 2u) << "and not if the topic has another writer meanwhile";
  EXPECT_EQ(change.checks[0].key, "/topics/orders");
  auto next = after(*image, change, 13);
  EXPECT_TRUE(next->find("orders")->partitions[1].isr.empty());
  EXPECT_EQ(next->find(topic.id), next->find("orders"));
  EXPECT_EQ(next->find("orders")->version, 12);
  EXPECT_EQ(image->find("orders")->partitions[1].isr.size(), 1u) << "who reads it keeps it";

  Plan nothing;
  nothing.change(topic, topic);
  EXPECT_TRUE(nothing.checks.empty());
}

TEST(Records, ATopicThatIsRenamedKeepsItsPartitions) {
  Plan plan, change;
  plan.create(topic_with_everything());
  auto image = written(plan);
  for (const char* name : {"a-name-before", "z-name-behind"}) {
    TopicImage topic = *image->find("orders");
    topic.renamed_from = std::exchange(topic.name, name);
    Plan rename;
    rename.change(*image->find("orders"), topic);
    EXPECT_EQ(rename.puts.size(), 2u);
    auto next = after(*image, rename, 13);
    EXPECT_EQ(next->find("orders"), nullptr);
    EXPECT_EQ(next->find(name)->partitions, topic.partitions);
    EXPECT_EQ(next->find(topic.id), next->find(name));
  }
}

// A start sees keys in their order, and partitions before topics.
TEST(Records, APartitionMayComeBeforeItsTopicButNotWithoutIt) {
  Plan plan;
  plan.create(topic_with_everything());
  auto changes = changes_of(plan, 12);
  std::ranges::reverse(changes);
  EXPECT_EQ((*broker::apply(Image{}, changes))->find("orders")->partitions.size(), 2u);
  for (size_t missing = 0; missing < changes.size(); ++missing) {
    auto some = changes;
    some.erase(some.begin() + static_cast<std::ptrdiff_t>(missing));
    auto image = broker::apply(Image{}, some);
    ASSERT_FALSE(image) << missing;
    EXPECT_NE(image.error().text.find("/partitions/"), std::string::npos) << image.error().text;
  }
  auto image = after(Image{}, plan, 12);
  const std::string key = plan.puts[1].key;
  EXPECT_FALSE(apply(*image, {{key, std::nullopt, -1}})) << "taken from a topic that stays";
  for (const char* place : {"", "/", "x/1", "AAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAA/",
                            "AAAAAAAAAAAAAAAAAAAAAA/-1", "AAAAAAAAAAAAAAAAAAAAAA/1x"}) {
    EXPECT_FALSE(apply(*image, {{"/partitions/" + std::string(place), plan.puts[1].value, 1}}))
        << place;
  }
}

TEST(Records, ALinkComesBackAsItWas) {
  LinkImage link{"a-to-b",
                 "seoul",
                 4,
                 "AAAAAAAAAAAAAAAAAAAAAA",
                 17,
                 {{1, "x"}, {2, "y"}},
                 {{"one that is gone", 9}},
                 6,
                 1234,
                 true,
                 true,
                 -1};
  Plan plan;
  plan.put(link);
  auto image = written(plan);
  const LinkImage& read = image->links.at("a-to-b");
  EXPECT_EQ(read.name, link.name);
  EXPECT_EQ(read.source_name, "seoul");
  EXPECT_EQ(read.source_number, 4);
  EXPECT_EQ(read.source_cluster_id, link.source_cluster_id);
  EXPECT_EQ(read.epoch, 17);
  EXPECT_EQ(read.reachable, link.reachable);
  EXPECT_EQ(read.forgotten, link.forgotten);
  EXPECT_EQ(read.source_starts, 6);
  EXPECT_EQ(read.source_started_at, 1234);
  EXPECT_TRUE(read.begins);
  EXPECT_TRUE(read.paused);
  EXPECT_EQ(read.version, 12);
}

TEST(Records, ASwitchoverComesBackAsItWas) {
  SwitchoverImage record;
  record.link = "a-to-b";
  record.id = uuid_of(1);
  record.phase = SwitchoverImage::Phase::promoted;
  record.failover = true;
  record.peer = {"their id", 7};
  record.abandoned = {uuid_of(2), uuid_of(3)};
  record.promoted["orders"] = {{3, 100, 200, 150, 1}, {3, 7, 7, -1, 0}};
  record.handed[uuid_of(4)] = {100, 7};
  record.fences = {{1, 17}};
  record.groups_given = true;
  Plan plan;
  plan.put(record);
  auto image = written(plan);
  const SwitchoverImage& read = image->switchovers.at("a-to-b");
  EXPECT_EQ(read.link, "a-to-b");
  EXPECT_EQ(read.id, record.id);
  EXPECT_EQ(read.phase, record.phase);
  EXPECT_EQ(read.peer, record.peer);
  EXPECT_TRUE(read.failover);
  EXPECT_EQ(read.abandoned, record.abandoned);
  EXPECT_EQ(read.promoted, record.promoted);
  EXPECT_EQ(read.handed, record.handed);
  EXPECT_EQ(read.fences, record.fences);
  EXPECT_TRUE(read.groups_given);
  EXPECT_EQ(read.version, 12);
}

// As data directories hold them that an earlier release wrote.
TEST(Records, ASwitchoverOfVersion0DoesNotSayWhoTheOtherEndIs) {
  kafka::SwitchoverRecord record;
  record.switchover_id = uuid_of(1);
  record.phase = kafka::SwitchoverPhase::handed_over;
  record.abandoned = {uuid_of(2)};
  auto image = apply(Image{}, {{"/switchovers/l", kafka::encode_versioned(record, 0), 1}});
  ASSERT_TRUE(image) << image.error().text;
  const SwitchoverImage& read = (*image)->switchovers.at("l");
  EXPECT_EQ(read.id, uuid_of(1));
  EXPECT_EQ(read.abandoned, record.abandoned);
  EXPECT_FALSE(read.peer.known());
}

TEST(Records, RoutesAndGroupsComeBackAsTheyWere) {
  RoutesImage routes;
  routes.takeovers.put("a", "b", 5);
  routes.takeovers.put("c", "c", 4);
  Plan plan;
  plan.put(routes);
  plan.put_group("payments", {"a-to-b"});
  auto image = written(plan);
  EXPECT_EQ(image->routes.takeovers, routes.takeovers);
  EXPECT_EQ(image->routes.version, 12);
  EXPECT_EQ(image->groups.at("payments").link, "a-to-b");
  EXPECT_EQ(image->groups.at("payments").version, 12);
  Plan removal;
  removal.remove_group("payments", image->groups.at("payments"));
  EXPECT_EQ(removal.checks[0].version, 12);
  EXPECT_TRUE(after(*image, removal)->groups.empty());
}

// Who has logged in is looked for again when users have changed, and a deletion leaves no version.
TEST(Records, OneDeletedUserAfterAnotherIsAChangeEachTime) {
  Plan plan;
  const kafka::ScramCredential any{HashAlgorithm::sha256, {1}, {2}, {3}, kafka::least_iterations};
  for (const char* name : {"alice", "bob"}) {
    plan.put(UserImage{name, {{kafka::ScramMechanism::scram_sha_256, any}}, {}, -1});
  }
  auto image = written(plan);
  std::set<int64_t> seen{image->users_version};
  for (const char* name : {"alice", "bob"}) {
    Plan removal;
    removal.put(UserImage{name, {}, {}, image->users->at(name).version});
    image = after(*image, removal);
    EXPECT_TRUE(seen.insert(image->users_version).second) << name;
  }
}

// One version for all, and who was in charge of itself was left out.
TEST(Records, RoutesOfVersion0AreReadAsTheyWereMeant) {
  Image own;
  own.cluster_name = "seoul";
  Plan plan;
  plan.put_cluster(own);
  kafka::RoutesRecord record;
  record.route_version = 7;
  record.taken_over = {{"osaka", "tokyo", -1}};
  auto image = apply(Image{}, {{"/cluster", plan.puts[0].value, 1},
                               {"/routes", kafka::encode_versioned(record, 0), 1}});
  ASSERT_TRUE(image) << image.error().text;
  kafka::Takeovers expected;
  expected.put("osaka", "tokyo", 7);
  expected.put("tokyo", "tokyo", 7);
  expected.put("seoul", "seoul", 7);
  EXPECT_EQ((*image)->routes.takeovers, expected);
}

TEST(Records, WhoTheClusterIsComesBackAsItWas) {
  Image own;
  own.cluster_name = "seoul";
  own.cluster_number = 32767;
  own.cluster_id = uuid_of(4);
  own.incarnation = 3;
  own.next_producer_id = 5000;
  Plan plan;
  plan.put_cluster(own);
  const BrokerEndpoint clients{"CLIENT", {"k1.seoul", 9092}, false};
  const BrokerEndpoint inside{"INSIDE", {"k1.seoul", 9093}, true};
  plan.put_broker(301, {8,
                        true,
                        "row-1",
                        uuid_of(6),
                        {clients, inside},
                        MetadataStore::absent,
                        BrokerDrain::replicas,
                        7,
                        9});
  plan.put_broker(302, {.starts = 1});
  plan.put_starts({9, {100, 200}, MetadataStore::absent});
  plan.put_producer_ids(own);
  auto image = written(plan);
  EXPECT_EQ(image->cluster_name, "seoul");
  EXPECT_EQ(image->cluster_number, 32767);
  EXPECT_EQ(image->cluster_id, own.cluster_id);
  EXPECT_EQ(image->incarnation, 3);
  EXPECT_EQ(image->starts_of(301), 8);
  EXPECT_EQ(image->starts_of(302), 1);
  EXPECT_EQ(image->starts_of(303), 0);
  const BrokerImage& broker = image->brokers.at(301);
  EXPECT_EQ(broker.version, 12);
  EXPECT_TRUE(broker.fenced);
  EXPECT_EQ(broker.drain, BrokerDrain::replicas);
  EXPECT_EQ(broker.leader_rate, 7);
  EXPECT_EQ(broker.follower_rate, 9);
  EXPECT_FALSE(image->brokers.at(302).fenced);
  EXPECT_EQ(broker.rack, "row-1");
  EXPECT_EQ(broker.directory_id, uuid_of(6));
  EXPECT_EQ(broker.endpoints, (std::vector{clients, inside}));
  EXPECT_EQ(broker.endpoint("CLIENT"), &broker.endpoints[0]);
  EXPECT_EQ(broker.endpoint("other"), nullptr);
  EXPECT_EQ(broker.endpoint_for_brokers(), &broker.endpoints[1]);
  EXPECT_EQ(image->starts.number, 9);
  EXPECT_EQ(image->starts.times, (std::vector<int64_t>{100, 200}));
  EXPECT_EQ(image->starts.version, 12);
  EXPECT_EQ(image->next_producer_id, 5000);
  EXPECT_EQ(image->cluster_version, 12);
  EXPECT_EQ(image->producer_ids_version, 12);
}

TEST(Records, AQuotaComesBackAsItWasUnderAKeyOfItsOwn) {
  const std::vector<kafka::QuotaEntity> entities = {
      {"al/ice=,\xc3\xa9", std::nullopt, std::nullopt},
      {"", "app.1", std::nullopt},
      {std::nullopt, "", std::nullopt},
      {std::nullopt, "", ""},
      {std::nullopt, std::nullopt, "::1"}};
  Plan plan;
  for (const auto& entity : entities) plan.put(QuotaImage{entity, {{"x", 0.5}, {"y", 2}}, {}, -1});
  EXPECT_EQ(plan.puts[0].key, "/quotas/user=al%2Fice%3D%2C%C3%A9");
  auto image = written(plan);
  ASSERT_EQ(image->quotas.size(), entities.size());
  for (const auto& entity : entities) {
    const QuotaImage& read = image->quotas.at(entity.key());
    EXPECT_EQ(read.entity, entity) << entity.to_string();
    EXPECT_EQ(read.values, (kafka::QuotaValues{{"x", 0.5}, {"y", 2}}));
    EXPECT_EQ(read.version, 12);
  }
  Plan removal;
  removal.put(QuotaImage{entities[0], {}, {}, 12});
  EXPECT_FALSE(after(*image, removal)->quotas.contains(entities[0].key()));
  auto moved = apply(Image{}, {{"/quotas/user=bob", plan.puts[0].value, 1}});
  ASSERT_FALSE(moved.has_value()) << "a record under another's key";
  EXPECT_NE(moved.error().text.find("/quotas/user=bob"), std::string::npos);
}

TEST(Records, ADeletedTopicIsGoneByNameAndById) {
  Plan plan;
  plan.create(topic_with_everything());
  auto image = written(plan);
  Plan removal;
  removal.remove(*image->find("orders"));
  EXPECT_EQ(removal.checks[0].version, 12);
  auto without = after(*image, removal);
  EXPECT_EQ(without->find("orders"), nullptr);
  EXPECT_EQ(without->find(uuid_of(7)), nullptr);
  EXPECT_NE(image->find("orders"), nullptr) << "an image that someone reads has changed";
}

// Its folders may be found later, by whoever finds them.
TEST(Records, ADeletedTopicComesBackAsItWas) {
  Plan plan, removal, forgotten;
  plan.create(topic_with_everything());
  auto image = written(plan);
  removal.remove(*image->find("orders"));
  ASSERT_EQ(removal.checks.size(), 4u) << "the topic, its partitions, the deletion";
  EXPECT_EQ(removal.checks[3].version, MetadataStore::absent);
  image = after(*image, removal, 13);
  const DeletedTopic& read = image->deleted.at(uuid_of(7));
  EXPECT_EQ(read.id, uuid_of(7));
  EXPECT_EQ(read.name, "orders");
  EXPECT_EQ(read.partitions, 2);
  EXPECT_EQ(read.version, 13);
  forgotten.forget(read);
  EXPECT_EQ(forgotten.checks[0].version, 13);
  EXPECT_TRUE(after(*image, forgotten)->deleted.empty());
}

// A topic recreated under its name: whoever still knows the old id must not reach the new topic.
TEST(Records, ARecreatedTopicLeavesTheOldIdUnknown) {
  TopicImage topic = topic_with_everything();
  Plan first, second;
  first.create(topic);
  topic.id = uuid_of(8);
  second.remove(*written(first)->find("orders"));
  second.create(topic);
  auto image = after(*written(first), second);
  EXPECT_EQ(image->find(uuid_of(7)), nullptr);
  EXPECT_NE(image->find(uuid_of(8)), nullptr);
}

std::string refusal_of(MetadataStore::Change change) {
  auto image = broker::apply(Image{}, std::vector<MetadataStore::Change>{std::move(change)});
  EXPECT_FALSE(image);
  return image ? "" : image.error().text;
}

TEST(Records, WhatThisReleaseCannotReadIsAnErrorThatNamesTheKey) {
  Slice nonsense = Slice::copy_of("\0\x63nonsense");
  for (const char* key : {"/topics/t", "/links/l", "/switchovers/l", "/groups/g", "/routes",
                          "/quotas/user=a", "/cluster", "/producer_ids", "/brokers/1", "/starts"}) {
    EXPECT_NE(refusal_of({key, Slice::copy_of(""), 1}).find(key), std::string::npos) << key;
    EXPECT_NE(refusal_of({key, nonsense, 1}).find(key), std::string::npos) << key;
  }
  EXPECT_NE(refusal_of({"/unheard-of/x", Slice::copy_of("x"), 1}).find("newer release"),
            std::string::npos);
}

TEST(Records, ABrokerThatIsRemovedIsNotThereAnyMore) {
  Plan plan, removal;
  plan.put_broker(301, {.starts = 1});
  plan.put_broker(302, {.starts = 1});
  const auto image = written(plan);
  removal.remove_broker(301, image->brokers.at(301));
  EXPECT_EQ(removal.checks.at(0).version, 12);
  const auto left = after(*image, removal, 13);
  EXPECT_FALSE(left->brokers.contains(301));
  EXPECT_TRUE(left->brokers.contains(302));
}

TEST(Records, ABrokerKeyThatIsNoNumberIsAnErrorNotACrash) {
  Plan plan;
  plan.put_broker(1, {});
  EXPECT_NE(refusal_of({"/brokers/seven", plan.puts[0].value, 1}).find("/brokers/seven"),
            std::string::npos);
  EXPECT_NE(refusal_of({"/brokers/99999999999", plan.puts[0].value, 1}), "");
}

TEST(Epochs, EveryStartIsAnElection) {
  const auto epoch_after = [](NodeId leader, int32_t starts) {
    Image image;
    image.brokers[101].starts = starts;
    image.brokers[102].starts = 99;
    return epoch_in_force({.leader = leader, .leader_epoch = 7, .recorded_at_start = 3}, image);
  };
  EXPECT_EQ(epoch_after(101, 3), 7);
  EXPECT_EQ(epoch_after(101, 5), 9) << "of its leader, and of no other";
  EXPECT_EQ(epoch_after(-1, 5), 7);
  EXPECT_EQ(epoch_after(103, 5), 7);
  // Metadata that was rebuilt counts starts anew: never back.
  EXPECT_EQ(epoch_after(101, 1), 7);
}

TEST(Epochs, APromotionGoesBeyondEveryElectionThatTheOldSiteMayHold) {
  const LeaderEpoch most_elections = (1 << election_bits) - 1;
  EXPECT_EQ(next_generation(0), 1 << election_bits);
  EXPECT_GT(next_generation(5), most_elections);
  EXPECT_EQ(next_generation((3 << election_bits) + 12), 4 << election_bits);
  EXPECT_EQ(next_generation((3 << election_bits) + most_elections), 4 << election_bits);
}

Acl some_acl() {
  return {ResourceType::topic, PatternType::prefixed, "app.", "User:alice", "10.0.0.1",
          AclOperation::write, AclPermission::deny};
}

TEST(Records, AnAclComesBackAsItWasAndGoes) {
  Plan plan;
  plan.put_acl(some_acl());
  ASSERT_EQ(plan.checks.size(), 1u);
  EXPECT_EQ(plan.checks[0].version, MetadataStore::absent);
  EXPECT_TRUE(plan.checks[0].key.starts_with("/acls/"));
  auto image = written(plan);
  EXPECT_TRUE(image->acls->set.contains(some_acl()));
  EXPECT_EQ(image->acl_set()->size(), 1u);
  EXPECT_EQ(image->acls->entries.at(plan.checks[0].key).version, 12);

  Plan removal;
  removal.remove_acl(some_acl(), 12);
  EXPECT_EQ(removal.checks[0].key, plan.checks[0].key);
  auto without = after(*image, removal);
  EXPECT_EQ(without->acls->set.size(), 0u);
  EXPECT_TRUE(without->acls->entries.empty());
  EXPECT_EQ(image->acls->set.size(), 1u) << "who reads the image before keeps it";
}

// Data directories of before have it under the same key.
TEST(Records, WhatAnAclFollowsIsNoPartOfItsKey) {
  Plan plan;
  plan.put_acl(some_acl(), {"a-b", true});
  auto image = written(plan);
  const auto& entry = image->acls->entries.at(acl_key(some_acl()));
  EXPECT_EQ(entry.follows, (Follows{"a-b", true}));
  EXPECT_EQ(image->access_changes, 1);
  Plan own;
  own.put_acl(some_acl(), {}, entry.version);
  EXPECT_EQ(own.checks[0].key, plan.checks[0].key);
  image = after(*image, own);
  EXPECT_EQ(image->acls->entries.at(acl_key(some_acl())).follows, Follows{});
  EXPECT_EQ(image->acls->set.size(), 1u);
  EXPECT_EQ(image->access_changes, 2);
  kafka::AclRecord old{ResourceType::topic, PatternType::literal, "t", "User:a", "*",
                       AclOperation::read,  AclPermission::allow, "",  false};
  image = after(Image{}, Plan{{}, {{"/acls/x", kafka::encode_versioned(old, 0)}}});
  EXPECT_EQ(image->acls->entries.at("/acls/x").follows, Follows{});
}

TEST(Records, AclsAreCopiedOnlyWhereOneChanges) {
  Plan plan;
  plan.put_acl(some_acl());
  auto image = written(plan);
  TopicImage topic = topic_with_everything();
  Plan other;
  other.create(topic);
  EXPECT_EQ(after(*image, other)->acls, image->acls);
}

// It might deny something.
TEST(Records, AnAclThatIsNotUnderstoodRefusesTheStart) {
  kafka::AclRecord record{ResourceType::topic,           PatternType::literal, "t", "User:a", "*",
                          static_cast<AclOperation>(99), AclPermission::deny,  "",  false};
  auto image = apply(Image{}, {{"/acls/x", kafka::encode_versioned(record, 0), 1}});
  ASSERT_FALSE(image);
  EXPECT_NE(image.error().text.find("/acls/x"), std::string::npos) << image.error().text;
}

}  // namespace
}  // namespace isthmus::broker
