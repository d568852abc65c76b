// Coordinator: committed offsets.
#include <algorithm>

#include "base/saturating.h"
#include "broker/group/coordinator.h"

namespace isthmus::broker {

using kafka::ErrorCode;

namespace {

// From this version OffsetFetch has an error for the whole group, before only one per partition;
constexpr int16_t fetch_has_group_error = 2;
// from this one it asks for several groups.
constexpr int16_t fetch_has_groups = 8;

using FetchedGroup = kafka::OffsetFetchResponse::OffsetFetchResponseGroup;
using FetchedPartition = kafka::OffsetFetchResponse::OffsetFetchResponsePartitions;
using FetchGroup = kafka::OffsetFetchRequest::OffsetFetchRequestGroup;

// "Nothing was committed", in Kafka's terms.
FetchedPartition no_offset(PartitionIndex partition) {
  FetchedPartition fetched;
  fetched.partition_index = partition;
  fetched.committed_offset = -1;
  fetched.committed_leader_epoch = -1;
  fetched.metadata = "";
  return fetched;
}

// All that is committed and not left out, in the form of a question for it.
FetchGroup ask_for_all(const Offsets& offsets, auto left_out) {
  FetchGroup all;
  auto& topics = all.topics.emplace();
  for (const auto& [partition, entry] : offsets.entries()) {
    if (left_out(partition, entry)) continue;
    if (topics.empty() || topics.back().name != partition.topic) {
      topics.emplace_back().name = partition.topic;
    }
    topics.back().partition_indexes.push_back(partition.partition);
  }
  return all;
}

// The answer, so far: what is not there is refused by itself, whatever the group, as in Kafka.
kafka::OffsetCommitResponse refuse_unknown(const kafka::OffsetCommitRequest& request,
                                           const Topics& topics) {
  kafka::OffsetCommitResponse response;
  for (const auto& topic : request.topics) {
    const auto known = topics.find(topic.name);
    auto& answered = response.topics.emplace_back();
    answered.name = topic.name;
    for (const auto& partition : topic.partitions) {
      const PartitionIndex index = partition.partition_index;
      const bool there = known && index >= 0 && index < known->partitions;
      answered.partitions.push_back(
          {index, there ? ErrorCode::none : ErrorCode::unknown_topic_or_partition});
    }
  }
  return response;
}

bool refuses_all(const kafka::OffsetCommitResponse& response) {
  return std::ranges::all_of(response.topics, [](const auto& topic) {
    return std::ranges::all_of(topic.partitions,
                               [](const auto& p) { return p.error_code != ErrorCode::none; });
  });
}

}  // namespace

io::Task<kafka::OffsetCommitResponse> Coordinator::offset_commit(
    Caller caller, kafka::OffsetCommitRequest request) {
  const auto hold = runtime_.begin_request();
  kafka::OffsetCommitResponse response = refuse_unknown(request, seams_.topics);
  if (!request.topics.empty() && refuses_all(response)) co_return response;
  const int32_t generation = request.generation_id_or_member_epoch;
  ErrorCode error = co_await admit_client(request.group_id, GroupName::may_be_empty);
  HostedGroupPtr hosted;
  if (error == ErrorCode::none) {
    // A generation of a group that is not there was another coordinator's, or has been deleted.
    hosted = generation < 0 ? host(request.group_id) : find(request.group_id);
    const MemberClaim claim{request.member_id, request.group_instance_id, generation};
    error = hosted ? hosted->group.check_commit(claim, now()) : ErrorCode::illegal_generation;
    if (hosted) runtime_.arm(*hosted);
  }

  std::vector<std::pair<TopicPartition, CommittedOffset>> commits;
  std::vector<JournalRecord> records;
  const int64_t wall_ms = loop_.wall_ms();
  for (size_t t = 0; t < request.topics.size(); ++t) {
    const auto& topic = request.topics[t];
    const auto known = seams_.topics.find(topic.name);
    for (size_t p = 0; p < topic.partitions.size(); ++p) {
      const auto& partition = topic.partitions[p];
      auto& result = response.topics[t].partitions[p];
      if (result.error_code == ErrorCode::none) result.error_code = error;
      const std::string metadata = partition.committed_metadata.value_or("");
      if (result.error_code != ErrorCode::none) continue;
      if (metadata.size() > static_cast<size_t>(config_.max_offset_metadata_bytes)) {
        result.error_code = ErrorCode::offset_metadata_too_large;
        continue;
      }
      const TopicPartition at{topic.name, partition.partition_index};
      CommittedOffset committed{partition.committed_offset,
                                partition.committed_leader_epoch,
                                metadata,
                                wall_ms,
                                -1,
                                known->id};
      if (request.retention_time_ms >= 0) {
        committed.expire_ms = add_saturating(wall_ms, request.retention_time_ms);
      }
      records.push_back(encode_offset({request.group_id, at, false}, committed));
      const Offsets::Entry* before = hosted->offsets.find(at);
      if (before && before->from_link) {
        records.push_back(encode_tombstone(OffsetKey{request.group_id, at, true}));
      }
      commits.emplace_back(at, std::move(committed));
    }
  }
  if (commits.empty()) co_return response;

  const io::InFlight::Hold appending(hosted->appends);
  const uint64_t number = hosted->offsets.begin();
  Result<void> result = co_await hosted->term()->append(std::move(records));
  if (result) {
    for (auto& [at, committed] : commits) {
      hosted->offsets.apply(at, std::move(committed), false, number);
    }
    co_return response;
  }
  for (auto& topic : response.topics) {
    for (auto& partition : topic.partitions) {
      if (partition.error_code != ErrorCode::none) continue;
      partition.error_code = coordinator_error(result.error());
    }
  }
  co_return response;
}

io::Task<kafka::OffsetFetchResponse> Coordinator::offset_fetch(Caller caller,
                                                               kafka::OffsetFetchRequest request) {
  const auto hold = runtime_.begin_request();
  kafka::OffsetFetchResponse response;
  if (caller.version >= fetch_has_groups) {
    for (auto& group : request.groups) {
      FetchedGroup fetched = co_await fetch_group(std::move(group));
      response.groups.push_back(std::move(fetched));
    }
    co_return response;
  }
  FetchGroup single;
  single.group_id = request.group_id;
  single.topics.reset();
  if (request.topics) {
    auto& topics = single.topics.emplace();
    for (auto& topic : *request.topics) {
      auto& to = topics.emplace_back();
      to.name = topic.name;
      to.partition_indexes = topic.partition_indexes;
    }
  }
  FetchedGroup fetched = co_await fetch_group(std::move(single));
  response.error_code = fetched.error_code;
  if (caller.version < fetch_has_group_error && fetched.error_code != ErrorCode::none &&
      request.topics) {
    for (auto& topic : *request.topics) {
      auto& to = fetched.topics.emplace_back();
      to.name = topic.name;
      for (const PartitionIndex partition : topic.partition_indexes) {
        to.partitions.push_back(no_offset(partition));
        to.partitions.back().error_code = fetched.error_code;
      }
    }
  }
  for (auto& topic : fetched.topics) {
    auto& to = response.topics.emplace_back();
    to.name = std::move(topic.name);
    for (auto& partition : topic.partitions) {
      to.partitions.push_back({partition.partition_index, partition.committed_offset,
                               partition.committed_leader_epoch, std::move(partition.metadata),
                               partition.error_code});
    }
  }
  co_return response;
}

io::Task<FetchedGroup> Coordinator::fetch_group(FetchGroup request) {
  FetchedGroup response;
  response.group_id = request.group_id;
  response.error_code = check(request.group_id, GroupName::may_be_empty);
  if (response.error_code != ErrorCode::none) co_return response;
  const HostedGroupPtr hosted = find(request.group_id);
  auto is_gone = [this](const auto& at, const auto& entry) {
    return seams_.topics.has_lost(at.topic, entry.committed.topic_id);
  };
  if (!request.topics && hosted) request.topics = ask_for_all(hosted->offsets, is_gone).topics;
  if (!request.topics) co_return response;

  std::vector<LogEnds::Position> to_clamp;
  for (const auto& topic : *request.topics) {
    auto& to = response.topics.emplace_back();
    to.name = topic.name;
    for (const PartitionIndex index : topic.partition_indexes) {
      auto& fetched = to.partitions.emplace_back(no_offset(index));
      const TopicPartition at{topic.name, index};
      const Offsets::Entry* entry = hosted ? hosted->offsets.find(at) : nullptr;
      if (!entry || is_gone(at, *entry)) continue;
      fetched.committed_offset = entry->committed.offset;
      fetched.committed_leader_epoch = entry->committed.leader_epoch;
      fetched.metadata = entry->committed.metadata;
      if (entry->from_link || hosted->link) to_clamp.push_back({at, entry->committed.offset});
    }
  }
  if (to_clamp.empty()) co_return response;

  std::map<TopicPartition, LogEnds::Clamped> clamped;
  const std::vector<LogEnds::Position> asked = to_clamp;
  auto ends = co_await seams_.ends.clamp(std::move(to_clamp));
  if (hosted->term()->is_lost()) {
    response.topics.clear();
    response.error_code = ErrorCode::not_coordinator;
    co_return response;
  }
  for (size_t i = 0; i < asked.size(); ++i) {
    if (i >= ends.size() || !ends[i]) {
      // All versions of all clients try again on this one.
      response.topics.clear();
      response.error_code = ErrorCode::coordinator_load_in_progress;
      co_return response;
    }
    clamped[asked[i].partition] = *ends[i];
  }
  for (auto& topic : response.topics) {
    for (auto& partition : topic.partitions) {
      const auto it = clamped.find({topic.name, partition.partition_index});
      if (it == clamped.end()) continue;
      if (it->second.offset < 0) {
        partition = no_offset(partition.partition_index);
        continue;
      }
      partition.committed_offset = std::min(partition.committed_offset, it->second.offset);
      partition.committed_leader_epoch = it->second.leader_epoch;
    }
  }
  co_return response;
}

}  // namespace isthmus::broker
