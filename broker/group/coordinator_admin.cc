// Coordinator: what operators ask.
#include <algorithm>

#include "broker/group/coordinator.h"

namespace isthmus::broker {

using kafka::ErrorCode;

namespace {

bool contains_ignoring_case(const std::vector<std::string>& list, std::string_view text) {
  const auto same = [](char a, char b) { return (a | 0x20) == (b | 0x20); };
  return std::ranges::any_of(
      list, [&](const std::string& each) { return std::ranges::equal(each, text, same); });
}

}  // namespace

io::Task<kafka::DescribeGroupsResponse> Coordinator::describe_groups(
    Caller caller, kafka::DescribeGroupsRequest request) {
  const auto hold = runtime_.begin_request();
  kafka::DescribeGroupsResponse response;
  for (const std::string& id : request.groups) {
    kafka::DescribeGroupsResponse::DescribedGroup group;
    group.group_id = id;
    group.error_code = check(id, GroupName::may_be_empty);
    if (group.error_code == ErrorCode::none) {
      if (const HostedGroupPtr hosted = find(id)) {
        group = hosted->group.describe();
      } else {
        group.group_state = "Dead";  // Kafka's way to say that there is none, before v6
      }
    }
    response.groups.push_back(std::move(group));
  }
  co_return response;
}

std::vector<std::pair<TopicPartition, Offset>> Coordinator::committed(const std::string& group) {
  std::vector<std::pair<TopicPartition, Offset>> offsets;
  const HostedGroupPtr hosted = find(group);
  if (!hosted) return offsets;
  for (const auto& [partition, entry] : hosted->offsets.entries()) {
    if (seams_.topics.has_lost(partition.topic, entry.committed.topic_id)) continue;
    offsets.emplace_back(partition, entry.committed.offset);
  }
  return offsets;
}

io::Task<kafka::OffsetDeleteResponse> Coordinator::offset_delete(
    Caller caller, kafka::OffsetDeleteRequest request) {
  const auto hold = runtime_.begin_request();
  kafka::OffsetDeleteResponse response;
  response.error_code = co_await admit_client(request.group_id, GroupName::may_be_empty);
  if (response.error_code != ErrorCode::none) co_return response;
  const HostedGroupPtr hosted = find(request.group_id);
  if (!hosted) {
    response.error_code = ErrorCode::group_id_not_found;
    co_return response;
  }
  // With members, only what they do not read may go; and of other types than consumers we cannot
  // know what they read.
  std::optional<std::set<std::string>> in_use = hosted->group.subscribed();
  if (hosted->group.idle()) in_use.emplace();
  if (!in_use) {
    response.error_code = ErrorCode::non_empty_group;
    co_return response;
  }
  std::vector<TopicPartition> partitions;
  for (const auto& topic : request.topics) {
    auto& to = response.topics.emplace_back();
    to.name = topic.name;
    // What was committed for a topic that is gone went with it.
    const bool known = seams_.topics.find(topic.name).has_value();
    for (const auto& partition : topic.partitions) {
      auto& result = to.partitions.emplace_back();
      result.partition_index = partition.partition_index;
      if (!known) {
        result.error_code = ErrorCode::unknown_topic_or_partition;
      } else if (in_use->contains(topic.name)) {
        result.error_code = ErrorCode::group_subscribed_to_topic;
      } else {
        partitions.push_back({topic.name, partition.partition_index});
      }
    }
  }
  response.error_code = co_await hosted->remove_offsets(std::move(partitions));
  if (response.error_code != ErrorCode::none) response.topics.clear();
  co_return response;
}

io::Task<kafka::ListGroupsResponse> Coordinator::list_groups(Caller caller,
                                                             kafka::ListGroupsRequest request) {
  const auto hold = runtime_.begin_request();
  kafka::ListGroupsResponse response;
  constexpr std::string_view type = "classic";
  if (!request.types_filter.empty() && !contains_ignoring_case(request.types_filter, type)) {
    co_return response;
  }
  if (runtime_.is_loading()) response.error_code = ErrorCode::coordinator_load_in_progress;
  for (const HostedGroupPtr& hosted : all()) {
    const std::string_view state = state_name(hosted->group.state());
    const auto& states = request.states_filter;
    if (!states.empty() && !contains_ignoring_case(states, state)) continue;
    auto& listed = response.groups.emplace_back();
    listed.group_id = hosted->key();
    listed.protocol_type = hosted->group.protocol_type();
    listed.group_state = state;
    listed.group_type = type;
  }
  co_return response;
}

io::Task<kafka::DeleteGroupsResponse> Coordinator::delete_groups(
    Caller caller, kafka::DeleteGroupsRequest request) {
  const auto hold = runtime_.begin_request();
  kafka::DeleteGroupsResponse response;
  for (const std::string& id : request.groups_names) {
    auto& result = response.results.emplace_back();
    result.group_id = id;
    ErrorCode error = co_await admit_client(id, GroupName::may_be_empty);
    if (error == ErrorCode::none) {
      const HostedGroupPtr hosted = find(id);
      error = !hosted ? ErrorCode::group_id_not_found
              : hosted->group.idle() && hosted->appends.running() == 0 ? ErrorCode::none
                                                                       : ErrorCode::non_empty_group;
      if (error == ErrorCode::none) error = co_await hosted->remove();
    }
    response.results.back().error_code = error;
  }
  co_return response;
}

}  // namespace isthmus::broker
