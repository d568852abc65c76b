#include "broker/handlers/group_screen.h"

#include <algorithm>

namespace isthmus::broker {

using kafka::ErrorCode;

namespace {

using Op = AclOperation;
using Type = ResourceType;

// Shows each element that may not be to `refuse`, and keeps the others in their order.
template <typename T, typename May, typename Refuse>
void split(std::vector<T>& all, May may, Refuse refuse) {
  std::erase_if(all, [&](const T& each) {
    if (may(each)) return false;
    refuse(each);
    return true;
  });
}

template <typename T>
void append(std::vector<T>& to, std::vector<T> more) {
  std::ranges::move(more, std::back_inserter(to));
}

}  // namespace

std::optional<kafka::OffsetCommitResponse> Screen<kafka::OffsetCommitRequest>::take_out(
    kafka::OffsetCommitRequest& message) {
  using Request = kafka::OffsetCommitRequest;
  constexpr auto of_group = kafka::need<Request>(Op::read, Type::group);
  constexpr auto of_topic = kafka::need<Request>(Op::read, Type::topic);
  const bool may = rights_.may(of_group, message.group_id);
  const ErrorCode error =
      may ? ErrorCode::topic_authorization_failed : ErrorCode::group_authorization_failed;
  const bool had_topics = !message.topics.empty();
  split(
      message.topics, [&](const auto& t) { return may && rights_.may(of_topic, t.name); },
      [&](const auto& topic) {
        auto& answer = refused_.topics.emplace_back();
        answer.name = topic.name;
        for (const auto& p : topic.partitions) {
          answer.partitions.push_back({p.partition_index, error});
        }
      });
  if (may && !(had_topics && message.topics.empty())) return std::nullopt;
  return std::move(refused_);
}

void Screen<kafka::OffsetCommitRequest>::put_back(Response& response) {
  append(response.topics, std::move(refused_.topics));
}

namespace {

constexpr auto fetch_of_group = kafka::need<kafka::OffsetFetchRequest>(Op::describe, Type::group);
constexpr auto fetch_of_topic = kafka::need<kafka::OffsetFetchRequest>(Op::describe, Type::topic);

using FetchedTopic = kafka::OffsetFetchResponse::OffsetFetchResponseTopics;

template <typename Topic>
FetchedTopic refused_topic(const Topic& topic, ErrorCode error) {
  FetchedTopic refused;
  refused.name = topic.name;
  for (PartitionIndex index : topic.partition_indexes) {
    refused.partitions.push_back({index, -1, -1, "", error});
  }
  return refused;
}

// As it is written before version 8, where there is one group.
kafka::OffsetFetchResponse::OffsetFetchResponseTopic in_old_form(const FetchedTopic& topic) {
  kafka::OffsetFetchResponse::OffsetFetchResponseTopic old;
  old.name = topic.name;
  for (const auto& p : topic.partitions) {
    old.partitions.push_back({p.partition_index, p.committed_offset, p.committed_leader_epoch,
                              p.metadata, p.error_code});
  }
  return old;
}

constexpr int16_t fetch_has_group_error = 2;
constexpr int16_t fetch_has_groups = 8;

}  // namespace

std::optional<kafka::OffsetFetchResponse> Screen<kafka::OffsetFetchRequest>::take_out(
    kafka::OffsetFetchRequest& message) {
  constexpr ErrorCode no_group = ErrorCode::group_authorization_failed;
  const auto take_topics = [&](auto& topics) {
    auto& refused = topics_.emplace_back();
    if (!topics) return;  // all: put_back() looks at those that there are
    split(
        *topics, [&](const auto& t) { return rights_.may(fetch_of_topic, t.name); },
        [&](const auto& t) {
          refused.push_back(refused_topic(t, ErrorCode::topic_authorization_failed));
        });
  };
  if (version_ >= fetch_has_groups) {
    split(
        message.groups, [&](const auto& g) { return rights_.may(fetch_of_group, g.group_id); },
        [&](const auto& g) { refused_.groups.push_back({g.group_id, {}, no_group}); });
    for (auto& group : message.groups) take_topics(group.topics);
    if (refused_.groups.empty() || !message.groups.empty()) return std::nullopt;
    return std::move(refused_);
  }
  if (rights_.may(fetch_of_group, message.group_id)) {
    take_topics(message.topics);
    return std::nullopt;
  }
  refused_.error_code = no_group;
  if (version_ < fetch_has_group_error && message.topics) {
    for (const auto& topic : *message.topics) {
      refused_.topics.push_back(in_old_form(refused_topic(topic, no_group)));
    }
  }
  return std::move(refused_);
}

void Screen<kafka::OffsetFetchRequest>::put_back(Response& response) {
  const auto unseen = [&](const auto& t) { return !rights_.may(fetch_of_topic, t.name); };
  if (version_ < fetch_has_groups) {
    std::erase_if(response.topics, unseen);
    if (response.error_code != ErrorCode::none) return;
    for (const auto& topic : topics_.at(0)) response.topics.push_back(in_old_form(topic));
    return;
  }
  for (size_t i = 0; i < response.groups.size(); ++i) {
    auto& group = response.groups[i];
    std::erase_if(group.topics, unseen);
    if (group.error_code == ErrorCode::none) append(group.topics, std::move(topics_.at(i)));
  }
  append(response.groups, std::move(refused_.groups));
}

std::optional<kafka::DescribeGroupsResponse> Screen<kafka::DescribeGroupsRequest>::take_out(
    kafka::DescribeGroupsRequest& message) {
  constexpr auto needed = kafka::need<kafka::DescribeGroupsRequest>(Op::describe, Type::group);
  operations_ = message.include_authorized_operations;
  split(
      message.groups, [&](const auto& id) { return rights_.may(needed, id); },
      [&](const auto& id) {
        auto& group = refused_.groups.emplace_back();
        group.group_id = id;
        group.error_code = ErrorCode::group_authorization_failed;
      });
  if (refused_.groups.empty() || !message.groups.empty()) return std::nullopt;
  return std::move(refused_);
}

void Screen<kafka::DescribeGroupsRequest>::put_back(Response& response) {
  for (auto& group : response.groups) {
    if (!operations_ || group.error_code != ErrorCode::none) continue;
    group.authorized_operations = rights_.operations(Type::group, group.group_id);
  }
  append(response.groups, std::move(refused_.groups));
}

void Screen<kafka::ListGroupsRequest>::put_back(Response& response) {
  using Request = kafka::ListGroupsRequest;
  constexpr auto all = kafka::need<Request>(Op::describe, Type::cluster);
  constexpr auto each = kafka::need<Request>(Op::describe, Type::group);
  if (rights_.may_on_cluster(all)) return;
  std::erase_if(response.groups, [&](const auto& g) { return !rights_.may(each, g.group_id); });
}

std::optional<kafka::DeleteGroupsResponse> Screen<kafka::DeleteGroupsRequest>::take_out(
    kafka::DeleteGroupsRequest& message) {
  constexpr auto needed = kafka::need<kafka::DeleteGroupsRequest>(Op::remove, Type::group);
  split(
      message.groups_names, [&](const auto& id) { return rights_.may(needed, id); },
      [&](const auto& id) {
        refused_.results.push_back({id, ErrorCode::group_authorization_failed});
      });
  if (refused_.results.empty() || !message.groups_names.empty()) return std::nullopt;
  return std::move(refused_);
}

void Screen<kafka::DeleteGroupsRequest>::put_back(Response& response) {
  append(response.results, std::move(refused_.results));
}

std::optional<kafka::OffsetDeleteResponse> Screen<kafka::OffsetDeleteRequest>::take_out(
    kafka::OffsetDeleteRequest& message) {
  using Request = kafka::OffsetDeleteRequest;
  constexpr auto of_group = kafka::need<Request>(Op::remove, Type::group);
  constexpr auto of_topic = kafka::need<Request>(Op::read, Type::topic);
  if (!rights_.may(of_group, message.group_id)) {
    refused_.error_code = ErrorCode::group_authorization_failed;
    return std::move(refused_);
  }
  split(
      message.topics, [&](const auto& t) { return rights_.may(of_topic, t.name); },
      [&](const auto& topic) {
        auto& answer = refused_.topics.emplace_back();
        answer.name = topic.name;
        for (const auto& p : topic.partitions) {
          answer.partitions.push_back({p.partition_index, ErrorCode::topic_authorization_failed});
        }
      });
  if (refused_.topics.empty() || !message.topics.empty()) return std::nullopt;
  return std::move(refused_);
}

void Screen<kafka::OffsetDeleteRequest>::put_back(Response& response) {
  if (response.error_code == ErrorCode::none) {
    append(response.topics, std::move(refused_.topics));
  }
}

}  // namespace isthmus::broker
