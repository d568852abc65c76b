#include "mirror/offset_sync.h"

#include <algorithm>
#include <iterator>

#include "client/admin.h"
#include "client/describe_site.h"
#include "client/pipeline.h"
#include "io/gate.h"

namespace isthmus::mirror {

using kafka::ErrorCode;
using Request = kafka::MirrorOffsetsRequest;

namespace {

// Requests are small and many of them under way, because the target works on one group of a request
// after the other, but on several requests at once: they share its writes to the disk.
constexpr size_t groups_per_request = 20;
constexpr size_t bytes_per_request = size_t{256} << 10;
constexpr size_t requests_under_way = 16;
constexpr size_t bytes_of_numbers = 16;  // beside the names, for each offset

// Kafka 4 lists these too; their positions are no committed offsets.
constexpr std::string_view share_groups = "share";

std::string names_in(const std::map<std::string, std::string>& groups) {
  constexpr size_t most = 3;
  std::string names;
  size_t count = 0;
  for (const auto& [group, why] : groups) {
    if (++count <= most) names += (names.empty() ? "" : ", ") + group;
  }
  if (count > most) names += " and " + std::to_string(count - most) + " more";
  return names;
}

}  // namespace

OffsetSync::OffsetSync(client::Cluster& source, client::Cluster& target, std::string link,
                       int64_t link_epoch, kafka::Selector groups, io::Duration patience,
                       Logger log)
    : source_(source),
      target_(target),
      link_(std::move(link)),
      link_epoch_(link_epoch),
      selector_(std::move(groups)),
      patience_(patience),
      log_(std::move(log)),
      reader_(source, patience),
      turn_(source.loop()) {}

size_t OffsetSync::held() const {
  return static_cast<size_t>(
      std::ranges::count_if(known_, [](const auto& group) { return group.second; }));
}

io::Task<Result<void>> OffsetSync::round(Topics topics) {
  auto turn = co_await prepare_last_round(std::move(topics));
  if (!turn) co_return fail(turn.error());
  co_return Result<void>{};
}

io::Task<Result<io::Mutex::Held>> OffsetSync::prepare_last_round(Topics topics) {
  auto turn = co_await turn_.lock();
  auto failures = co_await run(std::move(topics), {});
  report(failures);
  if (!failures) co_return fail(failures.error());
  co_return std::move(turn);
}

io::Task<Result<void>> OffsetSync::last_round(Topics topics, Standstill standstill) {
  auto failures = co_await run(std::move(topics), std::move(standstill));
  if (!failures) co_return fail(failures.error());
  if (failures->empty()) co_return Result<void>{};
  co_return fail("groups: " + names_in(*failures) + " do not cross: " + failures->begin()->second);
}

io::Task<Result<OffsetSync::Failures>> OffsetSync::run(Topics topics, Standstill standstill) {
  const Uuid switchover = standstill.switchover;
  if (!asked_target_) {
    auto learned = co_await learn_from_target();
    if (!learned) co_return fail(learned.error());
    asked_target_ = true;
  }
  if (topics != topics_) {
    // An offset that is gone in a topic that is new here would otherwise never be looked for.
    sent_.clear();
    topics_ = std::move(topics);
  }
  Reading reading;
  Result<Names> groups;
  if (standstill.is_told) {
    groups = co_await read_standstill(standstill, reading);
  } else {
    groups = co_await read_all(switchover, reading);
  }
  if (!groups) co_return fail(groups.error());
  latest_ = *groups;
  Failures failures;
  NewsByGroup news;
  for (const auto& group : *groups) {
    if (!reading.offsets.contains(group)) failures[group] = "not read";
  }
  for (const auto& [group, committed] : reading.offsets) {
    if (committed) {
      compare(group, positions_in(*committed), news);
    } else {
      failures[group] = committed.error().text;
    }
  }
  // Held at a time when the link still took it.
  for (const auto& [group, is_held] : known_) {
    if (is_held && !selector_.takes(group)) news[group] = {};
  }
  if (!switchover.is_zero()) add_members(*groups, std::move(reading), news, failures);
  if (news.empty()) co_return failures;
  auto sent = co_await send(std::move(news), switchover, failures);
  if (!sent) co_return fail(sent.error());
  co_return failures;
}

// What the link has brought in earlier sessions may have gone at the source since.
io::Task<Result<void>> OffsetSync::learn_from_target() {
  kafka::DescribeSiteRequest request;
  request.include_groups = true;
  auto site = co_await client::describe_site(target_, std::move(request), soon());
  if (!site) co_return fail(site.error());
  for (const auto& group : site->groups) {
    if (group.wanted_by == link_) {
      known_[group.name] = true;
    } else if (group.link == link_) {
      known_[group.name] = false;
    }
  }
  co_return Result<void>{};
}

// A group that is not listed any more is asked for like the others: that it has nothing is then its
// coordinator's word, not a guess from a list.
io::Task<Result<OffsetSync::Names>> OffsetSync::groups_to_read() {
  client::Admin admin(source_);
  auto listed = co_await admin.list_groups(soon());
  if (!listed) co_return fail(listed.error());
  Names groups;
  for (const auto& group : *listed) {
    bool wanted = selector_.takes(group.group_id) && group.protocol_type != share_groups;
    if (wanted) groups.insert(group.group_id);
  }
  for (const auto& [group, is_held] : known_) {
    if (selector_.takes(group)) groups.insert(group);
  }
  co_return groups;
}

// What a round before has found is asked for along with the question of what there is.
io::Task<Result<OffsetSync::Names>> OffsetSync::read_all(Uuid switchover, Reading& reading) {
  const Names expected = switchover.is_zero() ? Names{} : latest_;
  Result<Names> groups = fail("not asked");
  io::Gate both(source_.loop());
  both.spawn("list groups", list(groups));
  if (!expected.empty()) both.spawn("read groups", read(expected, switchover, reading));
  co_await both.close();
  if (!groups) co_return groups;
  Names others;
  std::ranges::set_difference(*groups, expected, std::inserter(others, others.end()));
  if (!others.empty()) co_await read(std::move(others), switchover, reading);
  std::erase_if(reading.offsets, [&](const auto& read) { return !groups->contains(read.first); });
  co_return groups;
}

io::Task<void> OffsetSync::list(Result<Names>& groups) { groups = co_await groups_to_read(); }

io::Task<void> OffsetSync::read(Names groups, Uuid switchover, Reading& reading) {
  io::Gate both(source_.loop());
  both.spawn("read offsets", read_offsets(groups, reading));
  if (!switchover.is_zero()) {
    both.spawn("read members", read_members(std::move(groups), switchover, reading));
  }
  co_await both.close();
}

io::Task<void> OffsetSync::read_offsets(Names groups, Reading& reading) {
  auto read = co_await reader_.read(std::move(groups));
  reading.offsets.merge(read);
}

OffsetSync::Positions OffsetSync::positions_in(
    const client::ByPartition<client::CommittedOffset>& committed) const {
  Positions positions;
  for (const auto& [tp, offset] : committed) {
    bool wanted = offset.offset >= 0 && topics_.contains(tp.topic);
    if (wanted) positions[tp] = {offset.offset, offset.metadata};
  }
  return positions;
}

void OffsetSync::compare(const std::string& group, Positions now, NewsByGroup& news) const {
  if (now.empty() && !known_.contains(group)) return;
  auto before = sent_.find(group);
  if (before == sent_.end()) {
    news[group] = {std::move(now), true};
    return;
  }
  bool lost = std::ranges::any_of(before->second,
                                  [&](const auto& was) { return !now.contains(was.first); });
  if (lost || now != before->second) news[group] = {std::move(now), lost};
}

// Some groups' answers, of as many requests as it takes. UNSUPPORTED_VERSION from an older source.
io::Task<Result<std::vector<OffsetSync::Members>>> OffsetSync::ask_members(Names groups,
                                                                           Uuid switchover,
                                                                           int16_t at_least) {
  using Request = kafka::ReadMembersRequest;
  auto connection = co_await source_.any(soon());
  if (!connection) co_return fail(connection.error());
  const auto version = (*connection)->version_for(Request::api_key);
  if (!version || *version < at_least) {
    co_return kafka::refuse(ErrorCode::unsupported_version, "the source is too old");
  }
  std::vector<Request> requests;
  for (const std::string& group : groups) {
    if (requests.empty() || requests.back().groups.size() == groups_per_request) {
      requests.emplace_back().switchover_id = switchover;
    }
    requests.back().groups.push_back(group);
  }
  auto answers = co_await client::call_pipelined(*connection, std::move(requests), *version,
                                                 requests_under_way, patience_);
  if (!answers) co_return fail(answers.error());
  std::vector<Members> members;
  for (auto& answer : *answers) {
    for (auto& group : answer.groups) members.push_back(std::move(group));
  }
  co_return members;
}

// All that stand still, of one fence.
io::Task<Result<OffsetSync::Names>> OffsetSync::read_standstill(const Standstill& standstill,
                                                                Reading& reading) {
  Names groups;
  for (const std::string& group : standstill.groups) {
    if (selector_.takes(group)) groups.insert(group);
  }
  // One that is not there any more has nothing, by its coordinator's word.
  for (const auto& [group, is_held] : known_) {
    if (selector_.takes(group)) groups.insert(group);
  }
  auto answers = co_await ask_members(groups, standstill.switchover, 1);
  if (!answers) co_return fail(answers.error());
  for (auto& answer : *answers) {
    if (!groups.contains(answer.group_id)) continue;
    const bool holds = standstill.holds(answer.index, {answer.leader_epoch, answer.number});
    if (answer.error_code != ErrorCode::none || !holds) {
      const std::string why = answer.error_code == ErrorCode::none
                                  ? "its coordinator was replaced, or its fence has ended"
                                  : std::string(kafka::error_name(answer.error_code));
      reading.offsets.insert_or_assign(answer.group_id, fail("at the source: " + why));
      continue;
    }
    client::ByPartition<client::CommittedOffset> committed;
    for (auto& offset : answer.offsets) {
      committed[{offset.topic, offset.index}] = {.offset = offset.offset,
                                                 .metadata = std::move(offset.metadata)};
    }
    reading.offsets.insert_or_assign(answer.group_id, std::move(committed));
    reading.members.insert_or_assign(answer.group_id, std::move(answer.membership));
  }
  co_return groups;
}

// Each group has its entry, unless the source does not know of members.
io::Task<void> OffsetSync::read_members(Names groups, Uuid switchover, Reading& reading) {
  auto answers = co_await ask_members(groups, switchover, 0);
  const bool is_too_old = !answers && answers.error().kind == Error::Kind::kafka;
  if (is_too_old) {
    log_.info("members of groups do not go along, they join again: the source is too old");
    co_return;
  }
  for (auto& answer : answers ? *answers : std::vector<Members>{}) {
    if (answer.error_code == ErrorCode::none) {
      reading.members.emplace(answer.group_id, std::move(answer.membership));
    } else {
      reading.members.emplace(answer.group_id,
                              fail(std::string(kafka::error_name(answer.error_code))));
    }
  }
  const Error why = answers ? Error::message("the answer leaves them out") : answers.error();
  for (const std::string& group : groups) reading.members.emplace(group, fail(why));
}

void OffsetSync::add_members(const Names& groups, Reading reading, NewsByGroup& news,
                             Failures& failures) const {
  for (const std::string& group : groups) {
    const auto found = reading.members.find(group);
    if (found == reading.members.end() || failures.contains(group)) continue;
    auto& members = found->second;
    if (members) {
      news_of(group, news).membership = std::move(*members);
    } else {
      failures[group] = "members at the source: " + members.error().text;
    }
  }
  // What has failed is not sent, and so stays a failure.
  for (const auto& [group, why] : failures) news.erase(group);
}

// Of offsets in which nothing is new the target knows already.
OffsetSync::News& OffsetSync::news_of(const std::string& group, NewsByGroup& news) const {
  const auto known = sent_.find(group);
  return news.try_emplace(group, News{known == sent_.end() ? Positions{} : known->second})
      .first->second;
}

io::Task<Result<void>> OffsetSync::send(NewsByGroup news, Uuid switchover, Failures& failures) {
  bool any_complete =
      std::ranges::any_of(news, [](const auto& group) { return group.second.complete; });
  std::vector<std::string> covered;
  if (any_complete && !topics_.empty()) {
    // After the reading: a topic that was deleted before it is unknown by now, and one that we may
    // no longer see is hidden, as its offsets are.
    std::vector<std::string> names(topics_.begin(), topics_.end());
    auto told = co_await client::Admin(source_).describe_topics(std::move(names), soon());
    if (!told) co_return fail(told.error());
    for (const auto& topic : told->topics) {
      const bool is_there = topic.error_code == ErrorCode::none && topic.name;
      // Of an answer counts what was asked.
      if (is_there && topics_.contains(*topic.name)) covered.push_back(*topic.name);
    }
  }
  std::vector<Request> requests;
  size_t bytes = 0;
  for (const auto& [group, what] : news) {
    bool full = requests.empty() || bytes > bytes_per_request ||
                requests.back().groups.size() == groups_per_request;
    if (full) {
      auto& request = requests.emplace_back();
      request.link = link_;
      request.link_epoch = link_epoch_;
      request.switchover_id = switchover;
      bytes = 0;
    }
    if (what.complete && requests.back().topics.empty()) requests.back().topics = covered;
    auto& out = requests.back().groups.emplace_back();
    out.group_id = group;
    out.complete = what.complete;
    out.membership = what.membership;
    bytes += what.membership ? what.membership->size() : 0;
    for (const auto& [tp, at] : what.positions) {
      out.offsets.push_back({tp.topic, tp.partition, at.offset, at.metadata});
      bytes += tp.topic.size() + at.metadata.size() + bytes_of_numbers;
    }
  }
  auto connection = co_await target_.any(soon());
  if (!connection) co_return fail(connection.error());
  const auto version = (*connection)->version_for(Request::api_key);
  if (!version) co_return fail(client::no_common_version(Request::api_key, (*connection)->peer()));
  for (const auto& [group, what] : news) failures[group] = "the target's answer leaves it out";
  auto answers = co_await client::call_pipelined(*connection, std::move(requests), *version,
                                                 requests_under_way, patience_);
  if (!answers) co_return fail(answers.error());
  for (const auto& answer : *answers) {
    if (answer.error_code != ErrorCode::none) {
      co_return kafka::refuse(answer.error_code, "group offsets refused");
    }
    note_answer(answer, news, failures);
  }
  co_return Result<void>{};
}

void OffsetSync::note_answer(const kafka::MirrorOffsetsResponse& answer, NewsByGroup& news,
                             Failures& failures) {
  for (const auto& result : answer.groups) {
    auto told = news.find(result.group_id);
    if (told == news.end()) continue;
    if (result.error_code != ErrorCode::none) {
      failures[result.group_id] = "target: " + std::string(kafka::error_name(result.error_code));
      continue;
    }
    failures.erase(result.group_id);
    auto& positions = told->second.positions;
    if (result.held) {
      bool& is_held = known_[result.group_id];
      if (!std::exchange(is_held, true)) {
        log_.warn("group={} is held: it has members or commits of its own at the target",
                  result.group_id);
      }
      sent_.erase(result.group_id);
    } else if (result.empty) {
      known_.erase(result.group_id);
      sent_.erase(result.group_id);
    } else {
      known_[result.group_id] = false;
      sent_[result.group_id] = std::move(positions);
    }
  }
}

void OffsetSync::report(const Result<Failures>& outcome) {
  if (!outcome) {
    bool news = trouble_ != outcome.error().text && outcome.error().kind != Error::Kind::closed;
    if (news) log_.warn("group offsets do not cross: {}", outcome.error().text);
    trouble_ = outcome.error().text;
    return;
  }
  trouble_.clear();
  Failures untold;
  for (const auto& [group, why] : *outcome) {
    auto told = failures_.find(group);
    if (told == failures_.end() || told->second != why) untold[group] = why;
  }
  if (!untold.empty()) {
    log_.warn("offsets of {} do not cross: {}", names_in(untold), untold.begin()->second);
  }
  failures_ = *outcome;
}

}  // namespace isthmus::mirror
