// Between the metadata store's keys and the image: which key holds what, and how it is written.
//
//   /cluster            who this cluster is          /links/<name>        an incoming link
//   /brokers/<node>     how often it has started     /switchovers/<link>  one side's record
//   /starts             those of all brokers         /routes              who took over whom
//   /producer_ids       the next free block          /groups/<group>      the link that owns it
//   /topics/<name>      a topic                      /users/<user>        what verifies passwords
//   /partitions/<topic id>/<index>   who leads it, under which epoch, and who has it
//   /deleted/<id>       a topic that was deleted, while a folder of it may be left
//   /acls/<id>          an entry of an access control list; the id follows from it
//   /quotas/<entity>    what a user, client id or address may use
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "broker/image/image.h"
#include "broker/store/metadata_store.h"

namespace isthmus::broker {

// `before` with the changes applied. A key that this release does not know, or a record that breaks
// its format, is an error that names the key: starting without it could lose what it meant.
Result<std::shared_ptr<const Image>> apply(const Image& before,
                                           const std::vector<MetadataStore::Change>& changes);

// The key of an ACL, which two that say the same have in common.
std::string acl_key(const Acl& acl);

// The puts and checks of one decision.
struct Plan {
  std::vector<MetadataStore::Check> checks;
  std::vector<MetadataStore::Put> puts;

  bool empty() const { return puts.empty(); }
  // REQUIRES: `other` writes none of the keys that this one does.
  void add(Plan other);
  // Each key that is written is so on the condition that it still has the version that the value
  // carries.
  void create(const TopicImage& topic);
  // Writes what differs: the topic, if it is more than its partitions, and each of them that does.
  // Partitions are added, never taken. Nothing is written of a topic that has changed meanwhile.
  void change(const TopicImage& from, const TopicImage& to);
  // Its folders outlive the records, so that one of the deletion takes their place.
  void remove(const TopicImage& topic);
  void forget(const DeletedTopic& topic);
  void put(const LinkImage& link);
  void put(const SwitchoverImage& switchover);
  void put(const RoutesImage& routes);
  // Without a credential the user goes.
  void put(const UserImage& user);
  // Without values it is removed.
  void put(const QuotaImage& quota);
  void put_group(const std::string& group, const GroupImage& owner);
  void remove_group(const std::string& group, const GroupImage& owner);
  // Of an entry nothing changes but what it follows: it is made, or removed.
  void put_acl(const Acl& acl, const Follows& follows = {},
               int64_t version = MetadataStore::absent);
  void remove_acl(const Acl& acl, int64_t version);
  void put_cluster(const Image& image);
  void put_broker(NodeId node, const BrokerImage& broker);
  void remove_broker(NodeId node, const BrokerImage& broker);
  // The plan holds only while the broker is what `image` says of it.
  void rely_on(NodeId broker, const Image& image);
  void put_starts(const ClusterStarts& starts);
  void put_producer_ids(const Image& image);

 private:
  void add(std::string key, std::optional<Slice> value, int64_t version);
};

}  // namespace isthmus::broker
