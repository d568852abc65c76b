#include "tests/sim/recreated.h"

#include "kafka/batch.h"
#include "kafka/gen/create_topics.h"
#include "kafka/gen/delete_topics.h"
#include "kafka/gen/pause_link.h"
#include "kafka/gen/produce.h"
#include "tests/sim/clients.h"

namespace isthmus::sim {

using kafka::ErrorCode;
using std::chrono::milliseconds;
using std::chrono::seconds;
using SiteTopic = kafka::DescribeSiteResponse::SiteTopic;

namespace {

constexpr const char* again = "again";
constexpr int first_records = 10;
constexpr int16_t version_with_names = 12;

void create(Stage& stage, Pair& pair) {
  kafka::CreateTopicsRequest request;
  request.topics.push_back({.name = again,
                            .num_partitions = 1,
                            .replication_factor = -1,
                            .assignments = {},
                            .configs = {{"retention.ms", "-1"}}});  // records of 1970
  stage.asker().insist(pair.writer().clients(), request);
}

void remove(Stage& stage, Pair& pair) {
  kafka::DeleteTopicsRequest request;
  request.timeout_ms = 5000;
  request.topics.push_back({again, {}});
  stage.asker().insist(pair.writer().clients(), request);
}

// Until it is taken: a topic that was just created may be opening.
bool produce(Stage& stage, Pair& pair, int records) {
  kafka::BatchBuilder builder({});
  for (int i = 0; i < records; ++i) {
    builder.add(0, std::nullopt, as_bytes(value_of({9999, i})));
  }
  kafka::ProduceRequest request;
  request.acks = -1;
  request.timeout_ms = 5000;
  auto& topic = request.topic_data.emplace_back();
  topic.name = again;
  topic.partition_data.push_back({0, Rope(std::move(builder).finish())});
  for (int i = 0; i < 50; ++i) {
    auto answer =
        stage.asker().ask(pair.writer().clients(), request, seconds(5), version_with_names);
    if (answer && answer->responses.at(0).partition_responses.at(0).error_code == ErrorCode::none) {
      return true;
    }
    stage.world().run_for(milliseconds(5));
  }
  stage.judge().broken("a topic that is created takes records", again);
  return false;
}

template <typename Wanted>
std::optional<SiteTopic> look(Stage& stage, Site& site, const Wanted& wanted,
                              Wanted SiteTopic::* field) {
  kafka::DescribeSiteRequest request;
  request.include_topics = true;
  auto described = stage.asker().insist(site.peers(), request);
  if (!described) return std::nullopt;
  for (auto& topic : described->topics) {
    if (topic.*field == wanted) return std::move(topic);
  }
  return std::nullopt;
}

// Nothing if it does not come within a minute.
std::optional<SiteTopic> await_copy(Stage& stage, Pair& pair, Offset records) {
  for (int i = 0; i < 300; ++i) {
    auto copy = look(stage, pair.follower(), std::string(again), &SiteTopic::name);
    if (copy && copy->partitions.at(0).high_watermark == records) return copy;
    stage.world().run_for(milliseconds(200));
  }
  stage.judge().broken("a topic that is created is mirrored", again);
  return std::nullopt;
}

// On the operator's word or after the delay the new one is mirrored, and the copy of the one before
// is kept apart. The target may die of it.
void check_set_aside(Stage& stage, Pair& pair, const Uuid& before, const std::string& records) {
  if (stage.one_in(2)) {
    kafka::PauseLinkRequest request;
    request.link = pair.link();
    request.set_aside = true;
    if (!stage.asker().insist(pair.follower().peers(), request)) return;
  }
  if (stage.one_in(2)) {
    stage.run_between(milliseconds(0), milliseconds(20));
    pair.follower().kill();  // not the machine: with page_cache that may lose the copy
    pair.follower().start();
    if (!stage.asker().await_serving(pair.follower())) return;
  }
  if (!await_copy(stage, pair, 2 * first_records)) return;
  const auto aside = look(stage, pair.follower(), before, &SiteTopic::topic_id);
  if (!aside || aside->writer != kafka::WriterKind::set_aside) {
    return stage.judge().broken("what is set aside keeps its records", "it is gone");
  }
  const auto kept = stage.asker().read(pair.follower(), {aside->name, 0});
  if (kept && kept->bytes != records) {
    stage.judge().broken("what is set aside keeps its records",
                         aside->name + " has " + std::to_string(kept->bytes.size()) + " of " +
                             std::to_string(records.size()) + " bytes, offsets " +
                             std::to_string(kept->start) + " to " + std::to_string(kept->end));
  }
}

}  // namespace

void check_recreated(Stage& stage, Pair& pair) {
  create(stage, pair);
  if (!stage.content() || !produce(stage, pair, first_records)) return;
  const auto before = await_copy(stage, pair, first_records);
  if (!before) return;
  const auto original = stage.asker().read(pair.writer(), {again, 0});
  if (!original) return;
  // The mirror's next question to the target hangs, so nothing but its fetches meets the new topic.
  SimProcess* target = pair.follower().process();
  target->pause();
  stage.world().run_for(milliseconds(300));
  remove(stage, pair);
  create(stage, pair);
  // By offsets alone the second batch would go on where the copy ends.
  bool takes = stage.content();
  for (int i = 0; takes && i < 2; ++i) takes = produce(stage, pair, first_records);
  stage.world().run_for(milliseconds(1500));
  target->resume();
  if (!takes) return;
  stage.world().run_for(seconds(5));
  auto copy = look(stage, pair.follower(), before->topic_id, &SiteTopic::topic_id);
  // While it is set aside its folder gets another name, and nobody knows where it ends.
  for (int i = 0; copy && copy->partitions.at(0).end_offset < 0 && i < 50; ++i) {
    stage.world().run_for(milliseconds(20));
    copy = look(stage, pair.follower(), before->topic_id, &SiteTopic::topic_id);
  }
  if (!copy) return stage.judge().broken("a copy is not replaced by itself", again);
  const auto& partition = copy->partitions.at(0);
  if (partition.end_offset != first_records) {
    stage.judge().broken("nothing of a topic that was created again enters the old copy",
                         "it ends at " + std::to_string(partition.end_offset));
  }
  const bool named = partition.mirror_state == kafka::MirrorState::failed &&
                     partition.mirror_reason.starts_with("recreated: ");
  if (!named && copy->name == again) {
    stage.judge().broken("a topic that was created again is named", partition.mirror_reason);
  }
  if (stage.content()) check_set_aside(stage, pair, before->topic_id, original->bytes);
}

}  // namespace isthmus::sim
