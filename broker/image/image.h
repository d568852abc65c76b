// Image: the picture of the cluster that everyone reads and only the controller changes.
//
// Immutable once published: a change makes a new image (topics that did not change are shared), and
// readers on any loop keep the one they have for as long as they look at it. Built from the
// metadata store's changes and from nothing else, so a restart sees what was there before it.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/ids.h"
#include "base/leader_epoch.h"
#include "base/published.h"
#include "broker/security/acls.h"
#include "io/stream.h"
#include "kafka/cluster_identity.h"
#include "kafka/gen/broker_drain.h"
#include "kafka/gen/mirror_state.h"
#include "kafka/gen/scram_mechanism.h"
#include "kafka/gen/switchover_phase.h"
#include "kafka/quota_entity.h"
#include "kafka/sasl/credential.h"
#include "kafka/takeovers.h"
#include "kafka/topic_writer.h"

namespace isthmus::broker {

using kafka::BrokerDrain;
using kafka::ClusterIdentity;
using kafka::MirrorState;
using kafka::TopicWriter;

// A record of its own: a change of the ISR does not write its topic anew.
struct PartitionImage {
  NodeId leader = -1;  // one of `isr`; -1 = none
  // The epoch as recorded, and how often the leader had been started by then. Every start is an
  // election: the epoch in force is `leader_epoch` plus the leader's starts since, so a start costs
  // one record and not one per partition. See epoch_in_force().
  LeaderEpoch leader_epoch = 0;
  int32_t recorded_at_start = 0;
  std::vector<NodeId> replicas;  // the first is preferred as leader
  std::vector<NodeId> isr;
  // Who may lead where the ISR is empty (KIP-966): whom it lost while it was smaller than
  // min.insync.replicas, and so since anything was acknowledged.
  std::vector<NodeId> elr;
  MirrorState mirror_state = MirrorState::none;
  std::string mirror_reason;  // why it failed, for the operator
  // A failover's promotion: the epoch begins where the log ended, and the next record gets this
  // offset, beyond what consumers may have read at the lost site. -1 = no gap.
  Offset promoted_to = -1;
  // Of its key in the store. -1 = it has none: an earlier release wrote it into its topic's.
  int64_t version = -1;
  // A reassignment under way (KIP-455). Both are among `replicas`: these come, and count for
  // nothing before they are in sync; those go when all who come are.
  std::vector<NodeId> adding = {}, removing = {};

  bool has_replica(NodeId node) const {
    return std::ranges::find(replicas, node) != replicas.end();
  }
  bool is_reassigned() const { return !adding.empty() || !removing.empty(); }
  friend bool operator==(const PartitionImage&, const PartitionImage&) = default;
};

constexpr int32_t max_partitions_per_topic = 10'000;

struct TopicImage {
  std::string name;
  Uuid id;
  std::vector<PartitionImage> partitions;
  std::map<std::string, std::string> configs;
  TopicWriter writer;
  // Its name before it was set aside, which its folders may still have (broker/replica/renaming.h);
  // empty: it has had one name only. No topic is renamed twice.
  std::string renamed_from;
  // The version of the routes that its latest promotion here made; 0 = it was created here. What is
  // said of a promotion elsewhere concerns the topic only if that one was later.
  int64_t promoted_at = 0;
  int64_t version = -1;  // of its key in the store
  // Replicas of each partition, as it was created or reassigned; 0: every broker has all of it,
  // also those that join later.
  int16_t replication_factor = 0;
  // What that was when the first of the reassignments that are under way was begun: it is so again
  // when all are taken back. -1: none was.
  int16_t factor_before = -1;

  bool is_mirror() const { return writer.link() != nullptr; }
  friend bool operator==(const TopicImage&, const TopicImage&) = default;
};

// Where a broker is reached, as it has said at its latest start.
struct BrokerEndpoint {
  std::string listener;
  io::Address address;
  bool for_brokers = false;  // the private APIs are served there
  friend bool operator==(const BrokerEndpoint&, const BrokerEndpoint&) = default;
};

struct BrokerImage {
  int32_t starts = 0;  // raised once per start, durably
  // It leads nothing and is in no ISR: it is starting, or was found dead.
  bool fenced = false;
  std::string rack;
  // Of the first of log.dirs. Under another id the broker has another's data, or none.
  Uuid directory_id = {};
  std::vector<BrokerEndpoint> endpoints;
  int64_t version = -1;
  BrokerDrain drain = BrokerDrain::none;
  // `leader.` and `follower.replication.throttled.rate`, as set at run time; -1 = not set.
  int64_t leader_rate = -1, follower_rate = -1;

  const BrokerEndpoint* endpoint(const std::string& listener) const;
  const BrokerEndpoint* endpoint_for_brokers() const;
};

// Each start of any broker, in the order in which they were recorded: a number that the cluster has
// given out once must never mean another start, whatever the brokers' clocks say.
struct ClusterStarts {
  int32_t number = 0;
  std::vector<int64_t> times;  // of the latest, in milliseconds; the last one last
  int64_t version = -1;
};

// A topic that was deleted, while a folder of it may be left: by a crash, by a disk that failed, or
// in a directory that was not there. What has its id is known to be deleted, whatever topic has its
// name now; metadata forget it when nothing is left (broker/replica/log_dirs.h), but in a directory
// that was replaced, and of too many the oldest (max_deleted_topics). A link may bring a topic back
// under its id: not before that.
struct DeletedTopic {
  Uuid id;
  std::string name;
  int32_t partitions = 0;
  int64_t version = -1;
};

// An incoming link: this cluster is the target.
struct LinkImage {
  std::string name;
  std::string source_name;
  ClusterNumber source_number = 0;  // 0 = a foreign cluster
  std::string source_cluster_id;    // empty: forgotten, and none came since
  int64_t epoch = 0;                // raised by each mirror process that takes the link over
  std::map<ClusterNumber, std::string> reachable;  // linked to the source: number -> cluster id
  // What had the source's name before and was given up for good: its epochs and producer ids are in
  // the logs, so neither it nor its number may come back.
  std::vector<ClusterIdentity> forgotten;
  // The source's latest start that was heard of. One that has not had it was restored from an older
  // copy: what it has written since may differ from what is here, at the same offsets and epochs.
  int32_t source_starts = 0;
  int64_t source_started_at = 0;
  // The mirror has not told yet that its first look at the source is done (mirror/first_look.h).
  bool begins = false;
  bool paused = false;  // by the operator: nothing is appended
  int64_t version = -1;

  ClusterIdentity source() const { return {source_cluster_id, source_number}; }
};

struct PromotedPartition {
  LeaderEpoch leader_epoch = -1;
  Offset end_offset = -1;         // of what was mirrored
  Offset next_offset = -1;        // that the next record gets
  Offset source_end_offset = -1;  // as last heard; -1 = never
  int32_t open_transactions = 0;  // that were aborted
  friend bool operator==(const PromotedPartition&, const PromotedPartition&) = default;
};

// One side's record of the switchovers of one link. `id` is the one under way or the last one.
struct SwitchoverImage {
  using Phase = kafka::SwitchoverPhase;
  std::string link;
  Uuid id;
  Phase phase = Phase::none;
  // The cluster at the other end: the one that was handed over to, or that has failed over; the one
  // that it was wished of. Not known: an earlier release wrote the record.
  ClusterIdentity peer;
  bool failover = false;
  int64_t route_version = 0;    // that the promotion made, here or where this site heard of it
  std::vector<Uuid> abandoned;  // ids that must never be promoted
  // At the target, what the promotion found, by topic and partition: an operator whose command died
  // with the answer learns from its repetition what was lost, and where writing goes on.
  std::map<std::string, std::vector<PromotedPartition>> promoted;
  int64_t version = -1;
  // At the source, of what is handed over: where it ends, by topic and partition, which a leader to
  // come may not know; and the number of each broker's fence under which it was looked at.
  std::map<Uuid, std::vector<Offset>> handed = {};
  std::map<NodeId, int64_t> fences = {};
  // Stepped down, and some topics stay closed after a way back: the groups are the reverse link's.
  bool groups_given = false;
};

// Which cluster has taken over what the router's YAML gives to another, as far as this one has
// heard: mirrors bring the source's entries to the target, the ends of switchovers the target's to
// the source.
struct RoutesImage {
  kafka::Takeovers takeovers;
  int64_t version = -1;
};

struct GroupImage {
  std::string link;  // the link that owns it
  // It was not handed over: what it has been here and what the link brings have parted ways, and
  // each has given out generations of its own.
  bool parted = false;
  int64_t version = -1;
};

// Of an ACL, a user or a quota: the link by which it follows another cluster (`acls: follow`), and
// whether it was here before it did. What somebody sets here is nobody's but his: it follows no
// more (mirror/access_plan.h).
struct Follows {
  std::string link;  // empty = none
  bool made_here = false;
  friend bool operator==(const Follows&, const Follows&) = default;
};

// Who may log in with a password, and what it is verified by.
struct UserImage {
  std::string name;
  std::map<kafka::ScramMechanism, kafka::ScramCredential> credentials;
  Follows follows = {};
  int64_t version = -1;
};
using UserImages = std::map<std::string, UserImage>;
// Access control lists. Copied when one of them changes, and only then.
struct AclImage {
  struct Entry {
    Acl acl;
    Follows follows = {};
    int64_t version = -1;
  };
  AclSet set;
  std::map<std::string, Entry> entries;  // by their keys in the store
};

// What one user, client id or address may use.
struct QuotaImage {
  kafka::QuotaEntity entity;
  kafka::QuotaValues values;  // never empty
  Follows follows = {};
  int64_t version = -1;
};

struct Image {
  // This cluster.
  std::string cluster_name;
  ClusterNumber cluster_number = 0;
  Uuid cluster_id;
  int8_t incarnation = 0;  // raised when the metadata is rebuilt
  int64_t next_producer_id = 0;
  int64_t cluster_version = -1, producer_ids_version = -1;
  std::map<NodeId, BrokerImage> brokers;  // all that have ever started, but for removed ones
  ClusterStarts starts;

  std::map<std::string, std::shared_ptr<const TopicImage>> topics;
  std::unordered_map<Uuid, std::shared_ptr<const TopicImage>> topics_by_id;
  std::map<Uuid, DeletedTopic> deleted;
  std::map<std::string, LinkImage> links;
  std::map<std::string, SwitchoverImage> switchovers;
  std::map<std::string, GroupImage> groups;  // those that a link owns
  std::map<std::string, QuotaImage> quotas;  // by QuotaEntity::key()
  RoutesImage routes;
  std::shared_ptr<const UserImages> users = std::make_shared<const UserImages>();
  int64_t users_version = 0;  // counts the changes that this process has seen
  std::shared_ptr<const AclImage> acls = std::make_shared<const AclImage>();
  int64_t access_changes = 0;  // of users, ACLs and quotas, since the start
  uint64_t number = 0;         // counts this process's images: a later one has a higher number

  // Shares the life of the image's.
  std::shared_ptr<const AclSet> acl_set() const { return {acls, &acls->set}; }
  const TopicImage* find(const std::string& topic) const;
  const TopicImage* find(const Uuid& id) const;
  ClusterIdentity identity() const { return {cluster_id.to_string(), cluster_number}; }
  int64_t epoch_of(const std::string& link) const;  // 0: not attached
  int32_t starts_of(NodeId broker) const;           // 0: not known, or none
};

// How many of its replicas must have a record durably before acks=all is answered: what its topic
// says, or a majority. Who is being added is none of them yet.
int min_insync_replicas(const TopicImage& topic, const PartitionImage& partition);

// Whether `node` may be elected, or be counted as having a copy, though others could be: ISR and
// ELR have to lose it if its copy lacks anything. What the last of them has is all that is left,
// unless nothing is left of it (`all`) and another replica may have some of it: who of those leads
// then, an operator decides.
bool is_counted_on(const PartitionImage& partition, NodeId node, bool all);

// base/leader_epoch.h says what generation and election are.
LeaderEpoch epoch_in_force(const PartitionImage& partition, const Image& image);
LeaderEpoch next_generation(LeaderEpoch epoch);
// Records `epoch` as the one in force now. REQUIRES: the leader is set.
void put_epoch(PartitionImage& partition, LeaderEpoch epoch, const Image& image);

// The published image. Any thread may load; only the main loop stores.
class PublishedImage : public Published<Image> {
 public:
  PublishedImage() : Published(std::make_shared<const Image>()) {}
};

}  // namespace isthmus::broker
