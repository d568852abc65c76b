// Between the metadata store's keys and the image: which key holds what, and how it is written.
//
//   /cluster            who this cluster is          /links/<name>        an incoming link
//   /brokers/<node>     how often it has started     /switchovers/<link>  one side's record
//   /producer_ids       the next free block          /routes              who took over whom
//   /topics/<name>      a topic                      /groups/<group>      the link that owns it
//   /users/<user>       what passwords are verified by
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
  // Each writes one key, on the condition that it still has the version that the value carries.
  void put(const TopicImage& topic);
  // The same topic under another name, as nobody's but its readers'.
  void set_aside(TopicImage topic, const std::string& name);
  // Its folders outlive the record, so that one of the deletion takes its place.
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
  // An entry never changes: it is made, or removed.
  void put_acl(const Acl& acl);
  void remove_acl(const Acl& acl, int64_t version);
  void put_cluster(const Image& image);
  void put_broker(const Image& image);
  void put_producer_ids(const Image& image);

 private:
  void add(std::string key, std::optional<Slice> value, int64_t version);
};

}  // namespace isthmus::broker
