// MirrorAppend: batches of a source, appended by the leaders of their partitions.
//
// A leader whose image lags behind the link waits for it: it neither refuses the mirror process
// that has just taken the link over, nor takes for it what it cannot check.
#include "broker/link/link_plans.h"
#include "broker/link/link_service.h"
#include "kafka/batch.h"

namespace isthmus::broker {

using kafka::ErrorCode;

namespace {

struct Checked {
  size_t good = 0;  // bytes of whole batches
  std::optional<Error> damage;
};

// Every batch's CRC: what crossed a line is not believed, and what is appended here is never
// checked again before a consumer reads it. `next` is where the first batch belongs.
Checked check_batches(Bytes batches, Offset next) {
  kafka::BatchIterator walk(batches, true);
  while (auto batch = walk.next()) next = batch->header.next_offset();
  Checked checked{walk.position(), std::nullopt};
  if (walk.end() == kafka::BatchIterator::End::clean) return checked;
  const std::string what = walk.end() == kafka::BatchIterator::End::corrupt
                               ? walk.error().text
                               : "the records end inside it";
  checked.damage = Error::corrupt("the batch at offset " + std::to_string(next) + ": " + what);
  return checked;
}

kafka::MirrorTrouble trouble_of(ErrorCode error, const PartitionRef& partition) {
  using kafka::MirrorTrouble;
  if (error == ErrorCode::corrupt_message) return MirrorTrouble::damaged_batch;
  if (error != ErrorCode::kafka_storage_error) return MirrorTrouble::none;
  return partition.outage() ? MirrorTrouble::target_offline : MirrorTrouble::target_full;
}

}  // namespace

io::Task<void> LinkService::append_one(LinkWriter writer, PartitionRef partition,
                                       AppendPartition wanted, AppendResult& result,
                                       uint64_t& tenure) {
  auto batches = wanted.records.flatten();
  if (!batches) co_return kafka::refuse(result, batches.error());
  const Checked checked = check_batches(*batches, wanted.expected_offset);
  if (checked.damage && checked.good == 0) co_return kafka::refuse(result, *checked.damage);
  *batches = batches->sub(0, checked.good);
  writer.expected_offset = wanted.expected_offset;
  writer.source_leader_epoch = wanted.source_leader_epoch;
  writer.source_high_watermark = wanted.source_high_watermark;
  writer.start_at = wanted.start_at;
  writer.log_start = wanted.log_start;
  for (const auto& owner : wanted.owners) writer.owners.emplace_back(owner.epoch, owner.number);
  auto done = co_await partition.append(writer, *batches);
  if (!done && kafka::error_code(done.error()) == ErrorCode::unknown_leader_epoch) {
    // The source has held an election: our epoch follows before its batches come in.
    auto decide = [&](const Image& image) {
      return plan_raise_epoch(image, partition.topic_id(), wanted.index,
                              wanted.source_leader_epoch);
    };
    auto raised = co_await io::call_on(env_.main_loop(), controller_.commit(decide));
    if (!raised) co_return kafka::refuse(result, raised.error());
    done = co_await partition.append(std::move(writer), *batches);
  }
  if (!done) co_return kafka::refuse(result, done.error());
  result.end_offset = done->log_end;
  tenure = done->tenure;
  if (checked.damage) kafka::refuse(result, *checked.damage);
}

io::Task<void> LinkService::append(kafka::MirrorAppendRequest request,
                                   std::shared_ptr<Appending> out) {
  if (partitions_.image()->epoch_of(request.link) < request.link_epoch) {
    co_await io::call_on(env_.main_loop(), hear_of(request.link, request.link_epoch));
  }
  auto image = partitions_.image();
  const auto link = image->links.find(request.link);
  const bool paused = link != image->links.end() && link->second.paused;
  for (auto& topic : request.topics) {
    auto& results = out->response.topics.emplace_back();
    results.topic_id = topic.topic_id;
    results.partitions.resize(topic.partitions.size());
    const TopicImage* found = image->find(topic.topic_id);
    for (size_t i = 0; i < topic.partitions.size(); ++i) {
      AppendPartition& wanted = topic.partitions[i];
      AppendResult& result = results.partitions[i];
      result.index = wanted.index;
      result.end_offset = -1;
      PartitionRef partition;
      if (found != nullptr) partition = partitions_.find(found->name, wanted.index);
      if (!partition || partition.topic_id() != topic.topic_id) {
        result.error_code = ErrorCode::unknown_topic_id;
        continue;
      }
      // Its mirror process has yet to hear of it.
      if (paused) {
        kafka::refuse(result, kafka::error_of(ErrorCode::policy_violation,
                                              "link " + request.link + " is paused"));
        continue;
      }
      LinkWriter writer;
      writer.link = request.link;
      writer.link_epoch = request.link_epoch;
      uint64_t tenure = 0;
      co_await append_one(std::move(writer), partition, std::move(wanted), result, tenure);
      result.trouble = trouble_of(result.error_code, partition);
      if (result.error_code != ErrorCode::none) continue;
      out->to_await.emplace_back(std::move(partition), result.end_offset, tenure);
      out->place.emplace_back(out->response.topics.size() - 1, i);
    }
  }
}

io::Task<void> LinkService::await_durable(std::shared_ptr<Appending> appending) {
  constexpr auto limit = std::chrono::seconds(15);  // sooner than a mirror gives up
  for (size_t i = 0; i < appending->to_await.size(); ++i) {
    auto& [partition, end, tenure] = appending->to_await[i];
    auto safe = co_await partition.committed(end, partition.loop().now() + limit, tenure);
    if (safe) continue;
    auto [t, p] = appending->place[i];
    AppendResult& result = appending->response.topics[t].partitions[p];
    kafka::refuse(result, safe.error());
    result.trouble = trouble_of(result.error_code, partition);
  }
}

}  // namespace isthmus::broker
