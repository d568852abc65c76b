#include "broker/image/image.h"

#include "kafka/gen/acl_record.h"
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
  topic.partitions.push_back({5 << election_bits, 4, MirrorState::failed, "diverged: text", 777});
  topic.partitions.push_back({1, 2, MirrorState::mirroring, "", -1});
  return topic;
}

std::shared_ptr<const Image> written(const Plan& plan) { return after(Image{}, plan, 12); }

TEST(Records, ATopicComesBackAsItWas) {
  TopicImage topic = topic_with_everything();
  Plan plan;
  plan.put(topic);
  ASSERT_EQ(plan.checks.size(), 1u);
  EXPECT_EQ(plan.checks[0].key, "/topics/orders");
  EXPECT_EQ(plan.checks[0].version, MetadataStore::absent);
  auto image = written(plan);
  const TopicImage* read = image->find("orders");
  ASSERT_NE(read, nullptr);
  EXPECT_EQ(image->find(uuid_of(7)), read);
  EXPECT_EQ(read->id, topic.id);
  EXPECT_EQ(read->configs, topic.configs);
  EXPECT_EQ(read->writer, topic.writer);
  EXPECT_EQ(read->promoted_at, 11);
  EXPECT_EQ(read->version, 12);
  ASSERT_EQ(read->partitions.size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(read->partitions[i].leader_epoch, topic.partitions[i].leader_epoch);
    EXPECT_EQ(read->partitions[i].recorded_at_start, topic.partitions[i].recorded_at_start);
    EXPECT_EQ(read->partitions[i].mirror_state, topic.partitions[i].mirror_state);
    EXPECT_EQ(read->partitions[i].mirror_reason, topic.partitions[i].mirror_reason);
    EXPECT_EQ(read->partitions[i].promoted_to, topic.partitions[i].promoted_to);
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
    plan.put(topic);
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
  plan.put_group("payments", {"a-to-b", -1});
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
  own.node_id = 301;
  own.starts = 8;
  own.start_times = {100, 200};
  own.next_producer_id = 5000;
  Plan plan;
  plan.put_cluster(own);
  plan.put_broker(own);
  plan.put_producer_ids(own);
  auto image = written(plan);
  EXPECT_EQ(image->cluster_name, "seoul");
  EXPECT_EQ(image->cluster_number, 32767);
  EXPECT_EQ(image->cluster_id, own.cluster_id);
  EXPECT_EQ(image->incarnation, 3);
  EXPECT_EQ(image->node_id, 301);
  EXPECT_EQ(image->starts, 8);
  EXPECT_EQ(image->start_times, own.start_times);
  EXPECT_EQ(image->next_producer_id, 5000);
  EXPECT_EQ(image->cluster_version, 12);
  EXPECT_EQ(image->broker_version, 12);
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
  for (const auto& entity : entities) plan.put(QuotaImage{entity, {{"x", 0.5}, {"y", 2}}, -1});
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
  removal.put(QuotaImage{entities[0], {}, 12});
  EXPECT_FALSE(after(*image, removal)->quotas.contains(entities[0].key()));
  auto moved = apply(Image{}, {{"/quotas/user=bob", plan.puts[0].value, 1}});
  ASSERT_FALSE(moved.has_value()) << "a record under another's key";
  EXPECT_NE(moved.error().text.find("/quotas/user=bob"), std::string::npos);
}

TEST(Records, ADeletedTopicIsGoneByNameAndById) {
  Plan plan;
  plan.put(topic_with_everything());
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
  plan.put(topic_with_everything());
  auto image = written(plan);
  removal.remove(*image->find("orders"));
  ASSERT_EQ(removal.checks.size(), 2u);
  EXPECT_EQ(removal.checks[1].version, MetadataStore::absent);
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
  first.put(topic);
  topic.id = uuid_of(8);
  second.put(topic);
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
                          "/quotas/user=a", "/cluster", "/producer_ids", "/brokers/1"}) {
    EXPECT_NE(refusal_of({key, Slice::copy_of(""), 1}).find(key), std::string::npos) << key;
    EXPECT_NE(refusal_of({key, nonsense, 1}).find(key), std::string::npos) << key;
  }
  EXPECT_NE(refusal_of({"/unheard-of/x", Slice::copy_of("x"), 1}).find("newer release"),
            std::string::npos);
}

TEST(Records, ABrokerKeyThatIsNoNumberIsAnErrorNotACrash) {
  Image own;
  Plan plan;
  plan.put_broker(own);
  EXPECT_NE(refusal_of({"/brokers/seven", plan.puts[0].value, 1}).find("/brokers/seven"),
            std::string::npos);
  EXPECT_NE(refusal_of({"/brokers/99999999999", plan.puts[0].value, 1}), "");
}

TEST(Epochs, EveryStartIsAnElection) {
  PartitionImage partition;
  partition.leader_epoch = 7;
  partition.recorded_at_start = 3;
  EXPECT_EQ(epoch_in_force(partition, 3), 7);
  EXPECT_EQ(epoch_in_force(partition, 5), 9);
  // Metadata that was rebuilt counts starts anew: never back.
  EXPECT_EQ(epoch_in_force(partition, 1), 7);
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

TEST(Records, AclsAreCopiedOnlyWhereOneChanges) {
  Plan plan;
  plan.put_acl(some_acl());
  auto image = written(plan);
  TopicImage topic = topic_with_everything();
  Plan other;
  other.put(topic);
  EXPECT_EQ(after(*image, other)->acls, image->acls);
}

// It might deny something.
TEST(Records, AnAclThatIsNotUnderstoodRefusesTheStart) {
  kafka::AclRecord record{ResourceType::topic,           PatternType::literal, "t", "User:a", "*",
                          static_cast<AclOperation>(99), AclPermission::deny};
  auto image = apply(Image{}, {{"/acls/x", kafka::encode_versioned(record, 0), 1}});
  ASSERT_FALSE(image);
  EXPECT_NE(image.error().text.find("/acls/x"), std::string::npos) << image.error().text;
}

}  // namespace
}  // namespace isthmus::broker
