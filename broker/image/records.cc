#include "broker/image/records.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <utility>

#include "base/crypto.h"
#include "broker/image/topic_records.h"
#include "kafka/gen/acl_record.h"
#include "kafka/gen/broker_record.h"
#include "kafka/gen/cluster_record.h"
#include "kafka/gen/deleted_topic_record.h"
#include "kafka/gen/group_owner_record.h"
#include "kafka/gen/link_record.h"
#include "kafka/gen/producer_ids_record.h"
#include "kafka/gen/quota_record.h"
#include "kafka/gen/routes_record.h"
#include "kafka/gen/starts_record.h"
#include "kafka/gen/switchover_record.h"
#include "kafka/gen/user_record.h"
#include "kafka/wire.h"

namespace isthmus::broker {

namespace {

using Change = MetadataStore::Change;

template <typename Record>
Result<Record> decode(const Slice& value) {
  kafka::Reader reader(value);
  int16_t version = reader.int16();
  return Record::decode(reader, version);
}

template <typename Record>
Slice encode(const Record& record) {
  return kafka::encode_versioned(record, Record::max_version);
}

constexpr std::string_view acl_folder = "/acls/";

kafka::AclRecord record_of(const Acl& acl) {
  return {acl.type,      acl.pattern,    acl.name, acl.principal, acl.host,
          acl.operation, acl.permission, "",       false};
}

// The part of `key` after `prefix`, or nothing.
std::optional<std::string> after(const std::string& key, std::string_view prefix) {
  if (!key.starts_with(prefix)) return std::nullopt;
  return key.substr(prefix.size());
}

Result<void> apply_deleted(Image& image, const std::string& text, const Change& change) {
  auto id = Uuid::parse(text);
  if (!id) return fail(id.error());
  image.deleted.erase(*id);
  if (!change.value) return {};
  auto record = decode<kafka::DeletedTopicRecord>(*change.value);
  if (!record) return fail(record.error());
  image.deleted[*id] = {*id, record->name, record->partitions, change.version};
  return {};
}

Result<void> apply_link(Image& image, const std::string& name, const Change& change) {
  image.links.erase(name);
  if (!change.value) return {};
  auto record = decode<kafka::LinkRecord>(*change.value);
  if (!record) return fail(record.error());
  LinkImage link;
  link.name = name;
  link.source_name = record->source_name;
  link.source_number = record->source_number;
  link.source_cluster_id = record->source_cluster_id;
  link.epoch = record->epoch;
  for (auto& r : record->reachable) link.reachable[r.number] = r.cluster_id;
  link.source_starts = record->source_starts;
  link.source_started_at = record->source_started_at;
  link.begins = record->begins;
  link.paused = record->paused;
  for (auto& f : record->forgotten) link.forgotten.push_back({f.cluster_id, f.number});
  link.version = change.version;
  image.links[name] = std::move(link);
  return {};
}

Result<void> apply_switchover(Image& image, const std::string& link, const Change& change) {
  image.switchovers.erase(link);
  if (!change.value) return {};
  auto record = decode<kafka::SwitchoverRecord>(*change.value);
  if (!record) return fail(record.error());
  SwitchoverImage& switchover = image.switchovers[link];
  switchover.link = link;
  switchover.id = record->switchover_id;
  switchover.phase = record->phase;
  switchover.failover = record->failover;
  switchover.route_version = record->route_version;
  switchover.abandoned = record->abandoned;
  switchover.peer = {record->peer_id, record->peer_number};
  for (const auto& topic : record->promoted) {
    auto& partitions = switchover.promoted[topic.name];
    for (const auto& p : topic.partitions) {
      partitions.push_back(
          {p.leader_epoch, p.end_offset, p.next_offset, p.source_end_offset, p.open_transactions});
    }
  }
  for (const auto& topic : record->handed) switchover.handed[topic.topic_id] = topic.end_offsets;
  for (const auto& fence : record->fences) switchover.fences[fence.node_id] = fence.number;
  switchover.groups_given = record->groups_given;
  switchover.version = change.version;
  return {};
}

Result<void> apply_group(Image& image, const std::string& group, const Change& change) {
  image.groups.erase(group);
  if (!change.value) return {};
  auto record = decode<kafka::GroupOwnerRecord>(*change.value);
  if (!record) return fail(record.error());
  image.groups[group] = {record->link, record->parted, change.version};
  return {};
}

std::vector<uint8_t> bytes_of(const Slice& bytes) {
  return {bytes.view().begin(), bytes.view().end()};
}

Result<void> apply_user(Image& image, const std::string& name, const Change& change) {
  auto users = std::make_shared<UserImages>(*image.users);
  users->erase(name);
  if (change.value) {
    auto record = decode<kafka::UserRecord>(*change.value);
    if (!record) return fail(record.error());
    UserImage user{name, {}, {record->link, record->made_here}, change.version};
    for (const auto& c : record->credentials) {
      const bool is_sha_512 = c.mechanism == kafka::ScramMechanism::scram_sha_512;
      user.credentials[c.mechanism] = {is_sha_512 ? HashAlgorithm::sha512 : HashAlgorithm::sha256,
                                       bytes_of(c.salt), bytes_of(c.stored_key),
                                       bytes_of(c.server_key), c.iterations};
    }
    (*users)[name] = std::move(user);
  }
  image.users = std::move(users);
  // A deletion has no version of its own: two of them must not look alike.
  ++image.users_version;
  return {};
}

Result<void> apply_quota(Image& image, const std::string& key, const Change& change) {
  image.quotas.erase(key);
  if (!change.value) return {};
  auto record = decode<kafka::QuotaRecord>(*change.value);
  if (!record) return fail(record.error());
  QuotaImage quota;
  for (auto& part : record->entity) {
    auto* place = quota.entity.part(part.entity_type);
    if (place == nullptr) return fail("unknown type of entity " + part.entity_type);
    *place = std::move(part.entity_name);
  }
  for (auto& value : record->values) quota.values[value.name] = value.value;
  if (quota.entity.key() != key) return fail("its record is of " + quota.entity.to_string());
  quota.follows = {record->link, record->made_here};
  quota.version = change.version;
  image.quotas[key] = std::move(quota);
  return {};
}

Result<void> apply_routes(Image& image, const Change& change) {
  image.routes = {};
  if (!change.value) return {};
  auto record = decode<kafka::RoutesRecord>(*change.value);
  if (!record) return fail(record.error());
  // The key of the cluster comes before this one: its name is known.
  image.routes.takeovers =
      kafka::takeovers_in(record->taken_over, record->route_version, image.cluster_name);
  image.routes.version = change.version;
  return {};
}

Result<void> apply_acl(AclImage& acls, const Change& change) {
  const auto known = acls.entries.find(change.key);
  if (known != acls.entries.end()) {
    acls.set.remove(known->second.acl);
    acls.entries.erase(known);
  }
  if (!change.value) return {};
  auto record = decode<kafka::AclRecord>(*change.value);
  if (!record) return fail(record.error());
  Acl acl{record->resource_type, record->pattern_type, record->name,      record->principal,
          record->host,          record->operation,    record->permission};
  // One that is not understood might deny.
  if (auto ok = check_acl(acl); !ok) return ok;
  acls.set.add(acl);
  acls.entries[change.key] = {std::move(acl), {record->link, record->made_here}, change.version};
  return {};
}

Result<NodeId> node_of(const std::string& text) {
  NodeId id = -1;
  const char* last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, id);
  if (error != std::errc() || end != last || id < 0) return fail("not a node id");
  return id;
}

// Keys that are written once for the whole cluster, and never deleted, but for brokers that leave.
Result<bool> apply_single(Image& image, const Change& change) {
  if (auto node = after(change.key, "/brokers/"); node && !change.value) {
    auto id = node_of(*node);
    if (!id) return fail(id.error());
    image.brokers.erase(*id);
    return true;
  }
  if (!change.value) return false;
  if (change.key == "/cluster") {
    auto record = decode<kafka::ClusterRecord>(*change.value);
    if (!record) return fail(record.error());
    image.cluster_name = record->name;
    image.cluster_number = record->number;
    image.cluster_id = record->cluster_id;
    image.incarnation = record->incarnation;
    image.cluster_version = change.version;
    return true;
  }
  if (change.key == "/producer_ids") {
    auto record = decode<kafka::ProducerIdsRecord>(*change.value);
    if (!record) return fail(record.error());
    image.next_producer_id = record->next;
    image.producer_ids_version = change.version;
    return true;
  }
  if (auto node = after(change.key, "/brokers/")) {
    auto record = decode<kafka::BrokerRecord>(*change.value);
    if (!record) return fail(record.error());
    auto id = node_of(*node);
    if (!id) return fail(id.error());
    BrokerImage& broker = image.brokers[*id];
    broker = {record->starts,
              record->fenced,
              std::move(record->rack),
              record->directory_id,
              {},
              change.version,
              record->drain,
              record->leader_throttled_rate,
              record->follower_throttled_rate};
    for (auto& e : record->endpoints) {
      const auto port = static_cast<uint16_t>(e.port);
      if (port != e.port) return fail("not a port");
      broker.endpoints.push_back({std::move(e.listener), {std::move(e.host), port}, e.for_brokers});
    }
    // Where one broker was all of the cluster, and no record of the cluster's starts is there yet.
    const bool is_of_cluster = !record->start_times.empty();
    if (is_of_cluster && image.starts.version == MetadataStore::absent) {
      image.starts = {record->starts, std::move(record->start_times), MetadataStore::absent};
    }
    return true;
  }
  if (change.key == "/starts") {
    auto record = decode<kafka::StartsRecord>(*change.value);
    if (!record) return fail(record.error());
    image.starts = {record->number, std::move(record->times), change.version};
    return true;
  }
  return false;
}

bool is_access(const std::string& key) {
  return key.starts_with(acl_folder) || key.starts_with("/users/") || key.starts_with("/quotas/");
}

Result<void> apply_one(Image& image, RecordedTopics& topics, const Change& change) {
  if (auto name = after(change.key, "/topics/")) return topics.apply_topic(*name, change);
  if (auto place = after(change.key, "/partitions/")) {
    topics.add_partition(std::move(*place), change);
    return {};
  }
  if (auto id = after(change.key, "/deleted/")) return apply_deleted(image, *id, change);
  if (auto name = after(change.key, "/links/")) return apply_link(image, *name, change);
  if (auto name = after(change.key, "/switchovers/")) return apply_switchover(image, *name, change);
  if (auto name = after(change.key, "/groups/")) return apply_group(image, *name, change);
  if (auto name = after(change.key, "/users/")) return apply_user(image, *name, change);
  if (auto entity = after(change.key, "/quotas/")) return apply_quota(image, *entity, change);
  if (change.key == "/routes") return apply_routes(image, change);
  auto known = apply_single(image, change);
  if (!known) return fail(known.error());
  if (!*known) return fail("unknown key: written by a newer release?");
  return {};
}

}  // namespace

Result<std::shared_ptr<const Image>> apply(const Image& before,
                                           const std::vector<Change>& changes) {
  auto image = std::make_shared<Image>(before);
  ++image->number;
  std::shared_ptr<AclImage> acls;
  RecordedTopics topics(*image);
  for (const auto& change : changes) {
    if (is_access(change.key)) ++image->access_changes;
    const bool is_acl = change.key.starts_with(acl_folder);
    if (is_acl && !acls) image->acls = acls = std::make_shared<AclImage>(*before.acls);
    if (auto ok = is_acl ? apply_acl(*acls, change) : apply_one(*image, topics, change); !ok) {
      return fail(Error::corrupt("metadata key " + change.key + ": " + ok.error().text));
    }
  }
  if (auto ok = topics.finish(); !ok) return fail(ok.error());
  return image;
}

void Plan::add(Plan other) {
  std::ranges::move(other.checks, std::back_inserter(checks));
  std::ranges::move(other.puts, std::back_inserter(puts));
}

void Plan::add(std::string key, std::optional<Slice> value, int64_t version) {
  checks.push_back({key, version});
  puts.push_back({std::move(key), std::move(value)});
}

void Plan::put(const LinkImage& link) {
  kafka::LinkRecord record;
  record.source_name = link.source_name;
  record.source_number = link.source_number;
  record.source_cluster_id = link.source_cluster_id;
  record.epoch = link.epoch;
  for (const auto& [number, id] : link.reachable) record.reachable.push_back({number, id});
  record.source_starts = link.source_starts;
  record.source_started_at = link.source_started_at;
  record.begins = link.begins;
  record.paused = link.paused;
  for (const auto& gone : link.forgotten) record.forgotten.push_back({gone.id, gone.number});
  add("/links/" + link.name, encode(record), link.version);
}

void Plan::put(const SwitchoverImage& switchover) {
  kafka::SwitchoverRecord record;
  record.switchover_id = switchover.id;
  record.phase = switchover.phase;
  record.failover = switchover.failover;
  record.route_version = switchover.route_version;
  record.abandoned = switchover.abandoned;
  record.peer_id = switchover.peer.id;
  record.peer_number = switchover.peer.number;
  for (const auto& [name, partitions] : switchover.promoted) {
    auto& topic = record.promoted.emplace_back();
    topic.name = name;
    for (const auto& p : partitions) {
      topic.partitions.push_back(
          {p.leader_epoch, p.end_offset, p.next_offset, p.source_end_offset, p.open_transactions});
    }
  }
  for (const auto& [id, ends] : switchover.handed) record.handed.push_back({id, ends});
  for (const auto& [node, number] : switchover.fences) record.fences.push_back({node, number});
  record.groups_given = switchover.groups_given;
  add("/switchovers/" + switchover.link, encode(record), switchover.version);
}

void Plan::put(const RoutesImage& routes) {
  kafka::RoutesRecord record;
  record.route_version = routes.takeovers.version();
  kafka::put_takeovers(record.taken_over, routes.takeovers);
  add("/routes", encode(record), routes.version);
}

void Plan::put(const UserImage& user) {
  if (user.credentials.empty()) return add("/users/" + user.name, std::nullopt, user.version);
  kafka::UserRecord record;
  for (const auto& [mechanism, c] : user.credentials) {
    auto& out = record.credentials.emplace_back();
    out.mechanism = mechanism;
    out.iterations = c.iterations;
    out.salt = Slice::copy_of(c.salt);
    out.stored_key = Slice::copy_of(c.stored_key);
    out.server_key = Slice::copy_of(c.server_key);
  }
  record.link = user.follows.link;
  record.made_here = user.follows.made_here;
  add("/users/" + user.name, encode(record), user.version);
}

void Plan::put(const QuotaImage& quota) {
  kafka::QuotaRecord record;
  kafka::for_each_part(quota.entity, [&record](std::string_view type, const std::string& name) {
    record.entity.push_back({std::string(type), name});
  });
  for (const auto& [name, value] : quota.values) record.values.push_back({name, value});
  record.link = quota.follows.link;
  record.made_here = quota.follows.made_here;
  const bool remains = !quota.values.empty();
  add("/quotas/" + quota.entity.key(), remains ? std::optional(encode(record)) : std::nullopt,
      quota.version);
}

void Plan::put_group(const std::string& group, const GroupImage& owner) {
  kafka::GroupOwnerRecord record;
  record.link = owner.link;
  record.parted = owner.parted;
  add("/groups/" + group, encode(record), owner.version);
}

void Plan::remove_group(const std::string& group, const GroupImage& owner) {
  add("/groups/" + group, std::nullopt, owner.version);
}

std::string acl_key(const Acl& acl) {
  Sha256 hash;
  // Of version 0, which has all that an entry says.
  const Slice record = kafka::encode_versioned(record_of(acl), 0);
  hash.update(record.view());
  const auto digest = hash.finish();
  Uuid id;
  std::copy_n(digest.begin(), id.bytes.size(), id.bytes.begin());
  return std::string(acl_folder) + id.to_string();
}

void Plan::put_acl(const Acl& acl, const Follows& follows, int64_t version) {
  kafka::AclRecord record = record_of(acl);
  record.link = follows.link;
  record.made_here = follows.made_here;
  add(acl_key(acl), encode(record), version);
}

void Plan::remove_acl(const Acl& acl, int64_t version) { add(acl_key(acl), std::nullopt, version); }

void Plan::put_cluster(const Image& image) {
  kafka::ClusterRecord record;
  record.name = image.cluster_name;
  record.number = image.cluster_number;
  record.cluster_id = image.cluster_id;
  record.incarnation = image.incarnation;
  add("/cluster", encode(record), image.cluster_version);
}

namespace {
std::string broker_key(NodeId node) { return "/brokers/" + std::to_string(node); }
}  // namespace

void Plan::rely_on(NodeId broker, const Image& image) {
  const auto known = image.brokers.find(broker);
  MetadataStore::Check check{broker_key(broker), MetadataStore::absent};
  if (known != image.brokers.end()) check.version = known->second.version;
  const bool is_new =
      std::ranges::find(checks, check.key, &MetadataStore::Check::key) == checks.end();
  if (is_new) checks.push_back(std::move(check));
}

void Plan::put_broker(NodeId node, const BrokerImage& broker) {
  kafka::BrokerRecord record;
  record.starts = broker.starts;
  record.fenced = broker.fenced;
  record.rack = broker.rack;
  record.directory_id = broker.directory_id;
  record.drain = broker.drain;
  record.leader_throttled_rate = broker.leader_rate;
  record.follower_throttled_rate = broker.follower_rate;
  for (const auto& [listener, address, for_brokers] : broker.endpoints) {
    record.endpoints.push_back({listener, address.host, address.port, for_brokers});
  }
  add(broker_key(node), encode(record), broker.version);
}

void Plan::remove_broker(NodeId node, const BrokerImage& broker) {
  add(broker_key(node), std::nullopt, broker.version);
}

void Plan::put_starts(const ClusterStarts& starts) {
  kafka::StartsRecord record;
  record.number = starts.number;
  record.times = starts.times;
  add("/starts", encode(record), starts.version);
}

void Plan::put_producer_ids(const Image& image) {
  kafka::ProducerIdsRecord record;
  record.next = image.next_producer_id;
  add("/producer_ids", encode(record), image.producer_ids_version);
}

}  // namespace isthmus::broker
