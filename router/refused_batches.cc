#include "router/refused_batches.h"

#include "kafka/batch_header.h"
#include "kafka/sequence.h"

namespace isthmus::router {

namespace {

// Calls `with` for the first batch of each partition, where it is an idempotent producer's: a
// request holds no second one. What is no batch is for the node to refuse.
void for_each_batch(const kafka::ProduceRequest& request, auto with) {
  for (const auto& topic : request.topic_data) {
    for (const auto& partition : topic.partition_data) {
      const auto records = partition.records.flatten();  // as it is: one slice of the request
      if (!records || records->size() < kafka::batch_header_size) continue;
      const kafka::BatchHeader header = kafka::decode_batch_header(records->view());
      if (header.has_producer() && header.base_sequence >= 0) {
        with(topic.name, partition.index, header);
      }
    }
  }
}

}  // namespace

void RefusedBatches::forget(std::list<Batch>::iterator batch) {
  by_key_.erase(batch->key);
  by_age_.erase(batch);
}

void RefusedBatches::forget_the_old(io::Instant now) {
  while (!by_age_.empty() &&
         (by_age_.size() > max_batches || by_age_.front().at + expected_again_within < now)) {
    forget(by_age_.begin());
  }
}

void RefusedBatches::note(const std::string& who, const kafka::ProduceRequest& refused,
                          io::Instant now) {
  for_each_batch(refused, [&](const std::string& topic, PartitionIndex partition,
                              const kafka::BatchHeader& header) {
    Key key{who, header.producer_id, topic, partition};
    const auto found = by_key_.find(key);
    if (found != by_key_.end()) {
      const Batch& known = *found->second;
      const bool waits_for_known = header.producer_epoch == known.epoch &&
                                   kafka::is_ahead(header.base_sequence, known.sequence);
      if (waits_for_known || header.producer_epoch < known.epoch) return;
      forget(found->second);
    }
    by_age_.push_back({key, header.producer_epoch, header.base_sequence, now});
    by_key_.emplace(std::move(key), std::prev(by_age_.end()));
  });
  forget_the_old(now);
}

bool RefusedBatches::come_before(const std::string& who, const kafka::ProduceRequest& request,
                                 io::Instant now) {
  forget_the_old(now);
  bool some_do = false;
  std::vector<std::list<Batch>::iterator> again;
  for_each_batch(request, [&](const std::string& topic, PartitionIndex partition,
                              const kafka::BatchHeader& header) {
    const auto found = by_key_.find({who, header.producer_id, topic, partition});
    if (found == by_key_.end() || header.producer_epoch < found->second->epoch) return;
    if (header.producer_epoch == found->second->epoch &&
        kafka::is_ahead(header.base_sequence, found->second->sequence)) {
      some_do = true;
    } else {
      again.push_back(found->second);
    }
  });
  if (some_do) return true;
  for (const auto batch : again) forget(batch);
  return false;
}

}  // namespace isthmus::router
