// Topics and their partitions between the store's keys and the image: a part of records.h.
//
// The records of one commit come in the order of a plan, those of a start in the order of keys: a
// partition may come before its topic, and a topic that is renamed goes before it comes. So
// partitions are applied when the topics are known, and what a commit makes of a topic is judged
// when all of it was applied.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "broker/image/image.h"
#include "broker/store/metadata_store.h"

namespace isthmus::broker {

class RecordedTopics {
 public:
  // Of `image`, in which each topic that changes is replaced by a copy.
  explicit RecordedTopics(Image& image) : image_(image) {}

  Result<void> apply_topic(const std::string& name, const MetadataStore::Change& change);
  // `place` is <topic id>/<index>. Applied by finish().
  void add_partition(std::string place, const MetadataStore::Change& change);
  // An error names the key.
  Result<void> finish();

 private:
  void adopt(std::shared_ptr<TopicImage> topic);
  TopicImage* draft_of(const Uuid& id);
  Result<void> apply_partition(const std::string& place, const MetadataStore::Change& change);

  Image& image_;
  std::map<Uuid, std::shared_ptr<TopicImage>> drafts_;
  std::map<Uuid, std::shared_ptr<const TopicImage>> gone_;
  std::vector<std::pair<std::string, const MetadataStore::Change*>> partitions_;
};

}  // namespace isthmus::broker
