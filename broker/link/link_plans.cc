#include "broker/link/link_plans.h"

#include <algorithm>

#include "broker/controller/elections.h"
#include "broker/controller/placement.h"
#include "broker/controller/topic_plans.h"
#include "broker/link/peers.h"
#include "kafka/errors.h"
#include "kafka/gen/mirror_trouble.h"
#include "kafka/mirror_reasons.h"

namespace isthmus::broker {

using kafka::ErrorCode;

namespace {

void raise(PartitionImage& partition, const Image& image, LeaderEpoch at_least) {
  if (epoch_in_force(partition, image) < at_least) put_epoch(partition, at_least, image);
}

// Brings a mirror topic up to its source.
void bring_up_to(Plan& plan, TopicImage& topic, const MirrorTopic& source, const Image& image) {
  auto& link = *topic.writer.link();
  topic.configs = source.configs;
  link.origin = source.origin;
  while (topic.partitions.size() < source.leader_epochs.size()) {
    const auto index = static_cast<int32_t>(topic.partitions.size());
    PartitionImage& partition =
        topic.partitions.emplace_back(place(plan, image, like_others(image, topic, index), 0));
    partition.mirror_state = MirrorState::initializing;
  }
  for (auto& partition : topic.partitions) settle_elr(topic, partition);
  for (size_t i = 0; i < source.leader_epochs.size(); ++i) {
    raise(topic.partitions[i], image, source.leader_epochs[i]);
  }
}

}  // namespace

namespace {

bool mirrors_any(const Image& image, const std::string& link) {
  return std::ranges::any_of(image.topics,
                             [&](const auto& entry) { return entry.second->writer.is_link(link); });
}

void put_failed(Plan& plan, const TopicImage& before, const std::string& why) {
  TopicImage topic = before;
  for (auto& partition : topic.partitions) {
    partition.mirror_state = MirrorState::failed;
    partition.mirror_reason = why;
  }
  plan.change(before, topic);
}

std::string start_text(int32_t number, int64_t at_ms) {
  return "start " + std::to_string(number) + " (at " + std::to_string(at_ms / 1000) + " s of Unix)";
}

}  // namespace

std::string went_back(const Image& image, const Attach& attach) {
  auto found = image.links.find(attach.link);
  if (found == image.links.end() || attach.source_starts < 0) return "";
  const LinkImage& known = found->second;
  if (known.source_cluster_id != attach.source_cluster_id) return "";  // refused as another
  if (known.source_starts <= 0 || !mirrors_any(image, attach.link)) return "";
  const auto& times = attach.source_start_times;
  // How many starts before its latest; what lies before those that it tells is not known.
  const int64_t since = int64_t{attach.source_starts} - known.source_starts;
  std::string says;
  if (since < 0) {
    says = "has had " + std::to_string(attach.source_starts) + " starts";
  } else if (since < std::ssize(times)) {
    const int64_t at = times[times.size() - 1 - static_cast<size_t>(since)];
    if (at != known.source_started_at) says = "has had " + start_text(known.source_starts, at);
  }
  if (says.empty()) return "";
  return "diverged: " + attach.source_name + " " + says + ", but was seen after " +
         start_text(known.source_starts, known.source_started_at) +
         ": it was restored from an older copy, and may have other records at the same offsets";
}

Plan plan_went_back(const Image& image, const std::string& link, const std::string& why) {
  Plan plan;
  for (const auto& [name, found] : image.topics) {
    if (!found->writer.is_link(link)) continue;
    put_failed(plan, *found, why);
  }
  return plan;
}

Result<void> check_start(const LinkImage& link, const SourceStart& start) {
  if (start.number < 0 || start.number > link.source_starts) return {};
  if (start.number == link.source_starts && start.at_ms == link.source_started_at) return {};
  return refuse(ErrorCode::invalid_request,
                "the source of " + link.name + " has gone back in time");
}

void note_start(LinkImage& link, const SourceStart& start) {
  if (start.number <= link.source_starts) return;
  link.source_starts = start.number;
  link.source_started_at = start.at_ms;
}

std::map<ClusterNumber, std::string> reachable_clusters(const Image& image) {
  std::map<ClusterNumber, std::string> all;
  all[image.cluster_number] = image.cluster_id.to_string();
  for (const auto& [name, link] : image.links) {
    for (const auto& gone : link.forgotten) {
      if (gone.number != 0) all.emplace(gone.number, gone.id);
    }
    if (link.source_number == 0) continue;
    all[link.source_number] = link.source_cluster_id;
    for (const auto& [number, id] : link.reachable) all.emplace(number, id);
  }
  return all;
}

Result<Plan> plan_attach(const Image& image, const Attach& attach) {
  auto known = reachable_clusters(image);
  auto theirs = attach.reachable;
  if (attach.source_number != 0) theirs[attach.source_number] = attach.source_cluster_id;
  if (attach.source_cluster_id == image.cluster_id.to_string()) {
    return refuse(ErrorCode::invalid_request,
                  "link " + attach.link + " has this cluster as its own source");
  }
  if (!attach.target_id.empty() && attach.target_id != image.cluster_id.to_string()) {
    return refuse(ErrorCode::invalid_request,
                  "link " + attach.link + " was to be attached to cluster " + attach.target_id +
                      ", and this is " + to_string(image.identity()));
  }
  auto forgotten = check_not_forgotten(image, {attach.source_cluster_id, attach.source_number});
  if (!forgotten) return fail(forgotten.error());
  for (const auto& [number, id] : theirs) {
    auto mine = known.find(number);
    if (mine == known.end() || mine->second == id) continue;
    return refuse(ErrorCode::invalid_request, "cluster number " + std::to_string(number) +
                                                  " is in use by cluster " + mine->second +
                                                  " and by cluster " + id +
                                                  ": give one of them another cluster.number");
  }
  LinkImage link;
  link.begins = true;
  if (auto found = image.links.find(attach.link); found != image.links.end()) {
    link = found->second;
    const bool has_source = !link.source_cluster_id.empty();
    if (has_source && link.source_cluster_id != attach.source_cluster_id) {
      return refuse(ErrorCode::invalid_request,
                    "link " + attach.link + " belongs to source cluster " + link.source_cluster_id +
                        ", not " + attach.source_cluster_id +
                        ": use another name for the link, or, if that one is gone for good: "
                        "isthmus link forget " +
                        attach.link);
    }
  }
  link.name = attach.link;
  link.source_name = attach.source_name;
  link.source_number = attach.source_number;
  link.source_cluster_id = attach.source_cluster_id;
  link.reachable = attach.reachable;
  link.reachable.erase(image.cluster_number);
  link.epoch += 1;
  const auto& times = attach.source_start_times;
  // Also one that is not above the last: no copy is left here that it could contradict.
  if (attach.source_starts >= 0) link.source_starts = attach.source_starts;
  if (attach.source_starts >= 0) link.source_started_at = times.empty() ? 0 : times.back();
  Plan plan;
  plan.put(link);
  return plan;
}

Result<void> check_link_epoch(const Image& image, const std::string& link, int64_t epoch) {
  auto found = image.links.find(link);
  if (found == image.links.end()) {
    return refuse(ErrorCode::resource_not_found, "no link " + link + " is attached here");
  }
  // The process that has attached since was given its epoch by another broker.
  if (found->second.epoch < epoch) {
    return refuse(ErrorCode::leader_not_available, "this broker has yet to hear of epoch " +
                                                       std::to_string(epoch) + " of link " + link);
  }
  if (found->second.epoch != epoch) {
    return refuse(ErrorCode::fenced_leader_epoch,
                  "another mirror process has taken over link " + link);
  }
  return {};
}

Result<Plan> plan_mirror_topic(const Image& image, const std::string& link,
                               const MirrorTopic& source) {
  const TopicImage* existing = image.find(source.name);
  if (existing == nullptr) {
    NewTopic wish;
    wish.name = source.name;
    wish.partitions = static_cast<int32_t>(source.leader_epochs.size());
    wish.configs = source.configs;
    wish.id = source.id;
    wish.writer = TopicWriter::Link{link, source.origin};
    wish.leader_epochs = source.leader_epochs;
    return plan_create_topic(image, wish);
  }
  if (existing->id != source.id) {
    return refuse(ErrorCode::inconsistent_topic_id, source.name + " is another topic here (id " +
                                                        existing->id.to_string() +
                                                        ", at the source " + source.id.to_string() +
                                                        "): delete or rename one of them");
  }
  if (!existing->writer.is_link(link)) {
    std::string owner = existing->is_mirror() ? "written by " + to_string(existing->writer)
                                              : "written by clients at both ends";
    return refuse(ErrorCode::policy_violation, source.name + " is " + owner +
                                                   ": end that first, or reverse this link with: "
                                                   "isthmus link reverse " +
                                                   link);
  }
  if (source.leader_epochs.size() > max_partitions_per_topic) {
    return refuse(ErrorCode::invalid_partitions, source.name + " has more than " +
                                                     std::to_string(max_partitions_per_topic) +
                                                     " partitions at the source");
  }
  TopicImage topic = *existing;
  Plan plan;
  bring_up_to(plan, topic, source, image);
  plan.change(*existing, topic);
  return plan;
}

namespace {

bool was_overtaken(MirrorState state, const std::string& reason) {
  return state == MirrorState::failed && reason.starts_with(kafka::retention_overtook);
}

std::unexpected<Error> no_gap(const std::string& why) {
  return refuse(ErrorCode::invalid_request, why);
}

// Lets the wished partitions of one topic go on.
void accept_gaps(const TopicImage& existing, const Steering& wish, Steered& out) {
  TopicImage topic = existing;
  for (size_t i = 0; i < topic.partitions.size(); ++i) {
    PartitionImage& partition = topic.partitions[i];
    const TopicPartition tp{topic.name, static_cast<PartitionIndex>(i)};
    const bool wished = wish.partitions.empty() || std::ranges::count(wish.partitions, tp) > 0;
    const bool overtaken = was_overtaken(partition.mirror_state, partition.mirror_reason);
    const bool accepted = partition.mirror_state == MirrorState::resuming;
    if (!wished || (!overtaken && !accepted)) continue;
    out.accepted.push_back({tp, accepted ? std::string() : partition.mirror_reason});
    partition.mirror_state = MirrorState::resuming;
    partition.mirror_reason.clear();
  }
  out.plan.change(existing, topic);
}

}  // namespace

Result<Steered> plan_steer(const Image& image, const Steering& wish) {
  const auto found = image.links.find(wish.link);
  if (found == image.links.end() || found->second.source_cluster_id.empty()) {
    return no_gap("no mirror has ever brought link " + wish.link + " to " + image.cluster_name);
  }
  if (wish.paused && wish.accept_gap) {
    return no_gap("a gap is accepted by a link that goes on, not by one that pauses");
  }
  Steered out;
  if (wish.accept_gap) {
    for (const auto& [name, topic] : image.topics) {
      if (topic->writer.is_link(wish.link)) accept_gaps(*topic, wish, out);
    }
    for (const TopicPartition& tp : wish.partitions) {
      if (std::ranges::count(out.accepted, tp, &AcceptedGap::partition) > 0) continue;
      return no_gap(tp.to_string() + " is no partition of " + wish.link +
                    " that the source's retention has overtaken");
    }
    if (out.accepted.empty()) {
      return no_gap("the source's retention has overtaken no partition of " + wish.link);
    }
  }
  LinkImage link = found->second;
  link.paused = wish.paused;
  if (link.paused != found->second.paused) out.plan.put(link);
  return out;
}

std::string was_recreated(const Image& image, const std::string& link, const MirrorTopic& topic) {
  const TopicImage* copy = image.find(topic.name);
  if (copy == nullptr || copy->id == topic.id || !copy->writer.is_link(link)) return "";
  return std::string(to_string(kafka::MirrorTrouble::recreated)) +
         ": the source has another topic of this name now (id " + topic.id.to_string() +
         "), and this is a copy of the one before (id " + copy->id.to_string() +
         "): it is set aside after delete_delay, or at once with: isthmus link resume " + link +
         " --set-aside; then the new one is mirrored from its beginning";
}

Plan plan_recreated(const Image& image, const std::string& topic, const std::string& why) {
  Plan plan;
  if (const TopicImage* copy = image.find(topic)) put_failed(plan, *copy, why);
  return plan;
}

Result<Plan> plan_delete_copy(const Image& image, const std::string& link, const Uuid& id) {
  const TopicImage* copy = image.find(id);
  if (copy == nullptr || !copy->writer.is_link(link)) return Plan{};
  return plan_delete_topic(image, copy->name);
}

Result<Plan> plan_report(const Image& image, const std::string& link,
                         const std::vector<PartitionReport>& reports) {
  std::map<Uuid, TopicImage> changed;
  for (const auto& report : reports) {
    const TopicImage* topic = image.find(report.topic_id);
    if (topic == nullptr || !topic->writer.is_link(link)) continue;
    if (report.index < 0 || report.index >= std::ssize(topic->partitions)) continue;
    const PartitionImage& known = topic->partitions[report.index];
    if (known.mirror_state == report.state && known.mirror_reason == report.reason) continue;
    // The mirror has yet to hear that the operator accepts the gap.
    const bool overtaken = was_overtaken(report.state, report.reason);
    if (overtaken && known.mirror_state == MirrorState::resuming) continue;
    auto place = changed.try_emplace(topic->id, *topic).first;
    PartitionImage& partition = place->second.partitions[report.index];
    partition.mirror_state = report.state;
    partition.mirror_reason = report.reason;
  }
  Plan plan;
  for (const auto& [id, topic] : changed) plan.change(*image.find(id), topic);
  return plan;
}

Result<Plan> plan_raise_epoch(const Image& image, const Uuid& topic_id, PartitionIndex index,
                              LeaderEpoch at_least) {
  Plan plan;
  const TopicImage* existing = image.find(topic_id);
  if (existing == nullptr || index < 0 || index >= std::ssize(existing->partitions)) return plan;
  TopicImage topic = *existing;
  raise(topic.partitions[index], image, at_least);
  plan.change(*existing, topic);
  return plan;
}

}  // namespace isthmus::broker
