#include "tests/sim/member.h"

#include <algorithm>

#include "kafka/gen/find_coordinator.h"
#include "kafka/gen/heartbeat.h"
#include "kafka/gen/leave_group.h"
#include "kafka/gen/offset_commit.h"
#include "kafka/gen/offset_fetch.h"
#include "kafka/gen/sync_group.h"
#include "kafka/wire.h"

namespace isthmus::sim {

using kafka::ErrorCode;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

constexpr int32_t session_ms = 6000;
constexpr int32_t rebalance_ms = 4000;
constexpr auto answer_within = seconds(4);
// Joins and syncs wait for the others.
constexpr auto join_timeout = seconds(15);
// A member first learns its id (KIP-394), and offsets are committed by generation.
constexpr int16_t join_version = 5;
constexpr int16_t one_group_per_fetch = 7;
constexpr int16_t commit_version = 8;
constexpr int16_t leave_version = 2;  // later ones leave in batches

// ConsumerProtocolSubscription v0: the topics, and no data of the user's.
Slice subscription_to(const std::string& topic) {
  kafka::Writer writer;
  writer.int16(0);
  writer.array_size(1, false);
  writer.string(topic, false);
  writer.nullable_bytes(std::nullopt, false);
  auto bytes = std::move(writer).finish().flatten();
  return bytes ? *bytes : Slice();
}

// To coordinators assignments are bytes; ours are the numbers of partitions, one character each.
std::string assignment_of(size_t member, size_t members, int32_t partitions) {
  std::string numbers;
  for (int32_t p = 0; p < partitions; ++p) {
    if (static_cast<size_t>(p) % members == member) numbers += static_cast<char>('0' + p);
  }
  return numbers;
}

template <typename Response>
Result<ErrorCode> code_of(const Result<Response>& answer) {
  if (!answer) return fail(answer.error());
  return answer->error_code;
}

bool says_not_written(ErrorCode code) {
  return code == ErrorCode::illegal_generation || code == ErrorCode::unknown_member_id ||
         code == ErrorCode::rebalance_in_progress;
}

}  // namespace

Member::Member(io::Env& env, GroupBook& book, const Ledger& ledger, const Destination& where,
               MemberOptions options)
    : caller_(env),
      book_(book),
      ledger_(ledger),
      where_(where),
      options_(std::move(options)),
      random_(options_.seed) {}

io::Task<void> Member::run() {
  for (;;) {
    site_ = where_.sites[turn_ % where_.sites.size()];
    Next next = co_await find_coordinator();
    if (next == Next::go_on) next = living_ ? co_await live() : Next::join_again;
    while (next == Next::join_again) {
      living_ = false;
      next = co_await join();
      if (next != Next::go_on) continue;
      living_ = true;
      next = co_await live();
    }
    caller_.hang_up(site_);
    ++turn_;
    co_await io::sleep(caller_.loop(), random_.between(milliseconds(20), milliseconds(300)));
  }
}

Member::Next Member::after(const Result<ErrorCode>& answer) {
  if (!answer) {
    trouble_ = answer.error().text;
    return Next::turn_away;
  }
  if (*answer != ErrorCode::none) trouble_ = kafka::error_name(*answer);
  switch (*answer) {
    case ErrorCode::none: return Next::go_on;
    case ErrorCode::unknown_member_id: id_.clear(); [[fallthrough]];
    case ErrorCode::member_id_required:
    case ErrorCode::illegal_generation:
    case ErrorCode::rebalance_in_progress: return Next::join_again;
    default: return Next::turn_away;
  }
}

io::Task<Member::Next> Member::find_coordinator() {
  kafka::FindCoordinatorRequest request;
  request.key = options_.group;
  auto answer = co_await caller_.call(site_, std::move(request), answer_within, 3);
  co_return after(code_of(answer));
}

io::Task<Member::Next> Member::join() {
  kafka::JoinGroupRequest request;
  request.group_id = options_.group;
  request.session_timeout_ms = session_ms;
  request.rebalance_timeout_ms = rebalance_ms;
  request.member_id = id_;
  request.protocol_type = "consumer";
  request.protocols.push_back({"range", subscription_to(options_.topic)});
  const int32_t before = known();
  auto answer = co_await caller_.call(site_, std::move(request), join_timeout, join_version);
  if (answer && answer->error_code == ErrorCode::member_id_required) id_ = answer->member_id;
  const Next next = after(code_of(answer));
  // Asking at once again would be a busy loop where the answer is always the same.
  co_await io::sleep(caller_.loop(), random_.between(milliseconds(1), milliseconds(20)));
  if (next != Next::go_on) co_return next;
  book_.told(site_, options_.group, answer->generation_id, before);
  id_ = answer->member_id;
  generation_ = answer->generation_id;
  co_return co_await sync(std::move(*answer));
}

io::Task<Member::Next> Member::sync(kafka::JoinGroupResponse joined) {
  kafka::SyncGroupRequest request;
  request.group_id = options_.group;
  request.generation_id = generation_;
  request.member_id = id_;
  if (joined.leader == id_) {
    auto& members = joined.members;
    std::ranges::sort(members, {}, &kafka::JoinGroupResponse::JoinGroupResponseMember::member_id);
    for (size_t i = 0; i < members.size(); ++i) {
      const std::string numbers = assignment_of(i, members.size(), options_.partitions);
      request.assignments.push_back({members[i].member_id, Slice::copy_of(numbers)});
    }
  }
  auto answer = co_await caller_.call(site_, std::move(request), join_timeout, 3);
  Next next = after(code_of(answer));
  if (next != Next::go_on) co_return next;
  std::vector<TopicPartition> given;
  for (const char number : as_text(answer->assignment.view())) {
    given.push_back({options_.topic, number - '0'});
  }
  book_.assigned(site_, options_.group, generation_, id_, given);
  owned_.clear();
  for (const TopicPartition& partition : given) {
    next = co_await take_over(partition);
    if (next != Next::go_on) co_return next;
  }
  co_return Next::go_on;
}

io::Task<Member::Next> Member::take_over(TopicPartition partition) {
  kafka::OffsetFetchRequest request;
  request.group_id = options_.group;
  request.topics.emplace().push_back({partition.topic, {partition.partition}});
  const auto range = book_.offsets(options_.group, partition, caller_.loop().now());
  auto answer =
      co_await caller_.call(site_, std::move(request), answer_within, one_group_per_fetch);
  Next next = after(code_of(answer));
  if (next != Next::go_on) co_return next;
  const auto& found = answer->topics.at(0).partitions.at(0);
  next = after(found.error_code);
  if (next != Next::go_on) co_return next;
  if (options_.offsets_stay) {
    book_.fetched("member " + options_.name, options_.group, partition, found.committed_offset,
                  range);
  }
  owned_.push_back({partition, std::max<Offset>(0, found.committed_offset)});
  // What somebody knew of the generation before ends with it.
  if (one_in(3)) next = co_await commit_late(std::move(partition));
  co_return next;
}

io::Task<Member::Next> Member::live() {
  for (;;) {
    co_await io::sleep(caller_.loop(), random_.between(milliseconds(50), milliseconds(900)));
    const bool dreams = !calm_ && one_in(30);
    if (dreams) {
      dreaming_ = true;
      co_await io::sleep(caller_.loop(), random_.between(seconds(3), seconds(14)));
      dreaming_ = false;
    }
    if (!calm_ && one_in(40)) co_return co_await leave();
    Next next = Next::go_on;
    // Who has dreamt commits before it asks whether it still lives.
    if (!dreams) next = co_await heartbeat();
    if (next == Next::go_on) next = co_await commit_one();
    if (next != Next::go_on) co_return next;
  }
}

io::Task<Member::Next> Member::heartbeat() {
  kafka::HeartbeatRequest request;
  request.group_id = options_.group;
  request.generation_id = generation_;
  request.member_id = id_;
  auto answer = co_await caller_.call(site_, std::move(request), answer_within, 3);
  co_return after(code_of(answer));
}

io::Task<Member::Next> Member::commit_one() {
  if (owned_.empty()) co_return Next::go_on;
  const size_t which = random_.below(owned_.size());
  const TopicPartition partition = owned_[which].partition;
  const Offset position = owned_[which].position;
  // In steps, as who reads; or over all of it, as who seeks, or reads over a failover's gap.
  constexpr Offset over_any_gap = Offset{1} << 52;
  const auto step = one_in(4) ? over_any_gap : static_cast<Offset>(random_.between(1, 200));
  const Offset target = std::min(ledger_.end(partition), position + step);
  if (target <= position && (calm_ || !one_in(4))) co_return Next::go_on;
  const Offset offset = std::max(position, target);
  const int32_t before = known();
  const auto ticket = book_.committing(options_.group, partition, offset, caller_.loop().now());
  auto answer = co_await send_commit(partition, offset, generation_);
  if (answer && *answer == ErrorCode::none) {
    book_.accepted(site_, options_.group, generation_, before);
    book_.committed(ticket);
    owned_[which].position = offset;
  } else if (answer && says_not_written(*answer)) {
    book_.refused(ticket);
  }
  co_return after(answer);
}

io::Task<Member::Next> Member::commit_late(TopicPartition partition) {
  const int32_t before = known();
  auto answer = co_await send_commit(std::move(partition), 0, generation_ - 1);
  if (!answer) co_return after(answer);
  if (*answer == ErrorCode::none) {
    book_.accepted(site_, options_.group, generation_ - 1, before);
  }
  co_return Next::go_on;
}

io::Task<Result<ErrorCode>> Member::send_commit(TopicPartition partition, Offset offset,
                                                int32_t generation) {
  kafka::OffsetCommitRequest request;
  request.group_id = options_.group;
  request.member_id = id_;
  request.generation_id_or_member_epoch = generation;
  auto& topic = request.topics.emplace_back();
  topic.name = partition.topic;
  topic.partitions.push_back({.partition_index = partition.partition,
                              .committed_offset = offset,
                              .committed_leader_epoch = -1,
                              .committed_metadata = ""});
  auto answer = co_await caller_.call(site_, std::move(request), answer_within, commit_version);
  if (!answer) co_return fail(answer.error());
  co_return answer->topics.at(0).partitions.at(0).error_code;
}

io::Task<Member::Next> Member::leave() {
  kafka::LeaveGroupRequest request;
  request.group_id = options_.group;
  request.member_id = id_;
  auto answer = co_await caller_.call(site_, std::move(request), answer_within, leave_version);
  if (!answer) co_return after(fail(answer.error()));
  living_ = false;
  id_.clear();
  co_await io::sleep(caller_.loop(), random_.between(milliseconds(0), seconds(5)));
  co_return Next::join_again;
}

}  // namespace isthmus::sim
