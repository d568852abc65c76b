// MirrorOffsets: group offsets of a source, each to the coordinator of its group.
#include <iterator>
#include <map>

#include "broker/coordinator/key_partition.h"
#include "broker/group/coordinator.h"
#include "broker/link/link_plans.h"
#include "broker/link/link_service.h"
#include "kafka/topic_names.h"

namespace isthmus::broker {

using kafka::ErrorCode;

namespace {

constexpr auto patience_with_coordinators = std::chrono::seconds(8);

}  // namespace

// This one, where nobody else is known: whoever asks tries again.
NodeId LinkService::coordinator_of(const Image& image, const std::string& group) const {
  const TopicImage* topic = image.find(kafka::offsets_topic);
  if (topic == nullptr) return colleagues_.self();
  const auto partitions = static_cast<int32_t>(topic->partitions.size());
  const NodeId leader = topic->partitions[partition_of_key(group, partitions)].leader;
  return leader < 0 ? colleagues_.self() : leader;
}

io::Task<kafka::MirrorOffsetsResponse> LinkService::offsets(kafka::MirrorOffsetsRequest request) {
  kafka::MirrorOffsetsResponse response;
  auto current = co_await check_current(request.link, request.link_epoch);
  if (!current) {
    response.error_code = kafka::error_code(current.error());
    co_return response;
  }
  const auto image = controller_.snapshot();
  std::map<NodeId, kafka::MirrorOffsetsRequest> parts;
  for (auto& group : request.groups) {
    const NodeId node =
        request.passed_on ? colleagues_.self() : coordinator_of(*image, group.group_id);
    auto [part, is_new] = parts.try_emplace(node);
    if (is_new) {
      part->second.link = request.link;
      part->second.link_epoch = request.link_epoch;
      part->second.topics = request.topics;
      part->second.switchover_id = request.switchover_id;
      part->second.passed_on = true;
    }
    part->second.groups.push_back(std::move(group));
  }
  io::Gate all(env_.main_loop());
  for (auto& [node, part] : parts) {
    all.spawn("offsets", take_offsets_of(node, std::move(part), response));
  }
  co_await all.close();
  co_return response;
}

io::Task<void> LinkService::take_offsets_of(NodeId node, kafka::MirrorOffsetsRequest request,
                                            OffsetsTaken& taken) {
  std::vector<std::string> names;
  for (const auto& group : request.groups) names.push_back(group.group_id);
  Result<OffsetsTaken> answer = OffsetsTaken{};
  if (node == colleagues_.self()) {
    answer = co_await take_offsets(std::move(request));
  } else {
    answer = co_await colleagues_.ask(node, std::move(request),
                                      env_.main_loop().now() + patience_with_coordinators);
  }
  if (answer && answer->error_code == ErrorCode::none) {
    std::ranges::move(answer->groups, std::back_inserter(taken.groups));
    co_return;
  }
  // Another mirror process has the link: that is the answer to all of it.
  const bool is_fenced = answer && answer->error_code == ErrorCode::fenced_leader_epoch;
  if (is_fenced) taken.error_code = answer->error_code;
  for (auto& name : names) {
    taken.groups.push_back({std::move(name), ErrorCode::coordinator_not_available, false, false});
  }
}

io::Task<LinkService::OffsetsTaken> LinkService::take_offsets(kafka::MirrorOffsetsRequest request) {
  OffsetsTaken response;
  const auto topics =
      std::make_shared<const std::set<std::string>>(request.topics.begin(), request.topics.end());
  for (auto& group : request.groups) {
    LinkCommit commit;
    commit.link = request.link;
    commit.link_epoch = request.link_epoch;
    commit.group = group.group_id;
    if (group.complete) commit.complete_in = topics;
    for (auto& offset : group.offsets) {
      commit.offsets.push_back(
          {{offset.topic, offset.partition}, offset.offset, offset.metadata.value_or("")});
    }
    if (group.membership) {
      auto members = decode_membership(*group.membership);
      if (!members) {
        log_.warn("link={} group={} members: {}", request.link, group.group_id,
                  members.error().text);
        response.groups.push_back({group.group_id, ErrorCode::invalid_request, false, false});
        continue;
      }
      commit.moved = MovedGroup{request.switchover_id, std::move(*members)};
    }
    auto result = co_await groups_.commit_from_link(std::move(commit));
    response.groups.push_back({group.group_id, result.error, result.held, result.empty});
  }
  co_return response;
}

}  // namespace isthmus::broker
