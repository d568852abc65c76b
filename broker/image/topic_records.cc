#include "broker/image/topic_records.h"

#include <charconv>
#include <utility>

#include "broker/image/records.h"
#include "kafka/gen/deleted_topic_record.h"
#include "kafka/gen/partition_record.h"
#include "kafka/gen/topic_record.h"
#include "kafka/wire.h"

namespace isthmus::broker {

namespace {

using Change = MetadataStore::Change;

// More than are ever made here: what an earlier release has taken from a source is read, too.
constexpr int32_t max_readable_partitions = 1'000'000;
constexpr int16_t has_partition_records = 3;  // a topic's record since this version

std::string topic_key(const std::string& name) { return "/topics/" + name; }

std::string partition_key(const Uuid& topic, size_t index) {
  return "/partitions/" + topic.to_string() + "/" + std::to_string(index);
}

// What version 0 does not say: the record of the switchover, whose key comes before the topics',
// knows whether the topic was handed over or had to be left.
kafka::WriterKind writer_before_v1(const Image& image, const kafka::TopicRecord& record) {
  if (!record.link.empty()) return kafka::WriterKind::link;
  if (record.closed_by.is_zero()) return kafka::WriterKind::clients;
  for (const auto& [link, s] : image.switchovers) {
    bool stepped_down = s.phase == SwitchoverImage::Phase::stepped_down;
    if (s.id == record.closed_by && stepped_down) return kafka::WriterKind::stepped_down;
  }
  return kafka::WriterKind::handed_over;
}

// Of a cluster that had one broker, which has all of it.
PartitionImage partition_before_v3(const Image& image,
                                   const kafka::TopicRecord::TopicPartitionRecord& record) {
  PartitionImage partition;
  if (!image.brokers.empty()) {
    partition.leader = image.brokers.begin()->first;
    partition.replicas = partition.isr = {partition.leader};
  }
  partition.leader_epoch = record.leader_epoch;
  partition.recorded_at_start = record.recorded_at_start;
  partition.mirror_state = record.mirror_state;
  partition.mirror_reason = record.mirror_reason;
  partition.promoted_to = record.promoted_to;
  return partition;
}

Result<PartitionImage> decode_partition(const Change& change) {
  kafka::Reader reader(*change.value);
  const int16_t version = reader.int16();
  auto record = kafka::PartitionRecord::decode(reader, version);
  if (!record) return fail(record.error());
  PartitionImage partition;
  partition.leader = record->leader;
  partition.leader_epoch = record->leader_epoch;
  partition.recorded_at_start = record->recorded_at_start;
  partition.replicas = std::move(record->replicas);
  partition.isr = std::move(record->isr);
  partition.elr = std::move(record->elr);
  partition.mirror_state = record->mirror_state;
  partition.mirror_reason = std::move(record->mirror_reason);
  partition.promoted_to = record->promoted_to;
  partition.version = change.version;
  partition.adding = std::move(record->adding);
  partition.removing = std::move(record->removing);
  return partition;
}

Slice encode_partition(const PartitionImage& p) {
  kafka::PartitionRecord record{p.leader,      p.leader_epoch, p.recorded_at_start, p.replicas,
                                p.isr,         p.elr,          p.mirror_state,      p.mirror_reason,
                                p.promoted_to, p.adding,       p.removing};
  return kafka::encode_versioned(record, kafka::PartitionRecord::max_version);
}

Slice encode_topic(const TopicImage& topic) {
  kafka::TopicRecord record;
  record.topic_id = topic.id;
  kafka::put_writer(record, topic.writer, 0);
  record.renamed_from = topic.renamed_from;
  record.promoted_at = topic.promoted_at;
  for (const auto& [name, value] : topic.configs) record.configs.push_back({name, value});
  record.partition_count = static_cast<int32_t>(topic.partitions.size());
  record.replication_factor = topic.replication_factor;
  record.factor_before = topic.factor_before;
  return kafka::encode_versioned(record, kafka::TopicRecord::max_version);
}

bool is_without_records(const TopicImage& topic) {
  for (const auto& partition : topic.partitions) {
    if (partition.version == MetadataStore::absent) return true;
  }
  return false;
}

// But for the partitions, which have records of their own.
bool is_same_topic(const TopicImage& a, const TopicImage& b) {
  return a.name == b.name && a.id == b.id && a.configs == b.configs && a.writer == b.writer &&
         a.renamed_from == b.renamed_from && a.promoted_at == b.promoted_at &&
         a.replication_factor == b.replication_factor && a.factor_before == b.factor_before &&
         a.partitions.size() == b.partitions.size();
}

}  // namespace

void RecordedTopics::adopt(std::shared_ptr<TopicImage> topic) {
  drafts_[topic->id] = topic;
  image_.topics_by_id[topic->id] = topic;
  image_.topics[topic->name] = std::move(topic);
}

TopicImage* RecordedTopics::draft_of(const Uuid& id) {
  if (auto draft = drafts_.find(id); draft != drafts_.end()) return draft->second.get();
  const TopicImage* topic = image_.find(id);
  if (topic == nullptr) return nullptr;
  adopt(std::make_shared<TopicImage>(*topic));
  return drafts_[id].get();
}

Result<void> RecordedTopics::apply_topic(const std::string& name, const Change& change) {
  if (const auto old = image_.topics.find(name); old != image_.topics.end()) {
    const Uuid id = old->second->id;
    // Unless it has another name by now.
    const auto known = image_.topics_by_id.find(id);
    if (known != image_.topics_by_id.end() && known->second->name == name) {
      gone_[id] = known->second;
      image_.topics_by_id.erase(known);
      drafts_.erase(id);
    }
    image_.topics.erase(old);
  }
  if (!change.value) return {};
  kafka::Reader reader(*change.value);
  const int16_t version = reader.int16();
  auto record = kafka::TopicRecord::decode(reader, version);
  if (!record) return fail(record.error());
  if (version < 1) record->writer = writer_before_v1(image_, *record);
  auto topic = std::make_shared<TopicImage>();
  topic->name = name;
  topic->id = record->topic_id;
  topic->writer = kafka::writer_of(*record);
  topic->renamed_from = record->renamed_from;
  topic->promoted_at = record->promoted_at;
  topic->replication_factor = record->replication_factor;
  topic->factor_before = record->factor_before;
  topic->version = change.version;
  for (auto& config : record->configs) topic->configs[config.name] = config.value;
  if (version < has_partition_records) {
    for (auto& p : record->partitions) {
      topic->partitions.push_back(partition_before_v3(image_, p));
    }
    image_.topics_by_id[topic->id] = topic;
    image_.topics[name] = std::move(topic);
    return {};
  }
  if (record->partition_count < 0 || record->partition_count > max_readable_partitions) {
    return fail("a topic of " + std::to_string(record->partition_count) + " partitions");
  }
  if (const TopicImage* before = image_.find(topic->id)) {
    topic->partitions = before->partitions;
  } else if (const auto left = gone_.find(topic->id); left != gone_.end()) {
    topic->partitions = left->second->partitions;
  }
  topic->partitions.resize(static_cast<size_t>(record->partition_count));
  adopt(std::move(topic));
  return {};
}

void RecordedTopics::add_partition(std::string place, const Change& change) {
  partitions_.emplace_back(std::move(place), &change);
}

Result<void> RecordedTopics::apply_partition(const std::string& place, const Change& change) {
  const size_t slash = place.find('/');
  auto id = Uuid::parse(place.substr(0, slash));
  if (slash == std::string::npos || !id) return fail("not <topic id>/<index>");
  size_t index = 0;
  const char* last = place.data() + place.size();
  auto [end, error] = std::from_chars(place.data() + slash + 1, last, index);
  if (error != std::errc() || end != last) return fail("not <topic id>/<index>");
  TopicImage* topic = draft_of(*id);
  const bool is_there = topic != nullptr && index < topic->partitions.size();
  if (!change.value) {
    return is_there ? fail(topic->name + " has lost it") : Result<void>{};
  }
  if (!is_there) return fail("no topic has it");
  auto partition = decode_partition(change);
  if (!partition) return fail(partition.error());
  topic->partitions[index] = std::move(*partition);
  return {};
}

Result<void> RecordedTopics::finish() {
  for (const auto& [place, change] : partitions_) {
    if (auto ok = apply_partition(place, *change); !ok) {
      return fail(Error::corrupt("metadata key " + change->key + ": " + ok.error().text));
    }
  }
  for (const auto& [id, topic] : drafts_) {
    for (size_t i = 0; i < topic->partitions.size(); ++i) {
      if (topic->partitions[i].version != MetadataStore::absent) continue;
      return fail(Error::corrupt("metadata key " + partition_key(id, i) + ": is missing, and " +
                                 topic->name + " has " + std::to_string(topic->partitions.size()) +
                                 " partitions"));
    }
  }
  return {};
}

void Plan::create(const TopicImage& topic) {
  add(topic_key(topic.name), encode_topic(topic), MetadataStore::absent);
  for (size_t i = 0; i < topic.partitions.size(); ++i) {
    add(partition_key(topic.id, i), encode_partition(topic.partitions[i]), MetadataStore::absent);
  }
}

void Plan::change(const TopicImage& from, const TopicImage& to) {
  if (from == to) return;
  const bool splits = is_without_records(from);
  if (from.name != to.name) {
    add(topic_key(from.name), std::nullopt, from.version);
    add(topic_key(to.name), encode_topic(to), MetadataStore::absent);
  } else if (splits || !is_same_topic(from, to)) {
    add(topic_key(to.name), encode_topic(to), from.version);
  } else {
    // What is said of a partition depends on whose its topic is.
    checks.push_back({topic_key(from.name), from.version});
  }
  for (size_t i = 0; i < to.partitions.size(); ++i) {
    const bool is_new = i >= from.partitions.size();
    if (!splits && !is_new && from.partitions[i] == to.partitions[i]) continue;
    add(partition_key(to.id, i), encode_partition(to.partitions[i]),
        is_new ? MetadataStore::absent : from.partitions[i].version);
  }
}

void Plan::remove(const TopicImage& topic) {
  add(topic_key(topic.name), std::nullopt, topic.version);
  for (size_t i = 0; i < topic.partitions.size(); ++i) {
    const int64_t version = topic.partitions[i].version;
    if (version == MetadataStore::absent) continue;
    add(partition_key(topic.id, i), std::nullopt, version);
  }
  kafka::DeletedTopicRecord record;
  record.name = topic.name;
  record.partitions = static_cast<int32_t>(topic.partitions.size());
  add("/deleted/" + topic.id.to_string(), kafka::encode_versioned(record, record.max_version),
      MetadataStore::absent);
}

void Plan::forget(const DeletedTopic& topic) {
  add("/deleted/" + topic.id.to_string(), std::nullopt, topic.version);
}

}  // namespace isthmus::broker
