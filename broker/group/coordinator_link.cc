// Coordinator: groups that a link owns.
#include <algorithm>

#include "broker/group/coordinator.h"

namespace isthmus::broker {

using kafka::ErrorCode;

namespace {

// Groups that go into one write of the register.
constexpr size_t releases_at_once = 500;

}  // namespace

bool Coordinator::may_take(const HostedGroup& hosted, const std::string& link) const {
  if (hosted.link) return *hosted.link == link;
  const std::string& id = hosted.group.id();
  return hosted.group.idle() && !hosted.offsets.has_own() && hosted.appends.running() == 0 &&
         !hosted.removing && !fenced(id);
}

io::Task<LinkCommitResult> Coordinator::commit_from_link(LinkCommit commit) {
  const auto hold = runtime_.begin_request();
  LinkCommitResult result;
  result.error = check(commit.group, GroupName::may_be_empty);
  if (result.error != ErrorCode::none) co_return result;
  int64_t& newest_epoch = link_epochs_.try_emplace(commit.link, commit.link_epoch).first->second;
  if (commit.link_epoch < newest_epoch) {
    result.error = ErrorCode::fenced_leader_epoch;
    co_return result;
  }
  newest_epoch = commit.link_epoch;
  const bool brings = commit.brings_anything();
  const HostedGroupPtr hosted = brings ? host(commit.group) : find(commit.group);
  if (!brings && (!hosted || hosted->link != commit.link)) {
    if (hosted && hosted->wanted_by == commit.link) hosted->wanted_by.reset();
    co_return result;
  }
  if (!may_take(*hosted, commit.link)) {
    hosted->wanted_by = commit.link;
    result.held = true;
    co_return result;
  }
  if (hosted->releasing) {
    result.error = ErrorCode::coordinator_load_in_progress;
    co_return result;
  }
  const io::InFlight::Hold appending(hosted->appends);
  if (!hosted->link) result.error = co_await take(hosted, commit.link);
  if (result.error != ErrorCode::none) co_return result;
  hosted->wanted_by.reset();
  result.error = co_await write_from_link(hosted, std::move(commit));
  result.empty = hosted->offsets.empty() && !hosted->moved;
  co_return result;
}

io::Task<ErrorCode> Coordinator::take(HostedGroupPtr hosted, std::string link) {
  const std::string& group = hosted->group.id();
  // At once, so that no client comes in while the register is written.
  hosted->link = link;
  Result<void> taken = co_await seams_.ownership.put({group}, link);
  if (!taken) {
    hosted->link = seams_.ownership.owner_of(group);
    log_.warn("link={} cannot take group={}: {}", link, group, taken.error().text);
    co_return coordinator_error(taken.error());
  }
  log_.info("link={} owns group={}", link, group);
  co_return hosted->term()->is_lost() ? ErrorCode::not_coordinator : ErrorCode::none;
}

io::Task<ErrorCode> Coordinator::write_from_link(HostedGroupPtr hosted, LinkCommit commit) {
  std::vector<std::pair<TopicPartition, CommittedOffset>> news;
  std::vector<JournalRecord> records;
  std::set<TopicPartition> named;
  for (auto& offset : commit.offsets) {
    if (commit.complete_in) named.insert(offset.partition);
    const Offsets::Entry* before = hosted->offsets.find(offset.partition);
    // A link repeats itself; the log need not.
    if (before && before->from_link && before->committed.offset == offset.offset &&
        before->committed.metadata == offset.metadata) {
      continue;
    }
    CommittedOffset committed{offset.offset, -1, std::move(offset.metadata), loop_.wall_ms(), -1};
    records.push_back(encode_offset({commit.group, offset.partition, true}, committed));
    news.emplace_back(std::move(offset.partition), std::move(committed));
  }
  std::vector<TopicPartition> gone;
  for (const auto& [at, entry] : hosted->offsets.entries()) {
    const bool told = entry.from_link && commit.complete_in &&
                      commit.complete_in->contains(at.topic) && !named.contains(at);
    if (told) gone.push_back(at);
  }
  for (const TopicPartition& at : gone) {
    // What was committed here before the link came would else count again after a restart; so it
    // goes first, should the writing break off in between.
    records.push_back(encode_tombstone(OffsetKey{commit.group, at, false}));
    records.push_back(encode_tombstone(OffsetKey{commit.group, at, true}));
  }
  const bool members = commit.moved.has_value() && !commit.moved->membership.empty();
  const bool members_go = commit.moved.has_value() && !members && hosted->moved.has_value();
  if (members && commit.moved != hosted->moved) {
    records.push_back(encode_moved(commit.group, *commit.moved));
  } else if (members_go) {
    records.push_back(encode_tombstone(MovedGroupKey{commit.group}));
  }
  if (records.empty()) co_return ErrorCode::none;
  const uint64_t number = hosted->offsets.begin();
  Result<void> written = co_await hosted->term()->append(std::move(records));
  if (!written) co_return coordinator_error(written.error());
  if (members) hosted->moved = std::move(commit.moved);
  if (members_go) hosted->moved.reset();
  for (auto& [at, committed] : news) hosted->offsets.apply(at, std::move(committed), true, number);
  for (const TopicPartition& at : gone) hosted->offsets.erase(at, number);
  if (!gone.empty()) {
    log_.info("group={} offsets of {} partitions are gone at the source", commit.group,
              gone.size());
  }
  co_return ErrorCode::none;
}

Result<Membership> Coordinator::members_of(const std::string& group,
                                           const std::string& switchover) {
  const ErrorCode error = check(group, GroupName::may_be_empty);
  if (error != ErrorCode::none) return kafka::refuse(error, "group " + group);
  if (!runtime_.fences().hold_all(switchover)) {
    return kafka::refuse(ErrorCode::invalid_request, "the fence has ended");
  }
  const HostedGroupPtr hosted = find(group);
  // A link's group has its members elsewhere.
  if (!hosted || hosted->link) return Membership{};
  return hosted->group.membership();
}

io::Task<Result<Coordinator::Moving>> Coordinator::moving(std::string group,
                                                          std::string switchover) {
  const auto hold = runtime_.begin_request();
  auto members = members_of(group, switchover);
  if (!members) co_return fail(members.error());
  const TermPtr term = runtime_.term_of(group);
  Moving moving{std::move(*members), {}, term->partition(), term->leader_epoch()};
  kafka::OffsetFetchRequest::OffsetFetchRequestGroup all;
  all.group_id = group;
  all.topics.reset();
  moving.offsets = co_await fetch_group(std::move(all));
  if (moving.offsets.error_code != ErrorCode::none) {
    co_return kafka::refuse(moving.offsets.error_code, "group " + group);
  }
  if (term->is_over()) co_return kafka::refuse(ErrorCode::not_coordinator, "group " + group);
  co_return moving;
}

io::Task<std::vector<ErrorCode>> Coordinator::promote(std::string link,
                                                      std::vector<std::string> groups,
                                                      Uuid switchover) {
  const auto hold = runtime_.begin_request();
  std::vector<ErrorCode> answers;
  for (size_t at = 0; at < groups.size(); at += releases_at_once) {
    std::vector<Release> releases;
    for (size_t i = at; i < std::min(groups.size(), at + releases_at_once); ++i) {
      releases.push_back(begin_release(groups[i], &link));
    }
    co_await release(releases, switchover);
    for (const Release& each : releases) answers.push_back(each.error);
  }
  co_return answers;
}

io::Task<ErrorCode> Coordinator::detach(std::string group) {
  const auto hold = runtime_.begin_request();
  std::vector<Release> releases;
  releases.push_back(begin_release(group, nullptr));
  co_await release(releases, Uuid{});
  co_return releases[0].error;
}

Coordinator::Release Coordinator::begin_release(const std::string& group, const std::string* link) {
  Release out;
  out.error = check(group, GroupName::may_be_empty);
  if (out.error != ErrorCode::none) return out;
  const HostedGroupPtr hosted = host(group);
  if (!hosted->link) return out;
  if (link && *hosted->link != *link) {
    out.error = ErrorCode::invalid_request;
  } else if (std::exchange(hosted->releasing, true)) {
    out.error = ErrorCode::coordinator_load_in_progress;
  } else {
    out.hosted = hosted;
  }
  return out;
}

// What a link has brought becomes records that Kafka knows, the register comes last: until it says
// otherwise the group is the link's, and a release that broke off is simply repeated. The other way
// round, an offset above the log's end could meet data that was written here in the meantime, and
// skip it. So the members stay under the link's key until then.
io::Task<void> Coordinator::release(std::vector<Release>& releases, Uuid switchover) {
  io::InFlight writing(loop_);
  for (Release& each : releases) {
    if (!each.hosted) continue;
    const bool begun = runtime_.spawn("release group", write_final(each, switchover, writing));
    if (!begun) each.error = ErrorCode::not_coordinator;
  }
  co_await writing.ended();
  std::vector<std::string> written;
  for (Release& each : releases) {
    if (!each.hosted || each.error != ErrorCode::none) continue;
    if (each.hosted->term()->is_lost()) {
      each.error = ErrorCode::not_coordinator;
    } else {
      written.push_back(each.hosted->key());
    }
  }
  Result<void> registered;
  if (!written.empty()) registered = co_await seams_.ownership.put(written, std::nullopt);
  std::map<PartitionIndex, std::pair<TermPtr, std::vector<JournalRecord>>> forgotten;
  for (Release& each : releases) {
    if (!each.hosted) continue;
    each.hosted->releasing = false;
    if (each.error != ErrorCode::none) continue;
    if (!registered) {
      each.error = coordinator_error(registered.error());
      continue;
    }
    const TermPtr& term = each.hosted->term();
    if (term->is_lost()) {
      each.error = ErrorCode::not_coordinator;
      continue;
    }
    if (each.hosted->moved) {
      auto& [of, records] = forgotten[term->partition()];
      of = term;
      records.push_back(encode_tombstone(MovedGroupKey{each.hosted->key()}));
    }
    end_release(each);
  }
  for (auto& [partition, of] : forgotten) {
    auto& [term, records] = of;
    Result<void> done = co_await term->append(std::move(records));
    // Not missed: no other switchover has that id.
    if (!done) log_.warn("members that a link has brought stay stored: {}", done.error().text);
  }
}

io::Task<void> Coordinator::write_final(Release& release, Uuid switchover, io::InFlight& writing) {
  const io::InFlight::Hold hold(writing);
  HostedGroup& hosted = *release.hosted;
  const std::string id = hosted.group.id();
  co_await hosted.appends.ended();
  std::vector<LogEnds::Position> positions;
  for (const auto& [at, entry] : hosted.offsets.entries()) {
    positions.push_back({at, entry.committed.offset});
  }
  const std::vector<LogEnds::Position> asked = positions;
  auto ends = co_await seams_.ends.clamp(std::move(positions));
  std::vector<JournalRecord> records;
  // Members of a switchover that came to nothing have gone on at the source since.
  release.with_members = hosted.moved && hosted.moved->switchover_id == switchover;
  if (release.with_members) {
    Membership& theirs = hosted.moved->membership;
    // Who is still a member here was not handed over, or a crash has brought them back; or this is
    // repeated.
    const bool are_others =
        !hosted.group.idle() && hosted.group.membership().stored.members != theirs.stored.members;
    const bool parted = seams_.ownership.has_parted(id) || are_others;
    theirs.raise_above(hosted.group.generation(), parted);
    records.push_back(encode_group(id, theirs.stored));
  } else if (!switchover.is_zero()) {
    release.anew.emplace();
    kafka::GroupMetadataValue& stored = release.anew->stored;
    stored.generation = first_generation_after(hosted.group.generation(), switchover);
    stored.current_state_timestamp = now().wall_ms;
    records.push_back(encode_group(id, stored));
  }
  for (size_t i = 0; i < asked.size(); ++i) {
    const TopicPartition& at = asked[i].partition;
    records.push_back(encode_tombstone(OffsetKey{id, at, true}));
    const bool is_known = i < ends.size() && ends[i];
    if (is_known && ends[i]->offset < 0) {
      records.push_back(encode_tombstone(OffsetKey{id, at, false}));
      continue;
    }
    CommittedOffset committed = hosted.offsets.find(at)->committed;
    // A partition that is offline: one bad disk keeps no group away from all the others. What will
    // be written there begins far above (Switchovers).
    committed.offset = is_known ? std::min(committed.offset, ends[i]->offset) : committed.offset;
    committed.leader_epoch = is_known ? ends[i]->leader_epoch : -1;
    if (const auto topic = seams_.topics.find(at.topic)) committed.topic_id = topic->id;
    records.push_back(encode_offset({id, at, false}, committed));
    release.offsets.emplace_back(at, std::move(committed));
  }
  Result<void> written = co_await hosted.term()->append(std::move(records));
  if (!written) release.error = coordinator_error(written.error());
}

// The group is the clients' from here on.
void Coordinator::end_release(Release& release) {
  const HostedGroupPtr& hosted = release.hosted;
  const uint64_t number = hosted->offsets.begin();
  const Offsets::Entries brought = hosted->offsets.entries();
  for (const auto& [at, entry] : brought) hosted->offsets.erase(at, number);
  for (auto& [at, committed] : release.offsets) {
    hosted->offsets.apply(at, std::move(committed), false, number);
  }
  const std::string id = hosted->group.id();
  log_.info("link={} has released group={} members={}", *hosted->link, id,
            release.with_members ? hosted->moved->membership.stored.members.size() : 0);
  hosted->link.reset();
  hosted->wanted_by.reset();
  const std::optional<MovedGroup> moved = std::exchange(hosted->moved, std::nullopt);
  if (release.with_members) {
    hosted->group = Group(id, config_, moved->membership, now());
    hosted->perform({});
  } else {
    // Loaded from the log, it may have had members of the time before the link.
    hosted->perform(hosted->group.dismiss(ErrorCode::unknown_member_id, now()));
    if (release.anew) hosted->group = Group(id, config_, *release.anew, now());
  }
}

std::optional<std::string> Coordinator::wanted_by(const std::string& group) {
  const HostedGroupPtr hosted = find(group);
  return hosted ? hosted->wanted_by : std::nullopt;
}

void Coordinator::follow_register() {
  for (const std::string& id : names()) {
    const HostedGroupPtr hosted = find(id);
    std::optional<std::string> owner = seams_.ownership.owner_of(id);
    if (!hosted || !owner || hosted->link == owner) continue;
    hosted->link = owner;
    hosted->wanted_by.reset();
    log_.info("link={} owns group={}", *owner, id);
    hosted->perform(hosted->group.dismiss(ErrorCode::not_coordinator, now()));
  }
}

}  // namespace isthmus::broker
