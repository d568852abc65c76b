#include "tests/sim/intruder.h"

#include "kafka/batch.h"
#include "kafka/gen/mirror_append.h"

namespace isthmus::sim {

using kafka::ErrorCode;

namespace {

// One well-formed record that no producer has sent, as the next of a partition.
Slice next_batch(const kafka::DescribeSiteResponse::SitePartition& partition) {
  kafka::BatchBuilder builder(
      {.base_offset = partition.end_offset, .leader_epoch = partition.leader_epoch});
  builder.add(0, std::nullopt, as_bytes(value_of({9999, 0})));
  return std::move(builder).finish();
}

Slice flip_a_bit(Stage& stage, const Slice& batch) {
  std::vector<uint8_t> bytes(batch.data(), batch.data() + batch.size());
  const size_t at = stage.random().between(kafka::batch_header_size, bytes.size() - 1);
  bytes[at] ^= static_cast<uint8_t>(1u << stage.random().below(8));
  return Slice::take(std::move(bytes));
}

int64_t link_epoch_in(const kafka::DescribeSiteResponse& site, const std::string& name) {
  for (const auto& link : site.links) {
    if (link.name == name) return link.epoch;
  }
  return -1;
}

}  // namespace

void check_appends_are_judged(Stage& stage, Pair& pair) {
  auto before = stage.asker().describe(pair.follower());
  if (!before) return;
  // The record of an attachment stands before the partitions have followed it; who was replaced
  // writes until then, and the new one begins only afterwards.
  stage.world().run_for(std::chrono::seconds(2));
  auto site = stage.asker().describe(pair.follower());
  if (!site) return;
  const int64_t link_epoch = link_epoch_in(*site, pair.link());
  if (link_epoch != link_epoch_in(*before, pair.link())) return;
  for (const auto& topic : site->topics) {
    if (link_epoch < 1 || topic.link != pair.link() || topic.partitions.empty()) continue;
    const auto& at = topic.partitions[0];
    if (at.end_offset < 0) continue;
    const bool corrupt = stage.one_in(2);
    kafka::MirrorAppendRequest request;
    request.link = pair.link();
    request.link_epoch = corrupt ? link_epoch : link_epoch - 1;
    auto& partition = request.topics.emplace_back();
    partition.topic_id = topic.topic_id;
    auto& append = partition.partitions.emplace_back();
    append.expected_offset = at.end_offset;
    append.source_leader_epoch = at.leader_epoch;
    const Slice batch = next_batch(at);
    append.records = Rope(corrupt ? flip_a_bit(stage, batch) : batch);
    auto answer = stage.asker().ask(pair.follower().peers(), request);
    if (!answer || answer->topics.empty()) continue;
    if (answer->topics[0].partitions.at(0).error_code != ErrorCode::none) continue;
    stage.judge().broken(corrupt ? "corrupt batches are refused"
                                 : "a mirror process that was replaced writes nothing",
                         topic.name + " at " + pair.follower().name());
  }
}

}  // namespace isthmus::sim
