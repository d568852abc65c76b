#include "client/group_offsets.h"

#include <algorithm>

#include "client/pipeline.h"
#include "kafka/gen/find_coordinator.h"
#include "kafka/gen/offset_fetch.h"

namespace isthmus::client {

namespace {

using kafka::ErrorCode;
using Find = kafka::FindCoordinatorRequest;
using Fetch = kafka::OffsetFetchRequest;

constexpr int16_t fetch_takes_all_topics = 2;
constexpr int16_t fetch_takes_many_groups = 8;
constexpr int16_t find_takes_many_keys = 4;
constexpr size_t groups_per_request = 100;
// Requests of many groups have large answers; those of one group are small and need more of them
// under way to fill a long line.
constexpr size_t window_of_many = 8;
constexpr size_t window_of_one = 64;

std::vector<std::vector<std::string>> in_parts(const std::vector<std::string>& all, size_t most) {
  std::vector<std::vector<std::string>> parts;
  for (size_t at = 0; at < all.size(); at += most) {
    const size_t end = std::min(all.size(), at + most);
    parts.emplace_back(all.begin() + static_cast<long>(at), all.begin() + static_cast<long>(end));
  }
  return parts;
}

// With its name: nothing else says what it was.
Error named(ErrorCode code, const std::string& what) {
  return kafka::error_of(code, what + std::string(kafka::error_name(code)));
}

// One partition that cannot be told makes the whole group unread: its absence would say "none".
GroupOffsets::Committed committed_of(ErrorCode group_error, const auto& topics) {
  ByPartition<CommittedOffset> committed;
  if (group_error == ErrorCode::group_id_not_found) return committed;
  if (group_error != ErrorCode::none) return fail(named(group_error, ""));
  for (const auto& topic : topics) {
    for (const auto& p : topic.partitions) {
      const TopicPartition at{topic.name, p.partition_index};
      if (p.error_code != ErrorCode::none) {
        return fail(named(p.error_code, at.to_string() + ": "));
      }
      committed[at] = {p.error_code, p.committed_offset, p.committed_leader_epoch,
                       p.metadata.value_or("")};
    }
  }
  return committed;
}

// Another broker may answer, or the same one once it is known again.
bool asks_elsewhere(const GroupOffsets::Committed& committed) {
  if (committed) return false;
  const Error& error = committed.error();
  if (error.kind != Error::Kind::kafka) return true;
  return kafka::is(error, ErrorCode::not_coordinator) ||
         kafka::is(error, ErrorCode::coordinator_not_available);
}

}  // namespace

io::Task<GroupOffsets::ByGroup> GroupOffsets::read(std::set<std::string> groups) {
  std::erase_if(coordinators_, [&](const auto& known) { return !groups.contains(known.first); });
  ByGroup found;
  // A coordinator that has moved is looked for once; a second move is for the next call.
  for (int attempt = 0; attempt < 2; ++attempt) {
    Names to_ask, unknown;
    for (const auto& group : groups) {
      auto known = found.find(group);
      if (known != found.end() && !asks_elsewhere(known->second)) continue;
      to_ask.push_back(group);
      if (!coordinators_.contains(group)) unknown.push_back(group);
    }
    if (to_ask.empty()) break;
    if (!unknown.empty()) co_await find_coordinators(std::move(unknown), found);
    std::map<NodeId, Names> by_node;
    for (auto& group : to_ask) {
      auto at = coordinators_.find(group);
      if (at != coordinators_.end()) by_node[at->second].push_back(std::move(group));
    }
    for (auto& [node, names] : by_node) co_await ask(node, std::move(names), found);
  }
  co_return found;
}

io::Task<void> GroupOffsets::find_coordinators(Names groups, ByGroup& into) {
  auto asked = co_await ask_for_coordinators(groups, into);
  if (asked) co_return;
  for (const auto& group : groups) {
    if (!coordinators_.contains(group)) into.insert_or_assign(group, fail(asked.error()));
  }
}

io::Task<Result<void>> GroupOffsets::ask_for_coordinators(Names groups, ByGroup& into) {
  auto connection = co_await cluster_.any(cluster_.loop().now() + patience_);
  if (!connection) co_return fail(connection.error());
  const auto version = (*connection)->version_for(Find::api_key);
  if (!version) co_return fail(no_common_version(Find::api_key, (*connection)->peer()));
  const bool many = *version >= find_takes_many_keys;
  const auto parts = in_parts(groups, many ? groups_per_request : 1);
  std::vector<Find> requests;
  for (const auto& part : parts) {
    auto& request = requests.emplace_back();
    request.key = part.front();
    request.key_type = CoordinatorType::group;
    request.coordinator_keys = part;
  }
  auto answers = co_await call_pipelined(*connection, std::move(requests), *version,
                                         many ? window_of_many : window_of_one, patience_);
  if (!answers) co_return fail(answers.error());
  for (size_t i = 0; i < parts.size(); ++i) {
    auto& answer = (*answers)[i];
    if (!many) {
      answer.coordinators = {{parts[i].front(), answer.node_id, answer.host, answer.port,
                              answer.error_code, answer.error_message}};
    }
    for (const auto& group : parts[i])
      into.insert_or_assign(group, fail("no coordinator is named"));
    for (const auto& c : answer.coordinators) {
      if (!into.contains(c.key)) continue;
      if (c.error_code != ErrorCode::none) {
        into.insert_or_assign(c.key, fail(named(c.error_code, "no coordinator: ")));
        continue;
      }
      cluster_.metadata().learn_broker(
          {c.node_id, {c.host, static_cast<uint16_t>(c.port)}, std::nullopt});
      coordinators_[c.key] = c.node_id;
    }
  }
  co_return Result<void>{};
}

io::Task<void> GroupOffsets::ask(NodeId node, Names groups, ByGroup& into) {
  for (const auto& group : groups) into.insert_or_assign(group, fail("the answer leaves it out"));
  auto fetched = co_await fetch(node, groups, into);
  for (const auto& group : groups) {
    if (!fetched) into.insert_or_assign(group, fail(fetched.error()));
    if (asks_elsewhere(into.at(group))) coordinators_.erase(group);
  }
}

io::Task<Result<void>> GroupOffsets::fetch(NodeId node, Names groups, ByGroup& into) {
  auto connection = co_await cluster_.try_node(node, cluster_.loop().now() + patience_);
  if (!connection) co_return fail(connection.error());
  const auto version = (*connection)->version_for(Fetch::api_key);
  if (!version || *version < fetch_takes_all_topics) {
    co_return fail(no_common_version(Fetch::api_key, (*connection)->peer()));
  }
  const bool many = *version >= fetch_takes_many_groups;
  const auto parts = in_parts(groups, many ? groups_per_request : 1);
  std::vector<Fetch> requests;
  for (const auto& part : parts) {
    auto& request = requests.emplace_back();
    request.group_id = part.front();
    request.topics = std::nullopt;
    for (const auto& group : part) {
      auto& g = request.groups.emplace_back();
      g.group_id = group;
      g.topics = std::nullopt;
    }
  }
  auto answers = co_await call_pipelined(*connection, std::move(requests), *version,
                                         many ? window_of_many : window_of_one, patience_);
  if (!answers) co_return fail(answers.error());
  for (size_t i = 0; i < parts.size(); ++i) {
    const auto& answer = (*answers)[i];
    if (!many) {
      into.insert_or_assign(parts[i].front(), committed_of(answer.error_code, answer.topics));
      continue;
    }
    for (const auto& g : answer.groups) {
      if (std::ranges::find(parts[i], g.group_id) == parts[i].end()) continue;
      into.insert_or_assign(g.group_id, committed_of(g.error_code, g.topics));
    }
  }
  co_return Result<void>{};
}

}  // namespace isthmus::client
