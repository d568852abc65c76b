// The results in an answer, whichever it is: Kafka's answers are lists of results, in some of lists
// of partitions, each with its error; only the names of these lists and of what a result is about
// differ. Written by the shape, so that a new API needs nothing here.
//
// Pure functions.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "kafka/errors.h"

namespace isthmus::broker {

namespace walking {

inline const std::string& text_of(const std::string& text) { return text; }
inline std::string text_of(const std::optional<std::string>& text) { return text.value_or(""); }

// "user=alice,client-id=<default>"
template <typename Entity>
std::string name_of_entity(const Entity& entity) {
  std::string all;
  for (const auto& part : entity) {
    all +=
        (all.empty() ? "" : ",") + part.entity_type + "=" + part.entity_name.value_or("<default>");
  }
  return all;
}

template <typename List, typename Each>
void for_each_in(const List& list, Each each) {
  if constexpr (requires { list.has_value(); }) {
    if (list) for_each_in(*list, each);
  } else {
    size_t i = 0;
    for (const auto& item : list) each(item, i++);
  }
}

// Whether it has lists of results at all.
template <typename T, typename Each>
bool for_each_result(const T& of, Each each) {
  bool has = false;
  const auto in = [&](const auto& list) {
    has = true;
    for_each_in(list, each);
  };
  if constexpr (requires { of.topics; }) in(of.topics);
  if constexpr (requires { of.responses; }) in(of.responses);
  if constexpr (requires { of.results; }) in(of.results);
  if constexpr (requires { of.groups; }) in(of.groups);
  if constexpr (requires { of.entries; }) in(of.entries);
  if constexpr (requires { of.filter_results; }) in(of.filter_results);
  if constexpr (requires { of.coordinators; }) in(of.coordinators);
  if constexpr (requires { of.partitions; }) in(of.partitions);
  if constexpr (requires { of.replica_election_results; }) in(of.replica_election_results);
  if constexpr (requires { of.partition_result; }) in(of.partition_result);
  if constexpr (requires { of.partition_responses; }) in(of.partition_responses);
  return has;
}

}  // namespace walking

// What a result, or a request about one thing, names; empty if it names nothing.
template <typename T>
std::string name_in(const T& of) {
  std::string name;
  if constexpr (requires { of.resource_name; }) {
    name = of.resource_name;
  } else if constexpr (requires { of.link; }) {
    name = of.link;
  } else if constexpr (requires { of.group_id; }) {
    name = of.group_id;
  } else if constexpr (requires { of.transactional_id; }) {
    name = walking::text_of(of.transactional_id);
  } else if constexpr (requires { of.user; }) {
    name = of.user;
  } else if constexpr (requires { of.key; }) {
    name = of.key;
  } else if constexpr (requires { of.entity; }) {
    name = walking::name_of_entity(of.entity);
  } else if constexpr (requires { of.name; }) {
    name = walking::text_of(of.name);
  } else if constexpr (requires { of.topic; }) {
    name = of.topic;
  } else if constexpr (requires { of.broker_id; }) {
    name = std::to_string(of.broker_id);
  }
  if constexpr (requires { of.topic_id.to_string(); }) {
    if (name.empty() && !of.topic_id.is_zero()) name = of.topic_id.to_string();
  }
  return name;
}

// Shows each result that has an error, and each that has none nor results of its own:
//   see(result, name, index, error)
// with the name of what it stands in where it has none. `index` is that in the answer's list.
template <typename T, typename See>
void walk_result(const T& result, const std::string& above, size_t index, See& see) {
  using kafka::ErrorCode;
  std::string name = name_in(result);
  if (name.empty()) name = above;
  if constexpr (requires { result.error_code; }) {
    if (result.error_code != ErrorCode::none) {
      return see(result, std::move(name), index, result.error_code);
    }
  }
  const bool has_more = walking::for_each_result(
      result, [&](const auto& each, size_t) { walk_result(each, name, index, see); });
  if (!has_more) see(result, std::move(name), index, ErrorCode::none);
}

template <typename Response, typename See>
void walk_answer(const Response& response, See& see) {
  walking::for_each_result(response,
                           [&](const auto& each, size_t i) { walk_result(each, "", i, see); });
}

}  // namespace isthmus::broker
