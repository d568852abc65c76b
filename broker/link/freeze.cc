// What Holds freezes: the ends of what a target promotes, and of a source that opens again, stay as
// they are looked at until the record is written.
#include <algorithm>

#include "broker/link/holds.h"
#include "broker/link/refusals.h"
#include "broker/link/source_reach.h"

namespace isthmus::broker {

using kafka::ErrorCode;

namespace {

// One link may be promoted at a time, and few have a site as their target.
constexpr size_t most_frozen = 100;
// For the followers of what a failover promotes.
constexpr auto patience_for_copies = io::milliseconds(500);

// As the hand-over has it.
bool names_all_ends(const kafka::HoldPartitionsRequest& request) {
  return std::ranges::all_of(request.topics, [](const auto& topic) {
    return std::ranges::all_of(topic.partitions,
                               [](const auto& partition) { return partition.end_offset >= 0; });
  });
}

}  // namespace

// Nobody writes it from now on. What is closed already is looked at.
io::Task<Held> Holds::freeze_one(const Request& request, const TopicImage& topic,
                                 PartitionRef partition, bool takes_over) {
  Held held;
  if (topic.writer.nobody() != nullptr) {
    held.view = co_await partition.describe();
  } else {
    held = co_await partition.freeze(request.switchover_id, request.attempt, takes_over);
  }
  co_return held;
}

// The end of one partition that is frozen, and where it goes on.
io::Task<Result<Holds::Answer>> Holds::look_at_end(const Request& request, PartitionRef partition,
                                                   Held held, Asked asked, io::Instant safe_by) {
  const TopicPartition tp = partition.name();
  const PartitionView& end = held.view;
  const io::Instant now = loop_.now();
  auto safe = co_await partition.committed(end.end_offset, safe_by);
  // The source cuts itself to what is here, or is left for good: what a crash could take, or a disk
  // has refused to keep, would be gone at both sites.
  if (!safe && !request.leaves_gap) co_return fail(invalid(tp, safe.error().text));
  Answer answer;
  answer.index = asked.index;
  answer.end_offset = end.end_offset;
  if (!safe) {
    // Whoever is elected next may not have the rest: it is not told as something that is here.
    const PartitionView known = co_await partition.describe();
    answer.end_offset = std::min(known.high_watermark, end.end_offset);
  }
  if (asked.end_offset >= 0 && asked.end_offset != end.end_offset) {
    co_return fail(invalid(tp, "the log ends at " + std::to_string(end.end_offset) +
                                   ", not where it was handed over"));
  }
  if (request.drained) {
    const auto why = why_not_drained(end.end_offset, end.source, now);
    if (why) co_return fail(invalid(tp, *why + ": it is not drained"));
  }
  answer.leader_epoch = end.leader_epoch;
  answer.next_offset =
      request.leaves_gap ? offset_after_gap(end.end_offset, end.source, now) : end.end_offset;
  answer.source_end_offset = end.source.end_offset;
  answer.open_transactions = end.open_transactions;
  co_return answer;
}

io::Task<Result<void>> Holds::freeze_partitions(const Request& request, bool takes_over,
                                                Response& response) {
  // A disaster's end does not wait long for replicas that may be gone, too.
  const io::Instant safe_by =
      loop_.now() + (request.leaves_gap ? patience_for_copies : patience_for_disks);
  for (const auto& wanted : request.topics) {
    auto& out = response.topics.emplace_back();
    out.topic_id = wanted.topic_id;
    for (const auto& asked : wanted.partitions) {
      const auto image = controller_.snapshot();
      const TopicImage* topic = image->find(wanted.topic_id);
      if (topic == nullptr) co_return fail(invalid("a topic was deleted meanwhile"));
      auto partition = led_here(*topic, asked.index);
      if (!partition) co_return fail(partition.error());
      if (!*partition) {
        out.partitions.push_back({.index = asked.index, .offline = true});
        continue;
      }
      Held held = co_await freeze_one(request, *topic, *partition, takes_over);
      if (held.refusal) co_return fail(refusal_of(partition->name(), *held.refusal));
      auto end = co_await look_at_end(request, *partition, std::move(held), asked, safe_by);
      if (!end) co_return fail(end.error());
      out.partitions.push_back(std::move(*end));
    }
  }
  co_return Result<void>{};
}

io::Task<Holds::Response> Holds::freeze(Request request) {
  const Uuid id = request.switchover_id;
  const bool is_known = frozen_.contains(id);
  // Who has frozen it may have died. A planned promotion names all ends, of a source that is
  // closed: whoever writes it down writes the same.
  if (is_known ? !names_all_ends(request) : frozen_.size() >= most_frozen) {
    co_return refused<Response>(invalid("another promotion is being written down"));
  }
  const Partitions named = named_in(request);
  frozen_[id] = {request.attempt, request.link, named, loop_.now()};
  Response response;
  auto done = co_await freeze_partitions(request, is_known, response);
  const auto found = frozen_.find(id);
  const bool is_frozen = found != frozen_.end() && found->second.attempt == request.attempt;
  if (!is_frozen) co_await lift_partitions(named, id, request.attempt);
  if (done && !is_frozen) done = fail(invalid("overtaken by a later message"));
  if (!done) co_return refused<Response>(done.error());
  co_return response;
}

}  // namespace isthmus::broker
