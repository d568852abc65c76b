// Image: the picture of the cluster that everyone reads and only the controller changes.
//
// Immutable once published: a change makes a new image (topics that did not change are shared), and
// readers on any loop keep the one they have for as long as they look at it. Built from the
// metadata store's changes and from nothing else, so a restart sees what was there before it.
#pragma once

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
#include "kafka/cluster_identity.h"
#include "kafka/gen/mirror_state.h"
#include "kafka/gen/scram_mechanism.h"
#include "kafka/gen/switchover_phase.h"
#include "kafka/quota_entity.h"
#include "kafka/sasl/credential.h"
#include "kafka/takeovers.h"
#include "kafka/topic_writer.h"

namespace isthmus::broker {

using kafka::ClusterIdentity;
using kafka::MirrorState;
using kafka::TopicWriter;

struct PartitionImage {
  // The epoch as recorded, and how often this broker had been started by then. Every start is an
  // election: the epoch in force is `leader_epoch` plus the starts since, so a start costs one
  // record and not one per partition. See epoch_in_force().
  LeaderEpoch leader_epoch = 0;
  int32_t recorded_at_start = 0;
  MirrorState mirror_state = MirrorState::none;
  std::string mirror_reason;  // why it failed, for the operator
  // A failover's promotion: the epoch begins where the log ended, and the next record gets this
  // offset, beyond what consumers may have read at the lost site. -1 = no gap.
  Offset promoted_to = -1;
};

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

  bool is_mirror() const { return writer.link() != nullptr; }
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
  int64_t version = -1;
};

// Who may log in with a password, and what it is verified by.
struct UserImage {
  std::string name;
  std::map<kafka::ScramMechanism, kafka::ScramCredential> credentials;
  int64_t version = -1;
};
using UserImages = std::map<std::string, UserImage>;
// Access control lists. Copied when one of them changes, and only then.
struct AclImage {
  struct Entry {
    Acl acl;
    int64_t version = -1;
  };
  AclSet set;
  std::map<std::string, Entry> entries;  // by their keys in the store
};

// What one user, client id or address may use.
struct QuotaImage {
  kafka::QuotaEntity entity;
  kafka::QuotaValues values;  // never empty
  int64_t version = -1;
};

struct Image {
  // This cluster.
  std::string cluster_name;
  ClusterNumber cluster_number = 0;
  Uuid cluster_id;
  int8_t incarnation = 0;  // raised when the metadata is rebuilt
  NodeId node_id = 0;
  int32_t starts = 0;                // of this broker; raised once per start, durably
  std::vector<int64_t> start_times;  // of the latest starts, in milliseconds; the last one last
  int64_t next_producer_id = 0;
  int64_t cluster_version = -1, broker_version = -1, producer_ids_version = -1;

  std::map<std::string, std::shared_ptr<const TopicImage>> topics;
  std::unordered_map<Uuid, std::shared_ptr<const TopicImage>> topics_by_id;
  std::map<Uuid, DeletedTopic> deleted;
  std::map<std::string, LinkImage> links;
  std::map<std::string, SwitchoverImage> switchovers;
  std::map<std::string, GroupImage> groups;  // those that a link owns
  std::map<std::string, QuotaImage> quotas;  // by QuotaEntity::key()
  RoutesImage routes;
  std::shared_ptr<const UserImages> users = std::make_shared<const UserImages>();
  int64_t users_version = 0;  // of the latest change of any
  std::shared_ptr<const AclImage> acls = std::make_shared<const AclImage>();

  // Shares the life of the image's.
  std::shared_ptr<const AclSet> acl_set() const { return {acls, &acls->set}; }
  const TopicImage* find(const std::string& topic) const;
  const TopicImage* find(const Uuid& id) const;
  ClusterIdentity identity() const { return {cluster_id.to_string(), cluster_number}; }
  int64_t epoch_of(const std::string& link) const;  // 0: not attached
};

// base/leader_epoch.h says what generation and election are.
LeaderEpoch epoch_in_force(const PartitionImage& partition, int32_t starts);
LeaderEpoch next_generation(LeaderEpoch epoch);

// The published image. Any thread may load; only the main loop stores.
class PublishedImage : public Published<Image> {
 public:
  PublishedImage() : Published(std::make_shared<const Image>()) {}
};

}  // namespace isthmus::broker
